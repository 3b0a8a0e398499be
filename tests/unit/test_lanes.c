#include "tests/unit/unit.h"

#include "consumer/lanes.h"

#include <string.h>

static void stand_in_order(void **state)
{
    struct lanes lanes = {0};

    (void)state;
    lanes_hint(&lanes, "b", 0, 5);
    lanes_hint(&lanes, "a", -1, 5);
    lanes_hint(&lanes, "a", 7, 5);
    assert_int_equal(lanes.count, 3);
    assert_string_equal(lanes.list[0].queue, "a");
    assert_int_equal(lanes.list[0].priority, 7);
    assert_int_equal(lanes.list[1].priority, -1);
    assert_string_equal(lanes.list[2].queue, "b");
    lanes_clear(&lanes);
}

/* The cursor goes back to a hint before it, and never forward. */
static void hint_moves_the_cursor_back(void **state)
{
    struct lanes lanes = {0};

    (void)state;
    lanes_hint(&lanes, "a", 0, 50);
    struct lane *lane = lanes_find(&lanes, "a", 0);

    lane->cursor_us = 100;
    lane->cursor_id.bytes[0] = 9;
    lane->next_us = LANE_NEVER;
    lanes_hint(&lanes, "a", 0, 200);
    assert_int_equal(lane->cursor_us, 100);
    assert_int_equal(lane->cursor_id.bytes[0], 9);
    assert_int_equal(lane->next_us, 200);
    lanes_hint(&lanes, "a", 0, 100);
    assert_int_equal(lane->cursor_us, 100);
    assert_true(uuid_is_nil(&lane->cursor_id));
    assert_int_equal(lane->next_us, 100);
    lanes_hint(&lanes, "a", 0, 40);
    assert_int_equal(lane->cursor_us, 40);
    lanes_clear(&lanes);
}

static void hears_a_notification(void **state)
{
    struct lanes lanes = {0};

    (void)state;
    assert_true(lanes_hear(&lanes, "default 0 1700000000000000\nmail -5 1800000000000000\n"));
    assert_int_equal(lanes.count, 2);
    assert_int_equal(lanes_find(&lanes, "mail", -5)->next_us, 1800000000000000);
    assert_false(lanes_hear(&lanes, "*"));
    assert_false(lanes_hear(&lanes, "default nonsense\n"));
    assert_int_equal(lanes.count, 2);
    lanes_clear(&lanes);
}

static void forgets_what_nothing_is_expected_of(void **state)
{
    struct lanes lanes = {0};

    (void)state;
    lanes_hint(&lanes, "a", 0, 5);
    lanes_hint(&lanes, "b", 0, 5);
    lanes_hint(&lanes, "c", 0, 5);
    lanes_find(&lanes, "a", 0)->next_us = LANE_NEVER;
    lanes_find(&lanes, "b", 0)->next_us = LANE_NEVER;
    lanes_find(&lanes, "b", 0)->seen = true;
    lanes_sweep(&lanes);
    assert_int_equal(lanes.count, 2);
    assert_null(lanes_find(&lanes, "a", 0));
    assert_false(lanes_find(&lanes, "b", 0)->seen);
    lanes_clear(&lanes);
}

/* A hint does not let it go on; a word about its queue does, and that of another queue does not. */
static void a_held_lane_waits_for_its_queue(void **state)
{
    struct lanes lanes = {0};

    (void)state;
    lanes_hint(&lanes, "a", 0, 50);
    lanes_find(&lanes, "a", 0)->held_us = 200;
    lanes_hint(&lanes, "a", 0, 40);
    assert_int_equal(lane_next(lanes_find(&lanes, "a", 0)), 200);
    lanes_release(&lanes, "b");
    assert_int_equal(lane_next(lanes_find(&lanes, "a", 0)), 200);
    lanes_release(&lanes, "a");
    assert_int_equal(lane_next(lanes_find(&lanes, "a", 0)), 40);
    lanes_clear(&lanes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stand_in_order),
        cmocka_unit_test(hint_moves_the_cursor_back),
        cmocka_unit_test(hears_a_notification),
        cmocka_unit_test(forgets_what_nothing_is_expected_of),
        cmocka_unit_test(a_held_lane_waits_for_its_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
