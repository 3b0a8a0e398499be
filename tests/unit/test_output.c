#include "tests/unit/unit.h"

#include "common/mem.h"
#include "executor/output.h"

static char *all_of(const struct output *output)
{
    size_t size;
    char *all = output_all(output, &size);

    all[size] = '\0';
    return all;
}

/* The same bytes in pieces of every size come out the same. */
static void keeps_the_first_and_the_last_part(void **state)
{
    const char *text = "abcdefghijklmnopqrstuvwxyz";

    (void)state;
    for (size_t piece = 1; piece <= 26; piece++) {
        struct output output;

        output_init(&output, 8);
        for (size_t at = 0; at < 26; at += piece)
            output_add(&output, text + at, at + piece > 26 ? 26 - at : piece);
        char *all = all_of(&output);
        assert_string_equal(all, "abcdwxyz");
        assert_int_equal(output.total, 26);
        assert_int_equal(output_dropped(&output), 18);
        free(all);
        output_done(&output);
    }
}

static void keeps_all_that_fits(void **state)
{
    struct output output;
    char *all;

    (void)state;
    output_init(&output, 10);
    all = all_of(&output);
    assert_string_equal(all, "");
    free(all);
    output_add(&output, "abc", 3);
    output_add(&output, "defg", 4);
    all = all_of(&output);
    assert_string_equal(all, "abcdefg");
    assert_int_equal(output_dropped(&output), 0);
    free(all);
    output_done(&output);
}

static void the_tail_is_clean_text(void **state)
{
    static const struct {
        const char *text;
        size_t size, most;
        const char *tail;
    } cases[] = {
        {"", 0, 10, ""},
        {"one\ntwo\n\n", 9, 10, "one\ntwo"},
        {"a\0b", 3, 10, "a?b"},
        {"a\x1b[0m\x7f\t.", 8, 10, "a?[0m?\t."},
        {"\xff\xfe", 2, 10, "??"},
        {"gr\xc3\xbc\xc3\x9f", 6, 10, "gr\xc3\xbc\xc3\x9f"},
        {"gr\xc3\xbc\xc3", 5, 10, "gr\xc3\xbc?"}, /* cut inside a character */
        {"\xed\xa0\x80", 3, 10, "???"},           /* a surrogate */
        {"\xc0\xaf", 2, 10, "??"},                /* longer than need be */
        {"\xf4\x90\x80\x80", 4, 10, "????"},      /* beyond U+10FFFF */
        {"x\xf0\x9f\x98\x80", 5, 10, "x\xf0\x9f\x98\x80"},
        {"abcdef", 6, 3, "def"},
        {"a\xc3\xbc"
         "b",
         4, 2, "b"}, /* starts at a character */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct output output;

        output_init(&output, 100);
        output_add(&output, cases[i].text, cases[i].size);
        char *tail = output_tail(&output, cases[i].most);
        assert_string_equal(tail, cases[i].tail);
        free(tail);
        output_done(&output);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_first_and_the_last_part),
        cmocka_unit_test(keeps_all_that_fits),
        cmocka_unit_test(the_tail_is_clean_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
