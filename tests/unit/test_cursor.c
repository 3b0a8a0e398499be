#include "common/mem.h"
#include "tests/unit/unit.h"

#include "producer/cursor.h"

static const struct cursor some = {
    .source = 5,
    .key = 1795258800123456,
    .id = {{1, 0x9a, 0xa4, 0xd2, 5, 6, 0x70, 8, 9, 10, 11, 12, 13, 14, 15, 255}},
    .filter = 0xfedcba98};

static void comes_back_as_it_went(void **state)
{
    static const struct cursor cases[] = {
        {.source = 0},
        {.source = CURSOR_SOURCE_MOST, .key = INT64_MAX, .filter = UINT32_MAX},
        {.source = 3, .key = 7 * (INT64_C(1) << 32) + 1},
    };

    (void)state;
    for (size_t i = 0; i <= COUNT(cases); i++) {
        const struct cursor *given = i < COUNT(cases) ? &cases[i] : &some;
        char text[CURSOR_TEXT];
        struct cursor read;
        struct fault fault;

        assert_int_equal(strlen(cursor_write(text, given)), CURSOR_TEXT - 1);
        assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                      "0123456789-_"),
                         CURSOR_TEXT - 1);
        assert_true(cursor_read(&read, text, &fault));
        assert_int_equal(read.source, given->source);
        assert_int_equal(read.key, given->key);
        assert_int_equal(read.filter, given->filter);
        assert_true(uuid_equal(&read.id, &given->id));
    }
}

static void crooked_ones_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "nonsense",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "AQUABmDE AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "AQUABmDE+/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "AQUABmDE==AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct cursor read = {.key = 7};
        struct fault fault;

        assert_false(cursor_read(&read, texts[i], &fault));
        assert_int_equal(fault.kind, FAULT_REJECTED);
        assert_int_equal(read.key, 7);
    }
}

static void every_changed_character_is_seen(void **state)
{
    char text[CURSOR_TEXT + 1];
    struct cursor read;
    struct fault fault;

    (void)state;
    for (int i = 0; i < CURSOR_TEXT - 1; i++) {
        cursor_write(text, &some);
        text[i] = text[i] == 'x' ? 'y' : 'x';
        assert_false(cursor_read(&read, text, &fault));
    }
    cursor_write(text, &some);
    text[CURSOR_TEXT - 2] = '\0';
    assert_false(cursor_read(&read, text, &fault));
    cursor_write(text, &some);
    strcat(text, "A");
    assert_false(cursor_read(&read, text, &fault));
}

static void bounds_hold_behind_a_right_check(void **state)
{
    static const struct cursor cases[] = {
        {.source = 1, .key = -1},
        {.source = 1, .key = INT64_MIN},
        {.source = CURSOR_SOURCE_MOST + 1},
    };
    char text[CURSOR_TEXT];
    struct cursor read;
    struct fault fault;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_false(cursor_read(&read, cursor_write(text, &cases[i]), &fault));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_went),
        cmocka_unit_test(crooked_ones_are_refused),
        cmocka_unit_test(every_changed_character_is_seen),
        cmocka_unit_test(bounds_hold_behind_a_right_check),
    };

    return cmocka_run_group_tests_name("cursor", tests, NULL, NULL);
}
