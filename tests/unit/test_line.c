#include "tests/unit/unit.h"

#include "common/line.h"

#include <limits.h>

#define ROOM 64

/* The same as snprintf in rooms of every size, and nothing behind the room. */
#define SAME(...)                                                                                  \
    do {                                                                                           \
        char whole[ROOM * 2], ours[ROOM + 1];                                                      \
                                                                                                   \
        snprintf(whole, sizeof whole, __VA_ARGS__);                                                \
        for (size_t room = 1; room <= ROOM; room++) {                                              \
            size_t wanted = strlen(whole) < room ? strlen(whole) : room - 1;                       \
                                                                                                   \
            memset(ours, '#', sizeof ours);                                                        \
            assert_int_equal(line_format(ours, room, __VA_ARGS__), wanted);                        \
            assert_memory_equal(ours, whole, wanted);                                              \
            assert_int_equal(ours[room], '#');                                                     \
        }                                                                                          \
    } while (0)

static void writes_what_printf_writes(void **state)
{
    (void)state;
    SAME("task=%s attempt=%d ms=%lld", "0195", 3, 12LL);
    SAME("%d %d %d", 0, INT_MIN, INT_MAX);
    SAME("%lld %lld", LLONG_MIN, LLONG_MAX);
    SAME("%zu %llu", SIZE_MAX, ULLONG_MAX);
    SAME("%s%s%s", "", "a", "");
    SAME("nothing to fill in");
}

static void leaves_all_else_to_printf(void **state)
{
    (void)state;
    SAME("%s of %.3f and %d", "a part", 1.5, 7);
    SAME("%.3s %5d %02x", "letters", 12, 10);
    SAME("%d%%", 50);
    SAME("%.*s|%c", 2, "letters", 'c');
}

static void an_empty_format_is_an_empty_line(void **state)
{
    char ours[4] = "###";
    const char *empty = "";

    (void)state;
    assert_int_equal(line_format(ours, sizeof ours, "%s", empty), 0);
    assert_string_equal(ours, "###");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_what_printf_writes),
        cmocka_unit_test(leaves_all_else_to_printf),
        cmocka_unit_test(an_empty_format_is_an_empty_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
