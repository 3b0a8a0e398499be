/* Which ends are tried again, and when. */
#include "tests/unit/unit.h"

#include "common/json.h"
#include "common/retry.h"
#include "executor/again.h"

#define NOW_US (INT64_C(1795000000) * 1000000)

/* False, and `detail` names what is wrong. */
static bool read_retry(struct retry *ret, const char *text, const char *type,
                       char detail[static 512])
{
    struct problems problems = {0};
    struct field at = {.problems = &problems, .pointer = "/retry"};
    struct json_object *value;
    struct fault fault;
    bool known;

    assert_true(json_read(&value, text, strlen(text), &fault));
    known = retry_read(ret, value, type, &at, true);
    json_object_put(value);
    assert_int_equal(known, problems.count == 0);
    if (!known)
        snprintf(detail, 512, "%s: %s", problems.list[0].pointer, problems.list[0].detail);
    return known;
}

static struct retry retry_of(const char *text, const char *type)
{
    struct retry retry;
    char detail[512];

    if (!read_retry(&retry, text, type, detail))
        fail_msg("%s", detail);
    return retry;
}

static int64_t wait_ms(const char *text, const char *type, enum outcome outcome, int code,
                       int spent)
{
    struct retry retry = retry_of(text, type);

    return retry_wait_ms(&retry, &(struct retry_ended){.outcome = outcome,
                                                       .has_code = code != INT32_MIN,
                                                       .code = code,
                                                       .spent = spent,
                                                       .token = spent});
}

#define NO_CODE INT32_MIN
#define PLAIN "{\"max_attempts\": 9, \"initial\": \"PT2S\", \"max\": \"PT10S\", \"jitter\": 0"

