#include "tests/unit/unit.h"

#include "common/mem.h"
#include "executor/past.h"

#define EPOCH(n) ((int64_t)(n) << 32)

static void add(struct past *past, int64_t inbox, int64_t now_us)
{
    struct attempt attempt = {.inbox = inbox,
                              .token = 3,
                              .outcome = OUTCOME_FAILED,
                              .has_exit_code = true,
                              .exit_code = -9,
                              .started_us = inbox + 1,
                              .finished_us = inbox + 2};

    past_add(past, &attempt, now_us);
}

static void remembers_a_report_as_it_was_given(void **state)
{
    char error[] = "it broke";
    struct attempt attempt = {.inbox = EPOCH(7) + 5,
                              .task = {.bytes = {1, 2, 3}},
                              .token = 3,
                              .outcome = OUTCOME_TIMED_OUT,
                              .has_exit_code = true,
                              .exit_code = -9,
                              .started_us = 1000,
                              .finished_us = 2000,
                              .error = error};
    struct past past;

    (void)state;
    past_init(&past);
    assert_null(past_find(&past, attempt.inbox));
    past_add(&past, &attempt, 77);
    memset(error, 'x', sizeof error - 1);
    const struct past_report *report = past_find(&past, attempt.inbox);
    assert_non_null(report);
    assert_true(uuid_equal(&report->task, &attempt.task));
    assert_int_equal(report->token, 3);
    assert_int_equal(report->outcome, OUTCOME_TIMED_OUT);
    assert_true(report->has_exit_code);
    assert_int_equal(report->exit_code, -9);
    assert_int_equal(report->started_us, 1000);
    assert_int_equal(report->finished_us, 2000);
    assert_int_equal(report->accepted_us, 77);
    assert_string_equal(report->error, "it broke");
    past_done(&past);
}

static void grows_and_finds_all_of_it(void **state)
{
    struct past past;

    (void)state;
    past_init(&past);
    for (int64_t i = 0; i < 5000; i++)
        add(&past, EPOCH(7 + i % 2) + i, i);
    for (int64_t i = 0; i < 5000; i++) {
        assert_int_equal(past_find(&past, EPOCH(7 + i % 2) + i)->inbox, EPOCH(7 + i % 2) + i);
        assert_null(past_find(&past, EPOCH(9) + i));
        assert_false(past_forgot(&past, EPOCH(7 + i % 2) + i));
    }
    assert_true(past.room < 16384);
    past_done(&past);
}

/* What leaves is known by its highest number alone, and memory stays where it is. */
static void keeps_the_last_ones(void **state)
{
    struct past past;

    (void)state;
    past_init(&past);
    for (int64_t i = 1; i <= PAST_MOST + 100; i++)
        add(&past, EPOCH(1) + i, i);
    assert_int_equal(past.room, PAST_MOST);
    assert_null(past_find(&past, EPOCH(1) + 100));
    assert_true(past_forgot(&past, EPOCH(1) + 100));
    assert_non_null(past_find(&past, EPOCH(1) + 101));
    assert_false(past_forgot(&past, EPOCH(1) + 101));
    assert_non_null(past_find(&past, EPOCH(1) + PAST_MOST + 100));
    assert_int_equal(past_least(&past, 0), EPOCH(1) + 101);
    past_done(&past);
}

/* One that was given once more, after a failover, is there twice: the latest one is found. */
static void the_latest_of_a_number_is_found(void **state)
{
    struct past past;

    (void)state;
    past_init(&past);
    add(&past, 10, 1);
    for (int64_t i = 0; i < 2000; i++)
        add(&past, 100 + i, 2);
    add(&past, 10, 3);
    assert_int_equal(past_find(&past, 10)->accepted_us, 3);
    for (int64_t i = 0; i < PAST_MOST - 1; i++)
        add(&past, 100000 + i, 4);
    assert_int_equal(past_find(&past, 10)->accepted_us, 3);
    add(&past, 9, 4);
    assert_null(past_find(&past, 10));
    assert_true(past_forgot(&past, 10));
    past_done(&past);
}

static void tells_the_least_number_and_what_is_recent(void **state)
{
    struct past past;

    (void)state;
    past_init(&past);
    assert_int_equal(past_least(&past, 0), INT64_MAX);
    assert_int_equal(past_since(&past, 100), past.end);
    add(&past, 50, 1000);
    add(&past, 20, 2000); /* ran long */
    add(&past, 60, 2500);
    add(&past, 30, 3000);
    assert_int_equal(past_least(&past, 0), 20);
    assert_int_equal(past_least(&past, 2), 30);
    assert_int_equal(past_since(&past, 500), 2);
    assert_int_equal(past_since(&past, 999), 2);
    assert_int_equal(past_since(&past, 1000), 1);
    assert_int_equal(past_since(&past, 100000), 0);
    past_done(&past);
}

static void error_texts_are_cut_and_bounded(void **state)
{
    char error[1000];
    struct attempt attempt = {.outcome = OUTCOME_FAILED, .error = error};
    struct past past;
    size_t kept = 0;

    (void)state;
    past_init(&past);
    memset(error, 'e', sizeof error - 1);
    error[sizeof error - 1] = '\0';
    for (int64_t i = 0; i < PAST_MOST; i++) {
        attempt.inbox = i;
        past_add(&past, &attempt, i);
        kept += past_find(&past, i)->error != NULL;
    }
    assert_int_equal(strlen(past_find(&past, 0)->error), PAST_ERROR_MOST);
    assert_true(past.error_bytes <= PAST_ERRORS_MOST);
    assert_in_range(kept, PAST_ERRORS_MOST / (PAST_ERROR_MOST + 1) - 1, PAST_MOST - 1);
    /* As they leave there is room again. */
    for (int64_t i = 0; i < PAST_MOST; i++)
        add(&past, 1000000 + i, i);
    assert_int_equal(past.error_bytes, 0);
    attempt.inbox = 5000000;
    past_add(&past, &attempt, 1);
    assert_non_null(past_find(&past, 5000000)->error);
    past_done(&past);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(remembers_a_report_as_it_was_given),
        cmocka_unit_test(grows_and_finds_all_of_it),
        cmocka_unit_test(keeps_the_last_ones),
        cmocka_unit_test(the_latest_of_a_number_is_found),
        cmocka_unit_test(tells_the_least_number_and_what_is_recent),
        cmocka_unit_test(error_texts_are_cut_and_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
