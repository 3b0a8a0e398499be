#include "tests/unit/unit.h"

#include "common/mem.h"
#include "executor/report.h"
#include "executor/review.h"

/* What review_settle works on; no database: reports stay in their queue. */
static struct executor executor;

static int set_up(void **state)
{
    (void)state;
    executor = (struct executor){0};
    assert_true(sd_event_new(&executor.loop) >= 0);
    ledger_init(&executor.ledger);
    past_init(&executor.past);
    executor.report = report_open(&executor);
    executor.review = review_open(&executor);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    report_close(executor.report);
    review_close(executor.review);
    ledger_done(&executor.ledger);
    past_done(&executor.past);
    sd_event_unref(executor.loop);
    return 0;
}

static const struct uuid task = {.bytes = {4, 5, 6}};

static void accept(int64_t inbox)
{
    struct attempt attempt = {.inbox = inbox,
                              .task = task,
                              .token = 2,
                              .outcome = OUTCOME_SUCCEEDED,
                              .has_exit_code = true,
                              .exit_code = 0,
                              .started_us = 100,
                              .finished_us = 200};

    past_add(&executor.past, &attempt, 1);
}

static void what_was_never_seen_may_run(void **state)
{
    (void)state;
    accept(10);
    assert_false(review_settle(executor.review, 9, &task, 1));
    assert_false(review_settle(executor.review, 11, &task, 1));
    assert_int_equal(executor.ledger.count, 0);
    assert_int_equal(report_open_count(executor.report), 0);
}

static void what_was_reported_is_reported_as_it_was(void **state)
{
    (void)state;
    accept(10);
    assert_true(review_settle(executor.review, 10, &task, 2));
    const struct attempt *attempt = ledger_find(&executor.ledger, 10);

    assert_non_null(attempt);
    assert_int_equal(attempt->stage, ATTEMPT_ENDED);
    assert_true(uuid_equal(&attempt->task, &task));
    assert_int_equal(attempt->token, 2);
    assert_int_equal(attempt->outcome, OUTCOME_SUCCEEDED);
    assert_true(attempt->has_exit_code);
    assert_int_equal(attempt->started_us, 100);
    assert_int_equal(attempt->finished_us, 200);
    assert_null(attempt->error);
    assert_int_equal(report_open_count(executor.report), 1);
    assert_int_equal(ledger_low(&executor.ledger, 50), 10);
}

static void what_is_forgotten_fails_and_does_not_run(void **state)
{
    (void)state;
    for (int64_t i = 1; i <= PAST_MOST + 1; i++)
        accept(i);
    assert_true(review_settle(executor.review, 1, &task, 2));
    const struct attempt *attempt = ledger_find(&executor.ledger, 1);

    assert_int_equal(attempt->outcome, OUTCOME_FAILED);
    assert_int_equal(attempt->stage, ATTEMPT_ENDED);
    assert_true(attempt->finished_us > 0);
    assert_non_null(attempt->error);
    assert_int_equal(report_open_count(executor.report), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_never_seen_may_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_reported_is_reported_as_it_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_forgotten_fails_and_does_not_run, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
