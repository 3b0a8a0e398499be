/* An instant that is taken lies within its years, and is written as one that reads the same. */
#include "common/instant.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    SCOPED(scoped_text) char *text = fuzz_text(bytes, size);
    int64_t us, again_us;
    char out[INSTANT_TEXT];
    struct fault fault;

    if (!instant_read(&us, text, &fault)) {
        fuzz_check_fault(&fault);
        return 0;
    }
    assert(us >= INSTANT_LEAST_US && us <= INSTANT_MOST_US);
    assert(instant_read(&again_us, instant_write(out, us), &fault));
    assert(again_us == us / 1000 * 1000);
    return 0;
}
