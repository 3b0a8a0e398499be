#include "tests/unit/unit.h"

#include "common/uri.h"

/* One row a path: whether it fits, and what stands for {id}. */
static void paths_fit_patterns(void **state)
{
    static const struct {
        const char *path, *pattern;
        bool fits;
        const char *id;
    } cases[] = {
        {"/", "/", true, NULL},
        {"/livez", "/livez", true, NULL},
        {"/livez", "/readyz", false, NULL},
        {"/livez/", "/livez", false, NULL},
        {"/api//tasks", "/api/tasks", false, NULL},
        {"/tasks/7", "/tasks/{id}", true, "7"},
        {"/tasks/", "/tasks/{id}", false, NULL},
        {"/tasks", "/tasks/{id}", false, NULL},
        {"/tasks/7/cancel", "/tasks/{id}/cancel", true, "7"},
        {"/tasks/7/cancel", "/tasks/{id}", false, NULL},
        {"/tasks:batch", "/tasks:batch", true, NULL},
        {"/tasks:batch", "/tasks", false, NULL},
        {"/tasks/a%2Fb", "/tasks/{id}", true, "a/b"},
        {"/tasks/a%252Fb", "/tasks/{id}", true, "a%2Fb"},
        {"/tasks/a+b", "/tasks/{id}", true, "a+b"},
        {"/%74asks/%c3%a4", "/tasks/{id}", true, "\xc3\xa4"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct uri_path path;
        struct fault fault;

        assert_true(uri_path_read(&path, cases[i].path, strlen(cases[i].path), &fault));
        assert_int_equal(uri_path_fits(&path, cases[i].pattern), cases[i].fits);
        if (cases[i].id)
            assert_string_equal(uri_path_value(&path, cases[i].pattern, "id"), cases[i].id);
        assert_null(uri_path_value(&path, cases[i].pattern, "i"));
        uri_path_done(&path);
    }
}

static void broken_paths_are_refused(void **state)
{
    static const char *const paths[] = {
        "",     "tasks",    "/%",     "/%4",
        "/%4g", "/%00",     "/a%00b", "/%ff",
        "/%c3", "/%c3/%a4", "/\xff",  "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct uri_path path = {.count = 7};
        struct fault fault;

        assert_false(uri_path_read(&path, paths[i], strlen(paths[i]), &fault));
        assert_int_equal(fault.kind, FAULT_REJECTED);
        assert_int_equal(path.count, 7);
    }
}

static void params_are_decoded_once(void **state)
{
    static const char text[] = "a=1&&b=x+y%2Bz&c&=d&e=%26%3D&a=2&f=1=2&";
    static const struct {
        const char *name, *value;
    } list[] = {{"a", "1"},  {"b", "x y+z"}, {"c", ""},   {"", "d"},
                {"e", "&="}, {"a", "2"},     {"f", "1=2"}};
    struct uri_params params;
    struct fault fault;

    (void)state;
    assert_true(uri_params_read(&params, text, strlen(text), &fault));
    assert_int_equal(params.count, COUNT(list));
    for (size_t i = 0; i < COUNT(list); i++) {
        assert_string_equal(params.list[i].name, list[i].name);
        assert_string_equal(params.list[i].value, list[i].value);
    }
    assert_string_equal(uri_params_find(&params, "a"), "1");
    assert_null(uri_params_find(&params, "A"));
    uri_params_done(&params);
}

static void no_params_are_fine(void **state)
{
    struct uri_params params;
    struct fault fault;

    (void)state;
    assert_true(uri_params_read(&params, "", 0, &fault));
    assert_int_equal(params.count, 0);
    uri_params_done(&params);
}

static void broken_params_are_refused(void **state)
{
    static const char *const texts[] = {"a=%", "a=%0", "a=%00", "%zz=1", "a=\xff", "a=%c3&b=%a4"};
    char many[3 * URI_PARAMS_MOST + 8] = "";
    struct uri_params params;
    struct fault fault;

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_false(uri_params_read(&params, texts[i], strlen(texts[i]), &fault));
    for (int i = 0; i <= URI_PARAMS_MOST; i++)
        strcat(many, "a&");
    assert_false(uri_params_read(&params, many, strlen(many), &fault));
    assert_non_null(strstr(fault.text, "100"));
    assert_true(uri_params_read(&params, many, strlen(many) - 2, &fault));
    uri_params_done(&params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_fit_patterns),        cmocka_unit_test(broken_paths_are_refused),
        cmocka_unit_test(params_are_decoded_once),   cmocka_unit_test(no_params_are_fine),
        cmocka_unit_test(broken_params_are_refused),
    };

    return cmocka_run_group_tests_name("uri", tests, NULL, NULL);
}
