/* What json_read takes comes out as text that it takes again, as the same value. */
#include "common/cleanup.h"
#include "common/json.h"
#include "common/mem.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    SCOPED(scoped_json) struct json_object *value = NULL, *again = NULL;
    struct fault fault;
    size_t length;

    if (!json_read(&value, (const char *)bytes, size, &fault)) {
        assert(fault.kind == FAULT_REJECTED && !value);
        return 0;
    }
    const char *text = json_text(value, &length);

    assert(json_read(&again, text, length, &fault));
    SCOPED(scoped_text) char *one = json_canonical(value), *other = json_canonical(again);

    assert(!strcmp(one, other));
    return 0;
}
