#include "tests/unit/unit.h"

#include "executor/window.h"

static void doubles_while_no_task_needs_a_slot(void **state)
{
    struct window window;
    static const int64_t expected[] = {16, 32, 64, 100, 100};

    (void)state;
    window_init(&window, 16, 100);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(window_credits(&window, 0), expected[i]);
        window_read(&window, 10, 0);
    }
}

static void a_task_that_needs_a_slot_sets_it_back(void **state)
{
    struct window window;

    (void)state;
    window_init(&window, 16, 2000);
    for (int i = 0; i < 7; i++)
        window_read(&window, 10, 0);
    assert_int_equal(window_credits(&window, 0), 2000);
    window_read(&window, 10, 1);
    assert_int_equal(window_credits(&window, 0), 16);
}

static void an_empty_read_changes_nothing(void **state)
{
    struct window window;

    (void)state;
    window_init(&window, 4, 2000);
    window_read(&window, 0, 0);
    assert_int_equal(window_credits(&window, 0), 4);
}

static void what_is_held_is_taken_off_and_never_below_zero(void **state)
{
    struct window window;

    (void)state;
    window_init(&window, 4, 2000);
    assert_int_equal(window_credits(&window, 3), 1);
    assert_int_equal(window_credits(&window, 4), 0);
    assert_int_equal(window_credits(&window, 100000), 0);
}

static void a_bound_below_the_slots_is_the_slots(void **state)
{
    struct window window;

    (void)state;
    window_init(&window, 50, 10);
    window_read(&window, 1, 0);
    assert_int_equal(window_credits(&window, 0), 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_while_no_task_needs_a_slot),
        cmocka_unit_test(a_task_that_needs_a_slot_sets_it_back),
        cmocka_unit_test(an_empty_read_changes_nothing),
        cmocka_unit_test(what_is_held_is_taken_off_and_never_below_zero),
        cmocka_unit_test(a_bound_below_the_slots_is_the_slots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
