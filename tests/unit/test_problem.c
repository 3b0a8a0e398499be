#include "tests/unit/unit.h"

#include "common/problem.h"

static const char *text_of(struct json_object *body, const char *name)
{
    struct json_object *value;

    return json_object_object_get_ex(body, name, &value) ? json_object_get_string(value) : NULL;
}

static void every_problem_is_whole(void **state)
{
    (void)state;
    for (enum problem i = 0; i < PROBLEM_COUNT; i++) {
        assert_non_null(problem_slug(i));
        assert_non_null(problem_title(i));
        assert_in_range(problem_status(i), 400, 599);
        assert_true(strspn(problem_slug(i), "abcdefghijklmnopqrstuvwxyz-") ==
                    strlen(problem_slug(i)));
        for (enum problem j = 0; j < i; j++)
            assert_string_not_equal(problem_slug(i), problem_slug(j));
    }
}

static void the_body_is_rfc_9457(void **state)
{
    struct problems problems = {0};
    struct json_object *body, *errors;

    (void)state;
    problems_add(&problems, "/delay", "must not be negative, but is %d", -1);
    problems_add(&problems, "", "is not an object");
    body = problem_json(PROBLEM_VALIDATION, "req-1", "/schedule", "look below", &problems);
    assert_string_equal(text_of(body, "type"), "/problems/validation");
    assert_string_equal(text_of(body, "title"), problem_title(PROBLEM_VALIDATION));
    assert_string_equal(text_of(body, "status"), "422");
    assert_string_equal(text_of(body, "detail"), "look below");
    assert_string_equal(text_of(body, "instance"), "/schedule");
    assert_string_equal(text_of(body, "request_id"), "req-1");
    assert_true(json_object_object_get_ex(body, "errors", &errors));
    assert_int_equal(json_object_array_length(errors), 2);
    assert_string_equal(text_of(json_object_array_get_idx(errors, 0), "pointer"), "#/delay");
    assert_string_equal(text_of(json_object_array_get_idx(errors, 0), "detail"),
                        "must not be negative, but is -1");
    assert_string_equal(text_of(json_object_array_get_idx(errors, 1), "pointer"), "#");
    json_object_put(body);
}

static void what_is_not_known_is_left_out(void **state)
{
    struct json_object *body = problem_json(PROBLEM_INTERNAL, NULL, NULL, NULL, NULL);

    (void)state;
    assert_int_equal(json_object_object_length(body), 3);
    json_object_put(body);
}

/* What a caller sent is quoted back: it must come out as JSON whatever it was. */
static void pointers_and_texts_are_made_safe(void **state)
{
    static const struct {
        const char *pointer, *fragment;
    } cases[] = {
        {"/a b", "#/a%20b"},           {"/m~0n~1o", "#/m~0n~1o"}, {"/\xc3\xa4", "#/%C3%A4"},
        {"/\"\\^`", "#/%22%5C%5E%60"}, {"/\xff", "#/%FF"},
    };
    struct problems problems = {0};
    char wide[400];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        problems_add(&problems, cases[i].pointer, "x");
        assert_string_equal(problems.list[i].pointer, cases[i].fragment);
    }
    memset(wide, ' ', sizeof wide);
    wide[sizeof wide - 1] = '\0';
    problems_add(&problems, wide, "%s\xc3", "cut within a character: ");
    const char *pointer = problems.list[COUNT(cases)].pointer;

    assert_true(strlen(pointer) < sizeof problems.list[0].pointer);
    assert_int_equal((strlen(pointer) - 1) % 3, 0);
    struct json_object *body = problem_json(PROBLEM_VALIDATION, NULL, "\xfe", "\xff", &problems);

    assert_string_equal(text_of(body, "detail"), "\xef\xbf\xbd");
    assert_string_equal(text_of(body, "instance"), "\xef\xbf\xbd");
    json_object_put(body);
}

static void the_list_has_a_bound(void **state)
{
    struct problems problems = {0};

    (void)state;
    for (int i = 0; i < PROBLEMS_MOST * 2; i++)
        problems_add(&problems, "/x", "%d", i);
    assert_int_equal(problems.count, PROBLEMS_MOST);
    assert_string_equal(problems.list[PROBLEMS_MOST - 1].detail, "19");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_problem_is_whole),
        cmocka_unit_test(the_body_is_rfc_9457),
        cmocka_unit_test(what_is_not_known_is_left_out),
        cmocka_unit_test(pointers_and_texts_are_made_safe),
        cmocka_unit_test(the_list_has_a_bound),
    };

    return cmocka_run_group_tests_name("problem", tests, NULL, NULL);
}
