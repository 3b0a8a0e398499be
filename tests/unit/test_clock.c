#include "tests/unit/unit.h"

#include "common/clock.h"

static void the_shortest_way_counts(void **state)
{
    int64_t now = clock_boot_us();

    (void)state;
    assert_false(clock_is_known());
    clock_heard(now + 1000000, now, now + 200); /* a distance of 999,900 */
    assert_true(clock_is_known());
    assert_int_equal(clock_database_at(now), now + 999900);
    /* A slower answer that agrees within what it may be off by changes nothing. */
    clock_heard(now + 1000000 + 2000, now, now + 4200);
    assert_int_equal(clock_database_at(now), now + 999900);
    clock_heard(now + 1000000, now, now + 100);
    assert_int_equal(clock_database_at(now), now + 999950);
}

static void a_step_replaces_it(void **state)
{
    int64_t now = clock_boot_us();

    (void)state;
    clock_heard(now + 1000000, now, now + 100);
    clock_heard(now + 11000000, now, now + 5000);
    assert_int_equal(clock_database_at(now), now + 11000000 - 2500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shortest_way_counts),
        cmocka_unit_test(a_step_replaces_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
