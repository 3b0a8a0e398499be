/* A duration that is taken is not negative, and is written as one that reads the same. */
#include "common/instant.h"
#include "common/task.h"
#include "tests/fuzz/fuzz.h"

static void check(int64_t ms)
{
    char out[INSTANT_TEXT];
    struct fault fault;
    int64_t again_ms;

    assert(ms >= 0);
    if (ms > TASK_DELAY_MOST_MS)
        return; /* nothing takes one so long */
    assert(duration_read(&again_ms, duration_write(out, ms), &fault) && again_ms == ms);
    assert(duration_read_setting(&again_ms, out, &fault) && again_ms == ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    SCOPED(scoped_text) char *text = fuzz_text(bytes, size);
    int64_t ms, setting_ms;
    struct fault fault;
    bool taken = duration_read(&ms, text, &fault);

    if (taken)
        check(ms);
    else
        fuzz_check_fault(&fault);
    if (duration_read_setting(&setting_ms, text, &fault)) {
        check(setting_ms);
        assert(!taken || setting_ms == ms);
    } else {
        fuzz_check_fault(&fault);
        assert(!taken);
    }
    return 0;
}
