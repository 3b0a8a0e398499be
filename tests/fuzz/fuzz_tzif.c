/* A zone file that is taken is a row of ascending spans with offsets of a day or so. */
#include "common/tzif.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct fault fault;
    struct tzif tzif;

    if (!tzif_read(&tzif, bytes, size, &fault)) {
        fuzz_check_fault(&fault);
        return 0;
    }
    assert(tzif.count > 0 && tzif.spans[0].from_s == INT64_MIN);
    for (size_t i = 0; i < tzif.count; i++) {
        assert(tzif.spans[i].offset_s > -26 * 3600 && tzif.spans[i].offset_s < 27 * 3600);
        assert(i == 0 || (tzif.spans[i].from_s > tzif.spans[i - 1].from_s &&
                          tzif.spans[i].offset_s != tzif.spans[i - 1].offset_s));
    }
    tzif_done(&tzif);
    return 0;
}