static void waits_grow_by_the_backoff_up_to_the_longest(void **state)
{
    static const struct {
        const char *backoff;
        int64_t waits[5];
    } rows[] = {
        {"fixed", {2000, 2000, 2000, 2000, 2000}},
        {"linear", {2000, 4000, 6000, 8000, 10000}},
        {"exponential", {2000, 4000, 8000, 10000, 10000}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (int spent = 1; spent <= 5; spent++) {
            char text[160];

            snprintf(text, sizeof text, PLAIN ", \"backoff\": \"%s\"}", rows[i].backoff);
            assert_int_equal(wait_ms(text, "shell", OUTCOME_FAILED, 1, spent),
                             rows[i].waits[spent - 1]);
        }
}

static void there_are_no_more_attempts_than_asked_for(void **state)
{
    (void)state;
    assert_true(wait_ms(PLAIN "}", "shell", OUTCOME_FAILED, 1, 8) > 0);
    assert_int_equal(wait_ms(PLAIN "}", "shell", OUTCOME_FAILED, 1, 9), 0);
    assert_int_equal(wait_ms("{\"max_attempts\": 1}", "shell", OUTCOME_FAILED, 1, 1), 0);
    assert_true(wait_ms("{}", "shell", OUTCOME_FAILED, 1, 2) > 0);
    assert_int_equal(wait_ms("{}", "shell", OUTCOME_FAILED, 1, 3), 0);
}

static void what_is_tried_again_is_by_type_where_nothing_is_said(void **state)
{
    static const struct {
        const char *type;
        enum outcome outcome;
        int code;
        bool again;
    } rows[] = {
        {"shell", OUTCOME_FAILED, 1, true},          {"shell", OUTCOME_FAILED, -9, true},
        {"shell", OUTCOME_FAILED, NO_CODE, true},    {"shell", OUTCOME_TIMED_OUT, NO_CODE, true},
        {"shell", OUTCOME_CANCELLED, -15, false},    {"shell", OUTCOME_SUCCEEDED, 0, false},
        {"shell", OUTCOME_RETURNED, NO_CODE, false}, {"log", OUTCOME_FAILED, NO_CODE, true},
        {"kafka", OUTCOME_FAILED, NO_CODE, true},    {"http", OUTCOME_FAILED, NO_CODE, true},
        {"http", OUTCOME_TIMED_OUT, NO_CODE, true},  {"http", OUTCOME_FAILED, 500, true},
        {"http", OUTCOME_FAILED, 503, true},         {"http", OUTCOME_FAILED, 599, true},
        {"http", OUTCOME_FAILED, 429, true},         {"http", OUTCOME_FAILED, 408, true},
        {"http", OUTCOME_FAILED, 425, true},         {"http", OUTCOME_FAILED, 400, false},
        {"http", OUTCOME_FAILED, 404, false},        {"http", OUTCOME_FAILED, 302, false},
        {"http", OUTCOME_SUCCEEDED, 200, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(wait_ms("{}", rows[i].type, rows[i].outcome, rows[i].code, 1) > 0,
                         rows[i].again);
}

static void only_the_ends_that_are_named_are_tried_again(void **state)
{
    static const struct {
        const char *on, *type;
        enum outcome outcome;
        int code;
        bool again;
    } rows[] = {
        {"exit:75", "shell", OUTCOME_FAILED, 75, true},
        {"exit:75", "shell", OUTCOME_FAILED, 76, false},
        {"exit:75", "shell", OUTCOME_FAILED, NO_CODE, false},
        {"exit:1-99", "shell", OUTCOME_FAILED, 1, true},
        {"exit:1-99", "shell", OUTCOME_FAILED, 99, true},
        {"exit:1-99", "shell", OUTCOME_FAILED, 100, false},
        {"signal", "shell", OUTCOME_FAILED, -11, true},
        {"signal", "shell", OUTCOME_FAILED, 11, false},
        {"error", "shell", OUTCOME_FAILED, NO_CODE, true},
        {"error", "shell", OUTCOME_FAILED, 1, false},
        {"timed_out", "shell", OUTCOME_TIMED_OUT, NO_CODE, true},
        {"timed_out", "shell", OUTCOME_FAILED, 1, false},
        {"failed", "shell", OUTCOME_TIMED_OUT, NO_CODE, false},
        {"status:404", "http", OUTCOME_FAILED, 404, true},
        {"status:500-502", "http", OUTCOME_FAILED, 502, true},
        {"status:500-502", "http", OUTCOME_FAILED, 503, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[64];

        snprintf(text, sizeof text, "{\"on\": [\"%s\"]}", rows[i].on);
        assert_int_equal(wait_ms(text, rows[i].type, rows[i].outcome, rows[i].code, 1) > 0,
                         rows[i].again);
    }
}

static void what_the_target_asks_for_goes_before_the_backoff_up_to_the_longest(void **state)
{
    struct retry retry = retry_of(PLAIN "}", "http");
    struct retry_ended ended = {
        .outcome = OUTCOME_FAILED, .has_code = true, .code = 503, .spent = 4, .after_ms = 1000};

    (void)state;
    assert_int_equal(retry_wait_ms(&retry, &ended), 1000);
    ended.after_ms = 10001;
    assert_int_equal(retry_wait_ms(&retry, &ended), 10000);
    ended.code = 404;
    assert_int_equal(retry_wait_ms(&retry, &ended), 0);
}

/* Of 1,000 draws: within the share, spread over it, and the same for the same attempt. */
static void jitter_shortens_by_a_part_that_is_drawn(void **state)
{
    struct retry retry = retry_of("{\"initial\": \"PT10S\", \"jitter\": 0.5}", "shell");
    int64_t least = INT64_MAX, most = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct retry_ended ended = {
            .outcome = OUTCOME_FAILED, .spent = 1, .token = 1, .task = uuid_random()};
        int64_t wait = retry_wait_ms(&retry, &ended);

        assert_int_equal(wait, retry_wait_ms(&retry, &ended));
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    assert_in_range(least, 5000, 5100);
    assert_in_range(most, 9900, 10000);
}

static void what_the_target_asks_for_is_spread_behind_it(void **state)
{
    struct retry retry = retry_of("{\"max\": \"PT20S\", \"jitter\": 0.5}", "http");
    int64_t least = INT64_MAX, most = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct retry_ended ended = {.outcome = OUTCOME_FAILED,
                                    .has_code = true,
                                    .code = 503,
                                    .spent = 1,
                                    .after_ms = 10000,
                                    .task = uuid_random()};
        int64_t wait = retry_wait_ms(&retry, &ended);

        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    assert_in_range(least, 10000, 10100);
    assert_in_range(most, 14900, 15000);
}

static void no_wait_is_a_millisecond(void **state)
{
    (void)state;
    assert_int_equal(
        wait_ms("{\"initial\": \"PT0S\", \"max\": \"PT0S\"}", "shell", OUTCOME_FAILED, 1, 1), 1);
}

static void what_is_read_is_written_in_full(void **state)
{
    static const struct {
        const char *type, *text, *full;
    } rows[] = {
        {"shell", "{}",
         "{\"max_attempts\":3,\"backoff\":\"exponential\",\"initial\":\"PT10S\",\"max\":\"PT1H\","
         "\"jitter\":0.1,\"on\":[\"failed\",\"timed_out\"]}"},
        {"log", "{\"max\": \"PT5S\"}",
         "{\"max_attempts\":3,\"backoff\":\"exponential\",\"initial\":\"PT5S\",\"max\":\"PT5S\","
         "\"jitter\":0.1,\"on\":[\"failed\",\"timed_out\"]}"},
        {"http", "{\"initial\": \"PT2H\", \"backoff\": \"linear\", \"jitter\": 1}",
         "{\"max_attempts\":3,\"backoff\":\"linear\",\"initial\":\"PT2H\",\"max\":\"PT2H\","
         "\"jitter\":1,\"on\":[\"timed_out\",\"error\",\"status:408\",\"status:425\",\"status:"
         "429\","
         "\"status:500-599\"]}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct retry retry = retry_of(rows[i].text, rows[i].type);
        struct json_object *json = retry_json(&retry), *again;

        assert_string_equal(json_text(json, NULL), rows[i].full);
        retry = retry_of(rows[i].full, rows[i].type);
        again = retry_json(&retry);
        assert_string_equal(json_text(again, NULL), rows[i].full);
        json_object_put(json);
        json_object_put(again);
    }
}

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *text, *type, *says;
    } rows[] = {
        {"[]", "shell", "#/retry: must be an object"},
        {"{\"max_attempts\": 0}", "shell",
         "#/retry/max_attempts: must be a whole number from 1 to 1000"},
        {"{\"backoff\": \"quadratic\"}", "shell",
         "#/retry/backoff: must be one of fixed, linear, exponential"},
        {"{\"initial\": \"P8D\"}", "shell", "#/retry/initial: must be from PT0S to P7D"},
        {"{\"initial\": \"PT2S\", \"max\": \"PT1S\"}", "shell",
         "#/retry/max: must be at least as long as initial"},
        {"{\"jitter\": 1.1}", "shell", "#/retry/jitter: must be from 0 to 1"},
        {"{\"jitter\": \"some\"}", "shell", "#/retry/jitter: must be a number"},
        {"{\"on\": []}", "shell",
         "#/retry/on: must not be empty: leave it out, or set max_attempts to 1"},
        {"{\"on\": [\"failed\", \"lost\"]}", "shell",
         "#/retry/on/1: must be one of failed, timed_out, error, signal, exit:CODE, status:CODE, "
         "where CODE may be a range"},
        {"{\"on\": [\"exit\"]}", "shell",
         "#/retry/on/0: must be one of failed, timed_out, error, signal, exit:CODE, status:CODE, "
         "where CODE may be a range"},
        {"{\"on\": [\"failed:1\"]}", "shell",
         "#/retry/on/0: must be one of failed, timed_out, error, signal, exit:CODE, status:CODE, "
         "where CODE may be a range"},
        {"{\"on\": [\"exit:256\"]}", "shell",
         "#/retry/on/0: exit takes a code or a range of codes from 0 to 255, like exit:0-255"},
        {"{\"on\": [\"exit:9-3\"]}", "shell",
         "#/retry/on/0: exit takes a code or a range of codes from 0 to 255, like exit:0-255"},
        {"{\"on\": [\"exit:-3\"]}", "shell",
         "#/retry/on/0: exit takes a code or a range of codes from 0 to 255, like exit:0-255"},
        {"{\"on\": [\"exit:3-\"]}", "shell",
         "#/retry/on/0: exit takes a code or a range of codes from 0 to 255, like exit:0-255"},
        {"{\"on\": [\"exit:\"]}", "shell",
         "#/retry/on/0: exit takes a code or a range of codes from 0 to 255, like exit:0-255"},
        {"{\"on\": [\"status:5xx\"]}", "http",
         "#/retry/on/0: status takes a code or a range of codes from 100 to 599, like "
         "status:100-599"},
        {"{\"on\": [\"status:503\"]}", "shell",
         "#/retry/on/0: status does not belong to type shell"},
        {"{\"on\": [\"signal\"]}", "http", "#/retry/on/0: signal does not belong to type http"},
        {"{\"max_attempt\": 3}", "shell",
         "#/retry/max_attempt: is not a known field; did you mean max_attempts?"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct retry retry;
        char detail[512];

        assert_false(read_retry(&retry, rows[i].text, rows[i].type, detail));
        assert_string_equal(detail, rows[i].says);
    }
}

static void retry_after_is_seconds_or_a_date(void **state)
{
    (void)state;
    assert_int_equal(again_after("1", NULL, NOW_US), 1000);
    assert_int_equal(again_after("120", NULL, NOW_US), 120000);
    assert_int_equal(again_after("0", NULL, NOW_US), 0);
    assert_int_equal(again_after("9999999999", NULL, NOW_US), 0);
    /* 1795000000 is 2026-11-18 11:06:40 UTC, a Wednesday. */
    assert_int_equal(again_after("Wed, 18 Nov 2026 11:06:50 GMT", NULL, NOW_US), 10000);
    assert_int_equal(
        again_after("Wed, 18 Nov 2026 11:06:50 GMT", "Wed, 18 Nov 2026 11:06:47 GMT", NOW_US),
        3000);
    assert_int_equal(again_after("Wed, 18 Nov 2026 11:06:50 GMT", "yesterday", NOW_US), 10000);
    assert_int_equal(again_after("Wed, 18 Nov 2026 11:06:30 GMT", NULL, NOW_US), 0);
    assert_int_equal(again_after("soon", NULL, NOW_US), 0);
    assert_int_equal(again_after("", NULL, NOW_US), 0);
    assert_int_equal(again_after("-5", NULL, NOW_US), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_grow_by_the_backoff_up_to_the_longest),
        cmocka_unit_test(there_are_no_more_attempts_than_asked_for),
        cmocka_unit_test(what_is_tried_again_is_by_type_where_nothing_is_said),
        cmocka_unit_test(only_the_ends_that_are_named_are_tried_again),
        cmocka_unit_test(what_the_target_asks_for_goes_before_the_backoff_up_to_the_longest),
        cmocka_unit_test(jitter_shortens_by_a_part_that_is_drawn),
        cmocka_unit_test(what_the_target_asks_for_is_spread_behind_it),
        cmocka_unit_test(no_wait_is_a_millisecond),
        cmocka_unit_test(what_is_read_is_written_in_full),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(retry_after_is_seconds_or_a_date),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
