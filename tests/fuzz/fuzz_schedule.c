/*
 * A definition that is taken reads again as it was written, and its fires ascend; so do those of a
 * crontab (a first byte of '@').
 */
#include "common/instant.h"
#include "common/schedule.h"
#include "producer/crontab.h"
#include "tests/fuzz/fuzz.h"

#define NAME "name"
#define FIRES 20

static void check_fires(const struct spec *spec)
{
    int64_t after_us = -1;
    struct spec_fire fire;

    for (int i = 0; i < FIRES && spec_next(spec, after_us, &fire); i++) {
        assert(fire.at_us > after_us && fire.at_us <= INSTANT_MOST_US);
        assert(spec_due_us(spec, fire.at_us) >= fire.at_us);
        after_us = fire.at_us;
    }
    assert(after_us >= 0);
}

static void check_definition(const struct schedule *schedule)
{
    SCOPED(scoped_json) struct json_object *written = schedule_json(schedule), *read = NULL;
    struct problems problems = {0};
    struct field at = {.problems = &problems};
    struct schedule *again = NULL;
    char sentence[SPEC_SENTENCE];
    struct fault fault;
    size_t size;
    const char *text = json_text(written, &size);

    assert(json_read(&read, text, size, &fault));
    assert(schedule_read(&again, read, NAME, true, &at));
    SCOPED(scoped_json) struct json_object *second = schedule_json(again);

    assert(json_object_equal(written, second));
    fuzz_check_text(spec_sentence(sentence, schedule->spec));
    check_fires(schedule->spec);
    schedule_free(again);
}

static void take(struct json_object *object, const char *name)
{
    struct problems problems = {0};
    struct field at = {.problems = &problems};
    struct schedule *schedule = NULL;

    if (!schedule_read(&schedule, object, name, true, &at)) {
        fuzz_check_problems(&problems);
        return;
    }
    if (!strcmp(name, NAME))
        check_definition(schedule);
    schedule_free(schedule);
}

static void take_crontab(const char *text, size_t size)
{
    SCOPED(scoped_json) struct json_object *items = NULL;
    struct problems problems = {0};

    if (!crontab_read(&items, text, size, "tab-", &problems)) {
        fuzz_check_problems(&problems);
        return;
    }
    for (size_t i = 0; i < json_object_array_length(items); i++) {
        struct json_object *item = json_object_array_get_idx(items, i);
        const char *name = json_object_get_string(json_object_object_get(item, "name"));

        assert(schedule_name_fits(name));
        take(item, name);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    SCOPED(scoped_json) struct json_object *object = NULL;
    struct fault fault;

    if (size && *bytes == '@')
        take_crontab((const char *)bytes + 1, size - 1);
    else if (json_read(&object, (const char *)bytes, size, &fault))
        take(object, NAME);
    return 0;
}
