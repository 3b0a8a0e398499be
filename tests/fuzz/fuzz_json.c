/* What json_read takes comes out as text that it takes again, as the same value. */
#include "tests/fuzz/fuzz.h"

static void check_refusal(const struct json_place *place, const struct fault *fault)
{
    struct problems problems = {0};

    fuzz_check_fault(fault);
    assert(!strncmp(fault->text, "line ", 5));
    problems_add(&problems, place->pointer, "%s", fault->text);
    fuzz_check_problems(&problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    SCOPED(scoped_json) struct json_object *value = NULL, *again = NULL;
    struct json_place place;
    struct fault fault;
    size_t length;

    if (!json_read_at(&value, (const char *)bytes, size, &place, &fault)) {
        assert(!value);
        check_refusal(&place, &fault);
        return 0;
    }
    const char *text = json_text(value, &length);

    assert(json_read(&again, text, length, &fault));
    SCOPED(scoped_text) char *one = json_canonical(value), *other = json_canonical(again);

    assert(!strcmp(one, other));
    return 0;
}
