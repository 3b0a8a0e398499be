#include "tests/unit/unit.h"

#include "common/cleanup.h"
#include "common/json.h"

static bool reads(const char *text, size_t size, char *out, size_t room, struct fault *fault)
{
    SCOPED(scoped_json) struct json_object *value = NULL;

    if (!json_read(&value, text, size, fault))
        return false;
    if (out)
        snprintf(out, room, "%s", json_text(value, &size));
    return true;
}

static void what_is_json_comes_out_as_it_went_in(void **state)
{
    static const char *const same[] = {
        "null",
        "true",
        "false",
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "1.10",
        "1e5",
        "0.1E-7",
        "\"\"",
        "\"a\\\"\\\\b\\n\\u0001\"",
        "\"\xc3\xa4\xf0\x9f\x98\x80/\"",
        "[]",
        "{}",
        "[1,[2,{\"a\":null}]]",
        "{\"b\":1,\"a\":[true]}",
    };
    static const char *const other[][2] = {
        {" [ 1 , 2 ]\n", "[1,2]"},
        {"\"\\u00e4\\ud83d\\ude00\\/\"", "\"\xc3\xa4\xf0\x9f\x98\x80/\""},
        {"{\"a\" : {} }", "{\"a\":{}}"},
    };
    char out[256];
    struct fault fault;

    (void)state;
    for (size_t i = 0; i < COUNT(same); i++) {
        assert_true(reads(same[i], strlen(same[i]), out, sizeof out, &fault));
        assert_string_equal(out, same[i]);
    }
    for (size_t i = 0; i < COUNT(other); i++) {
        assert_true(reads(other[i][0], strlen(other[i][0]), out, sizeof out, &fault));
        assert_string_equal(out, other[i][1]);
    }
}

static void what_is_not_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "line 1, column 1: there is nothing"},
        {"  ", "line 1, column 3: the text ends too early"},
        {"{\n  \"a\": x}", "line 2, column 8: neither a value nor a number"},
        {"{\"a\":1", "a comma or } is missing"},
        {"[1,]", "line 1, column 4"},
        {"{\"a\":1,}", "a name in quotes is missing"},
        {"{a:1}", "a name in quotes is missing"},
        {"{\"a\" 1}", "a colon is missing"},
        {"{\"a\":1,\"a\":2}", "line 1, column 8: the name stands twice in one object"},
        {"[1 2]", "a comma or ] is missing"},
        {"1 2", "line 1, column 3: more than one value"},
        {"{} /* */", "more than one value"},
        {"// x\n1", "neither"},
        {"tru", "not a value"},
        {"True", "neither"},
        {"NaN", "neither"},
        {"-Infinity", "neither"},
        {"nul", "not a value"},
        {"'a'", "neither"},
        {"01", "more than one value"},
        {"-", "neither"},
        {"1.", "neither"},
        {".5", "neither"},
        {"+1", "neither"},
        {"1e", "neither"},
        {"0x10", "more than one value"},
        {"1e400", "a number beyond a double"},
        {"1e-999", "a number beyond a double"},
        {"0.00000000000000000000000000000000000000000000000000000000000001e1",
         "too many characters"},
        {"\"a", "the text ends too early"},
        {"\"a\nb\"", "a control character within a text"},
        {"\"\\x\"", "an escape that JSON does not know"},
        {"\"\\u00g0\"", "four hexadecimal digits"},
        {"\"\\u0000\"", "U+0000 is not allowed"},
        {"{\"a\\u0000b\":1}", "U+0000 is not allowed"},
        {"\"\\ud83d\"", "a surrogate without its second half"},
        {"\"\\ud83d\\u0041\"", "a surrogate without its second half"},
        {"\"\\ude00\"", "a surrogate without its first half"},
        {"\"\xff\"", "not valid UTF-8"},
        {"\"\xc3", "not valid UTF-8"},
        {"\"\xed\xa0\x80\"", "not valid UTF-8"},
    };
    struct fault fault;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (reads(cases[i].text, strlen(cases[i].text), NULL, 0, &fault))
            fail_msg("%s was taken", cases[i].text);
        if (!strstr(fault.text, cases[i].says))
            fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].text, fault.text, cases[i].says);
        assert_int_equal(fault.kind, FAULT_REJECTED);
    }
    assert_false(reads("\"a\0b\"", 5, NULL, 0, &fault));
    assert_non_null(strstr(fault.text, "U+0000"));
}

/* What is JSON but cannot be kept is named by its place, so that the caller's field is. */
static void what_cannot_be_kept_has_a_place(void **state)
{
    static const struct {
        const char *text;
        bool is_value;
        const char *pointer;
    } cases[] = {
        {"{\"a\":1,\"b\":[0,{\"c/d\":\"\\u0000\"}]}", true, "/b/1/c~1d"},
        {"\"\\ud800\"", true, ""},
        {"{\"a\":[1,[]],\"b\":1e999}", true, "/b"},
        {"{\"a\":{\"b\":-1e-999}}", true, "/a/b"},
        {"{\"a\":1,\"a\":2}", true, "/a"},
        {"{\"a\":[1,}", false, NULL},
        {"{\"a\":\"\xff\"}", false, NULL},
    };
    struct json_object *value = NULL;
    struct json_place place;
    struct fault fault;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_false(json_read_at(&value, cases[i].text, strlen(cases[i].text), &place, &fault));
        assert_int_equal(place.is_value, cases[i].is_value);
        if (cases[i].pointer)
            assert_string_equal(place.pointer, cases[i].pointer);
    }
}

static void depth_has_a_bound(void **state)
{
    char text[2 * (JSON_DEPTH_MOST + 1)];
    struct fault fault;

    (void)state;
    for (int depth = JSON_DEPTH_MOST; depth <= JSON_DEPTH_MOST + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        assert_int_equal(reads(text, (size_t)(2 * depth), NULL, 0, &fault),
                         depth <= JSON_DEPTH_MOST);
    }
    assert_non_null(strstr(fault.text, "nested more than 32 deep"));
}

static void equal_values_have_one_text(void **state)
{
    static const char *const groups[][3] = {
        {"{\"a\":1,\"b\":[1,2]}", "{ \"b\":[1.0, 2e0] , \"a\": 1 }", "{\"a\":1,\"b\":[1,2]}"},
        {"{\"x\":{\"d\":0.5,\"c\":\"\\u00e4\"}}", "{\"x\":{\"c\":\"\xc3\xa4\",\"d\":5e-1}}",
         "{\"x\":{\"c\":\"\xc3\xa4\",\"d\":0.5}}"},
        {"-0.0", "0", "0"},
        {"null", " null", "null"},
    };
    struct fault fault;

    (void)state;
    for (size_t i = 0; i < COUNT(groups); i++)
        for (int j = 0; j < 2; j++) {
            SCOPED(scoped_json) struct json_object *value = NULL;

            assert_true(json_read(&value, groups[i][j], strlen(groups[i][j]), &fault));
            SCOPED(scoped_text) char *text = json_canonical(value);

            assert_string_equal(text, groups[i][2]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_json_comes_out_as_it_went_in),
        cmocka_unit_test(what_is_not_is_refused_with_its_place),
        cmocka_unit_test(what_cannot_be_kept_has_a_place),
        cmocka_unit_test(depth_has_a_bound),
        cmocka_unit_test(equal_values_have_one_text),
    };

    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
