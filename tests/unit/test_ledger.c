#include "tests/unit/unit.h"

#include "common/mem.h"
#include "executor/executor.h"

static struct executor executor;

static struct attempt *add(struct ledger *ledger, int64_t inbox)
{
    struct attempt *attempt = mem_new(struct attempt, .executor = &executor, .inbox = inbox);

    ledger_add(ledger, attempt);
    return attempt;
}

static void finds_what_it_holds_and_nothing_else(void **state)
{
    struct ledger ledger;

    (void)state;
    ledger_init(&ledger);
    /* More than the first table holds, of two epochs. */
    for (int64_t i = 0; i < 5000; i++)
        add(&ledger, (i % 2 ? INT64_C(7) << 32 : INT64_C(8) << 32) + i);
    for (int64_t i = 0; i < 5000; i++) {
        int64_t inbox = (i % 2 ? INT64_C(7) << 32 : INT64_C(8) << 32) + i;

        assert_int_equal(ledger_find(&ledger, inbox)->inbox, inbox);
        assert_null(ledger_find(&ledger, (INT64_C(9) << 32) + i));
    }
    assert_int_equal(ledger.count, 5000);
    ledger_done(&ledger);
}

static void the_low_mark_is_the_least_that_is_held(void **state)
{
    struct ledger ledger;

    (void)state;
    ledger_init(&ledger);
    assert_int_equal(ledger_low(&ledger, 41), 42);
    struct attempt *ten = add(&ledger, 10), *twenty = add(&ledger, 20);
    struct attempt *five = add(&ledger, 5), *fifteen = add(&ledger, 15); /* visible late */
    assert_int_equal(ledger_low(&ledger, 20), 5);
    ledger_drop(&ledger, ten);
    assert_int_equal(ledger_low(&ledger, 20), 5);
    ledger_drop(&ledger, five);
    assert_int_equal(ledger_low(&ledger, 20), 15);
    ledger_drop(&ledger, fifteen);
    ledger_drop(&ledger, twenty);
    assert_int_equal(ledger_low(&ledger, 20), 21);
    assert_null(ledger_find(&ledger, 20));
    ledger_done(&ledger);
}

static void kept_texts_are_counted_and_outlive_their_source(void **state)
{
    char source[] = "payload";
    struct ledger ledger;

    (void)state;
    ledger_init(&ledger);
    struct attempt *attempt = add(&ledger, 1);
    attempt->texts = (struct attempt_texts){.queue = "default", .payload = source};
    attempt_keep(attempt);
    memset(source, 'x', sizeof source - 1);
    assert_string_equal(attempt->texts.payload, "payload");
    assert_string_equal(attempt->texts.queue, "default");
    assert_null(attempt->texts.work);
    assert_int_equal(executor.kept_bytes, 16);
    attempt_forget(attempt);
    assert_int_equal(executor.kept_bytes, 0);
    attempt->texts.payload = "again";
    attempt_keep(attempt);
    ledger_done(&ledger);
    assert_int_equal(executor.kept_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_it_holds_and_nothing_else),
        cmocka_unit_test(the_low_mark_is_the_least_that_is_held),
        cmocka_unit_test(kept_texts_are_counted_and_outlive_their_source),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
