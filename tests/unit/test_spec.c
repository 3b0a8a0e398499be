/* Specs and whole definitions of schedules: what is taken, what is refused and where, what fires.
 */
#include "tests/unit/unit.h"

#include "common/instant.h"
#include "common/json.h"
#include "common/schedule.h"

#include <string.h>

static struct json_object *json(const char *text)
{
    struct json_object *object = NULL;
    struct fault fault;

    if (!json_read(&object, text, strlen(text), &fault))
        fail_msg("%s: %s", text, fault.text);
    return object;
}

static struct spec *read_spec(const char *text)
{
    struct json_object *object = json(text);
    struct problems problems = {0};
    struct field at = {.problems = &problems};
    struct spec *spec = NULL;

    if (!spec_read(&spec, object, &at, "name", true))
        fail_msg("%s: %s %s", text, problems.list[0].pointer, problems.list[0].detail);
    json_object_put(object);
    return spec;
}

static int64_t us(const char *text)
{
    struct fault fault;
    int64_t at;

    if (!instant_read(&at, text, &fault))
        fail_msg("%s: %s", text, fault.text);
    return at;
}

static void fires_as_said(void **state)
{
    static const struct {
        const char *spec, *after, *next[3];
        const char *sentence;
    } cases[] = {
        {"{\"cron\":\"30 2 * * MON-FRI\",\"timezone\":\"Europe/Berlin\"}",
         "2026-03-26T12:00:00Z",
         {"2026-03-27T01:30:00.000Z", "2026-03-30T00:30:00.000Z", "2026-03-31T00:30:00.000Z"},
         "At 02:30, Monday to Friday, Europe/Berlin"},
        {"{\"every\":\"PT90S\"}",
         "1970-01-01T00:00:00Z",
         {"1970-01-01T00:01:30.000Z", "1970-01-01T00:03:00.000Z", "1970-01-01T00:04:30.000Z"},
         "Every 90 seconds"},
        {"{\"every\":\"PT1H\",\"anchor\":\"2026-01-01T00:10:00Z\"}",
         "2026-01-01T00:00:00Z",
         {"2026-01-01T00:10:00.000Z", "2026-01-01T01:10:00.000Z", "2026-01-01T02:10:00.000Z"},
         "Every hour"},
        {"{\"every\":\"PT1H\",\"start_at\":\"2026-01-01T00:20:00Z\",\"end_at\":"
         "\"2026-01-01T02:20:00Z\"}",
         "2025-01-01T00:00:00Z",
         {"2026-01-01T00:20:00.000Z", "2026-01-01T01:20:00.000Z", NULL},
         "Every hour"},
        {"{\"at\":[\"2026-05-02T00:00:00Z\",\"2026-05-01T00:00:00Z\",\"2026-05-02T02:00:00+02:00\"]"
         "}",
         "2026-01-01T00:00:00Z",
         {"2026-05-01T00:00:00.000Z", "2026-05-02T00:00:00.000Z", NULL},
         "At 2 instants, from 2026-05-01T00:00:00.000Z to 2026-05-02T00:00:00.000Z"},
        {"{\"at\":\"2026-05-02T00:00:00Z\"}",
         "2026-01-01T00:00:00Z",
         {"2026-05-02T00:00:00.000Z", NULL, NULL},
         "Once, at 2026-05-02T00:00:00.000Z"},
        {"{\"cron\":\"CRON_TZ=Asia/Tokyo 0 9 1 1 *\"}",
         "2026-06-01T00:00:00Z",
         {"2027-01-01T00:00:00.000Z", "2028-01-01T00:00:00.000Z", "2029-01-01T00:00:00.000Z"},
         NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct spec *spec = read_spec(cases[i].spec);
        int64_t after_us = us(cases[i].after);
        char sentence[SPEC_SENTENCE], text[INSTANT_TEXT];
        struct spec_fire fire;

        for (int k = 0; k < 3; k++) {
            if (!cases[i].next[k]) {
                assert_false(spec_next(spec, after_us, &fire));
                break;
            }
            assert_true(spec_next(spec, after_us, &fire));
            assert_string_equal(instant_write(text, fire.at_us), cases[i].next[k]);
            after_us = fire.at_us;
        }
        if (cases[i].sentence)
            assert_string_equal(spec_sentence(sentence, spec), cases[i].sentence);
        spec_free(spec);
    }
}

static void check_walks_back(const char *text, int64_t after_us, int64_t past_us)
{
    struct spec *spec = read_spec(text);
    struct spec_fire fires[64], fire;
    int count = 0;

    while (count < 64 && spec_next(spec, after_us, &fires[count]) && fires[count].at_us < past_us)
        after_us = fires[count++].at_us;
    int64_t before_us = count == 64 ? fires[--count].at_us : past_us;

    while (count-- > 0) {
        if (!spec_previous(spec, before_us, &fire) || fire.at_us != fires[count].at_us ||
            fire.touched != fires[count].touched || fire.excluded != fires[count].excluded)
            fail_msg("%s: another fire before %lld", text, (long long)before_us);
        before_us = fire.at_us;
    }
    spec_free(spec);
}

static void walks_back_as_it_went(void **state)
{
    static const char bounded[] = "{\"cron\":\"0 * * * *\",\"start_at\":\"2026-03-29T01:00:00Z\","
                                  "\"end_at\":\"2026-03-29T09:00:00Z\"}";
    static const char list[] =
        "{\"at\":[\"2026-03-28T23:00:00Z\",\"2026-03-29T01:00:00Z\",\"2026-03-30T01:00:00Z\"]}";
    static const char *const specs[] = {
        "{\"every\":\"PT90S\"}",
        "{\"every\":\"PT1H\",\"anchor\":\"2026-03-28T22:10:00Z\"}",
        "{\"cron\":\"@every 7m\",\"start_at\":\"2026-03-28T22:01:00Z\"}",
        "{\"cron\":\"*/20 * * * *\",\"timezone\":\"Europe/Berlin\",\"exclude\":[\"2026-03-29\"]}",
        "{\"cron\":\"30 2 * * *\",\"timezone\":\"Europe/Berlin\"}",
        bounded,
        list,
    };
    struct spec_fire fire;
    struct spec *spec;

    (void)state;
    for (size_t i = 0; i < COUNT(specs); i++)
        check_walks_back(specs[i], us("2026-03-28T22:00:00Z"), us("2026-04-02T00:00:00Z"));
    spec = read_spec(bounded);
    assert_false(spec_previous(spec, us("2026-03-29T01:00:00Z"), &fire));
    assert_true(spec_previous(spec, us("2026-12-01T00:00:00Z"), &fire));
    assert_int_equal(fire.at_us, us("2026-03-29T08:00:00Z"));
    spec_free(spec);
    spec = read_spec(list);
    assert_false(spec_previous(spec, us("2026-03-28T23:00:00Z"), &fire));
    spec_free(spec);
}

static void is_refused_with_its_place(void **state)
{
    static const struct {
        const char *spec, *pointer, *detail;
    } cases[] = {
        {"{}", "#", "needs one of cron, every, at"},
        {"{\"cron\":\"* * * * *\",\"every\":\"PT5S\"}", "#", "takes only one"},
        {"{\"cron\":\"61 * * * *\"}", "#/cron", "minute"},
        {"{\"cron\":\"0 0 30 2 *\"}", "#/cron", "never"},
        {"{\"cron\":\"0 0 * * *\",\"timezone\":\"Europe/Berln\"}", "#/timezone", "Europe/Berlin"},
        {"{\"cron\":\"CRON_TZ=Asia/Tokyo 0 9 * * *\",\"timezone\":\"UTC\"}", "#/timezone",
         "differs"},
        {"{\"cron\":\"0 0 * * *\",\"cron_dialect\":\"unix\"}", "#/cron_dialect", "rota, vixie"},
        {"{\"cron\":\"0 0 * * *\",\"dst\":{\"gap\":\"x\"}}", "#/dst/gap", "run_after"},
        {"{\"cron\":\"0 0 * * *\",\"dst\":{\"overlap\":\"last\"}}", "#/dst/overlap", "second"},
        {"{\"every\":\"PT0.5S\"}", "#/every", "PT1S"},
        {"{\"every\":\"P1M\"}", "#/every", ""},
        {"{\"every\":\"PT5S\",\"dst\":{}}", "#/dst", "belongs to cron"},
        {"{\"every\":\"PT5S\",\"cron_dialect\":\"rota\"}", "#/cron_dialect", "belongs to cron"},
        {"{\"cron\":\"* * * * *\",\"anchor\":\"2026-01-01T00:00:00Z\"}", "#/anchor", "every"},
        {"{\"at\":[]}", "#/at", "at least one"},
        {"{\"at\":[\"2026-01-01\"]}", "#/at/0", ""},
        {"{\"every\":\"PT5S\",\"start_at\":\"2026-01-02T00:00:00Z\",\"end_at\":"
         "\"2026-01-01T00:00:00Z\"}",
         "#/end_at", "later than start_at"},
        {"{\"cron\":\"0 0 1 1 *\",\"start_at\":\"2026-01-02T00:00:00Z\",\"end_at\":"
         "\"2026-12-01T00:00:00Z\"}",
         "#", "never fires between"},
        {"{\"every\":\"PT5S\",\"max_runs\":0}", "#/max_runs", "from 1"},
        {"{\"every\":\"PT5S\",\"jitter\":\"P2D\"}", "#/jitter", ""},
        {"{\"every\":\"PT5S\",\"exclude\":[\"2026-02-30\"]}", "#/exclude/0", "a day such as"},
        {"{\"every\":\"PT5S\",\"exclude\":[\"2026-02-02/2026-02-01\"]}", "#/exclude/0",
         "ends before"},
        {"{\"evry\":\"PT5S\"}", "#/evry", "did you mean every"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct json_object *object = json(cases[i].spec);
        struct problems problems = {0};
        struct field at = {.problems = &problems};
        struct spec *spec = NULL;

        if (spec_read(&spec, object, &at, "name", true))
            fail_msg("taken: %s", cases[i].spec);
        if (strcmp(problems.list[0].pointer, cases[i].pointer) != 0 ||
            !strstr(problems.list[0].detail, cases[i].detail))
            fail_msg("%s: %s %s", cases[i].spec, problems.list[0].pointer, problems.list[0].detail);
        json_object_put(object);
    }
}

static void excluded_fires_are_told(void **state)
{
    struct spec *spec = read_spec("{\"cron\":\"0 0 * * *\",\"timezone\":\"Pacific/Auckland\","
                                  "\"exclude\":[\"2026-12-25\",\"2026-12-31/2027-01-02\"]}");
    int64_t after_us = us("2026-12-25T10:00:00Z"); /* an hour before midnight there */
    static const bool expected[] = {false, false, false, false, false, true, true, true, false};
    struct spec_fire fire;

    (void)state;
    for (size_t i = 0; i < COUNT(expected); i++) {
        assert_true(spec_next(spec, after_us, &fire));
        assert_int_equal(fire.excluded, expected[i]);
        after_us = fire.at_us;
    }
    assert_true(spec_next(spec, us("2026-12-24T10:00:00Z"), &fire));
    assert_true(fire.excluded);
    spec_free(spec);
}

static void jitter_is_the_same_every_time(void **state)
{
    struct spec *spec = read_spec("{\"every\":\"PT10S\",\"jitter\":\"PT5S\"}");
    int64_t least = INT64_MAX, most = 0;

    (void)state;
    for (int64_t fire = 0; fire < 2000; fire++) {
        int64_t late = spec_due_us(spec, fire * 10000000) - fire * 10000000;

        assert_int_equal(late, spec_due_us(spec, fire * 10000000) - fire * 10000000);
        assert_true(late >= 0 && late <= 5000000);
        least = late < least ? late : least;
        most = late > most ? late : most;
    }
    assert_true(least < 100000 && most > 4900000);
    spec_free(spec);
}

static void a_definition_reads_again_as_it_was_written(void **state)
{
    static const char *const texts[] = {
        "{\"spec\":{\"cron\":\"30 2 * * MON-FRI\",\"timezone\":\"Europe/Berlin\"},"
        "\"task\":{\"type\":\"log\",\"payload\":{}}}",
        "{\"description\":\"d\",\"tags\":[\"a\"],\"spec\":{\"every\":\"PT90S\",\"max_runs\":3,"
        "\"jitter\":\"PT1S\",\"exclude\":[\"2026-12-25\"],\"end_at\":\"2027-01-01T00:00:00Z\"},"
        "\"policy\":{\"overlap\":\"buffer_one\",\"misfire\":\"skip\",\"grace\":\"PT7S\","
        "\"catch_up_window\":\"PT0S\",\"pause_on_failures\":3},"
        "\"task\":{\"type\":\"shell\",\"shell\":{\"command\":\"true\"},\"queue\":\"q\","
        "\"priority\":7,\"timeout\":\"PT5S\",\"on_lost\":\"fail\",\"tags\":[\"t\"]}}",
        "{\"spec\":{\"at\":[\"2030-01-01T00:00:00Z\"]},"
        "\"task\":{\"type\":\"http\",\"http\":{\"url\":\"http://localhost/\"}}}",
        "{\"spec\":{\"cron\":\"@every 1h30m\"},\"task\":{\"type\":\"kafka\","
        "\"kafka\":{\"topic\":\"orders\",\"value\":\"v\"},\"name\":\"a.b\"}}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct json_object *object = json(texts[i]);
        struct problems problems = {0};
        struct field at = {.problems = &problems};
        struct schedule *first = NULL, *second = NULL;

        if (!schedule_read(&first, object, "n", true, &at))
            fail_msg("%s: %s %s", texts[i], problems.list[0].pointer, problems.list[0].detail);
        struct json_object *written = schedule_json(first);

        if (!schedule_read(&second, written, "n", true, &at))
            fail_msg("%s: %s %s", json_text(written, NULL), problems.list[0].pointer,
                     problems.list[0].detail);
        struct json_object *again = schedule_json(second);

        assert_true(json_object_equal(written, again));
        json_object_put(object);
        json_object_put(written);
        json_object_put(again);
        schedule_free(first);
        schedule_free(second);
    }
}

static void a_definition_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *text, *pointer;
    } cases[] = {
        {"{}", "#/spec"},
        {"{\"spec\":{\"every\":\"PT5S\"}}", "#/task"},
        {"{\"spec\":{\"every\":\"PT5S\"},\"task\":{}}", "#/task/type"},
        {"{\"spec\":{\"every\":\"PT5S\"},\"task\":{\"type\":\"log\",\"run_at\":\"x\"}}",
         "#/task/run_at"},
        {"{\"spec\":{\"every\":\"PT5S\"},\"task\":{\"type\":\"log\"},\"policy\":{\"misfire\":"
         "\"no\"}}",
         "#/policy/misfire"},
        {"{\"name\":\"other\",\"spec\":{\"every\":\"PT5S\"},\"task\":{\"type\":\"log\"}}",
         "#/name"},
        {"{\"spec\":{\"cron\":\"x\"},\"task\":{\"type\":\"log\"}}", "#/spec/cron"},
        {"{\"spec\":{\"every\":\"PT5S\"},\"task\":{\"type\":\"shell\"}}", "#/task/shell"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct json_object *object = json(cases[i].text);
        struct problems problems = {0};
        struct field at = {.problems = &problems};
        struct schedule *schedule = NULL;

        if (schedule_read(&schedule, object, "n", true, &at))
            fail_msg("taken: %s", cases[i].text);
        assert_string_equal(problems.list[0].pointer, cases[i].pointer);
        json_object_put(object);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_as_said),
        cmocka_unit_test(walks_back_as_it_went),
        cmocka_unit_test(is_refused_with_its_place),
        cmocka_unit_test(excluded_fires_are_told),
        cmocka_unit_test(jitter_is_the_same_every_time),
        cmocka_unit_test(a_definition_reads_again_as_it_was_written),
        cmocka_unit_test(a_definition_is_refused_with_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
