#include "tests/unit/unit.h"

#include "common/mem.h"
#include "producer/after.h"

static void places_go_both_ways(void **state)
{
    static const struct {
        const char *text, *topic;
        int32_t partition;
        int64_t offset;
    } cases[] = {
        {"rota.commands.11.4096", "rota.commands", 11, 4096},
        {"t.0.0", "t", 0, 0},
        {"a.1.2.3", "a.1", 2, 3},
        {"x-_y.2147483647.9223372036854775806", "x-_y", INT32_MAX, INT64_MAX - 1},
    };
    char text[AFTER_TEXT];
    struct after after;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(after_read(&after, cases[i].text));
        assert_string_equal(after.topic, cases[i].topic);
        assert_int_equal(after.partition, cases[i].partition);
        assert_int_equal(after.offset, cases[i].offset);
        assert_string_equal(after_write(text, &after), cases[i].text);
    }
}

static void anything_else_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        ".",
        "..",
        "...",
        "t",
        "t.1",
        "t.1.",
        "t..1",
        ".1.1",
        "t.1.1.",
        "t.-1.1",
        "t.1.-1",
        "t.+1.1",
        "t.01.1",
        "t.1.01",
        "t. 1.1",
        "t.1.1 ",
        "t.2147483648.1",
        "t.1.a",
        "t/u.1.1",
        "t u.1.1",
        "t.1.0x1",
        "\xc3\xa4.1.1",
        "t.1.9223372036854775807",
        "t.1.99999999999999999999",
    };
    char wide[300] = "";
    struct after after = {.partition = 7};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (after_read(&after, cases[i]))
            fail_msg("%s was taken", cases[i]);
    memset(wide, 'x', 250);
    strcat(wide, ".1.1");
    assert_false(after_read(&after, wide));
    assert_true(after_read(&after, wide + 1));
    assert_int_equal(after.partition, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_go_both_ways),
        cmocka_unit_test(anything_else_is_refused),
    };

    return cmocka_run_group_tests_name("after", tests, NULL, NULL);
}
