/* Crontabs as schedules. */
#include "tests/unit/unit.h"

#include "common/json.h"
#include "producer/crontab.h"

#include <string.h>

static struct json_object *read_tab(const char *text)
{
    struct problems problems = {0};
    struct json_object *items = NULL;

    if (!crontab_read(&items, text, strlen(text), "tab-", &problems))
        fail_msg("%s %s", problems.list[0].pointer, problems.list[0].detail);
    return items;
}

static const char *text_of(struct json_object *of, const char *path)
{
    char name[64];

    for (const char *at = path; of && *at;) {
        size_t size = strcspn(at, "/");

        snprintf(name, sizeof name, "%.*s", (int)size, at);
        of = json_object_object_get(of, name);
        at += size + (at[size] == '/');
    }
    return of ? json_object_get_string(of) : NULL;
}

static void entries_become_definitions(void **state)
{
    struct json_object *items =
        read_tab("# every night\n"
                 "MAILTO=root\n"
                 "# the nightly report\n"
                 "30 2 * * 1-5   /usr/bin/report --day \"x y\" > /dev/null  \n"
                 "\n"
                 "CRON_TZ = 'Europe/Berlin'\n"
                 "PATH=/bin:/usr/bin\n"
                 "@daily date +\\%F\n");
    struct json_object *one = json_object_array_get_idx(items, 0),
                       *two = json_object_array_get_idx(items, 1);

    (void)state;
    assert_int_equal(json_object_array_length(items), 2);
    assert_int_equal(strncmp(text_of(one, "name"), "tab-", 4), 0);
    assert_string_equal(text_of(one, "description"), "the nightly report");
    assert_string_equal(text_of(one, "spec/cron"), "30 2 * * 1-5");
    assert_string_equal(text_of(one, "spec/cron_dialect"), "vixie");
    assert_null(text_of(one, "spec/timezone"));
    assert_string_equal(text_of(one, "task/shell/command"),
                        "/usr/bin/report --day \"x y\" > /dev/null");
    assert_string_equal(text_of(one, "task/shell/env/MAILTO"), "root");
    assert_null(text_of(one, "task/shell/env/PATH"));
    assert_string_equal(text_of(two, "spec/cron"), "@daily");
    assert_string_equal(text_of(two, "spec/timezone"), "Europe/Berlin");
    assert_string_equal(text_of(two, "task/shell/command"), "date +%F");
    assert_string_equal(text_of(two, "task/shell/env/PATH"), "/bin:/usr/bin");
    assert_null(text_of(two, "description"));
    json_object_put(items);
}

static void a_name_is_of_the_entry_alone(void **state)
{
    struct json_object *one = read_tab("0 0 * * * a\n0 0 * * * b\n");
    struct json_object *other = read_tab("# c\n\n0 0 * * * b\n");

    (void)state;
    assert_string_equal(text_of(json_object_array_get_idx(one, 1), "name"),
                        text_of(json_object_array_get_idx(other, 0), "name"));
    assert_string_not_equal(text_of(json_object_array_get_idx(one, 0), "name"),
                            text_of(json_object_array_get_idx(one, 1), "name"));
    json_object_put(one);
    json_object_put(other);
}

static void bad_lines_are_told_by_number(void **state)
{
    static const struct {
        const char *text, *pointer;
    } cases[] = {
        {"0 0 * * *\n", "#/1"},
        {"\n\n0 0 * * * mail % hello\n", "#/3"},
        {"@daily\n", "#/1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct problems problems = {0};
        struct json_object *items = NULL;

        assert_false(crontab_read(&items, cases[i].text, strlen(cases[i].text), "tab-", &problems));
        assert_string_equal(problems.list[0].pointer, cases[i].pointer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_become_definitions),
        cmocka_unit_test(a_name_is_of_the_entry_alone),
        cmocka_unit_test(bad_lines_are_told_by_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
