#include "common/cleanup.h"
#include "common/mem.h"
#include "tests/unit/unit.h"

#include "producer/filter.h"

/* Pairs of name and value, ended by NULL. */
static bool set_all(struct filter *filter, const char *const *pairs, struct fault *fault)
{
    filter_init(filter);
    for (; *pairs; pairs += 2)
        if (!filter_set(filter, pairs[0], pairs[1], fault))
            return false;
    return true;
}

#define PAIRS(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct filter filter_of(const char *const *pairs)
{
    struct filter filter;
    struct fault fault;

    assert_true(set_all(&filter, pairs, &fault));
    return filter;
}

static char *query_of(const struct filter *filter)
{
    char *text;
    size_t size;
    FILE *stream = mem_or_end(open_memstream(&text, &size));

    filter_write_query(filter, stream);
    fclose(stream);
    return text;
}

static void reads_what_is_asked_for(void **state)
{
    struct filter filter =
        filter_of(PAIRS("state", "running,failed", "type", "http", "queue", "mail.out", "tag",
                        "blau", "due_after", "2026-11-21T09:00:00Z", "due_before",
                        "2026-11-21T11:00:00+01:00", "limit", "500", "cursor", "abc"));

    (void)state;
    assert_int_equal(filter.states, STATE_BIT(STATE_RUNNING) | STATE_BIT(STATE_FAILED));
    assert_string_equal(filter.type, "http");
    assert_string_equal(filter.queue, "mail.out");
    assert_string_equal(filter.tag, "blau");
    assert_int_equal(filter.due_before_us - filter.due_after_us, INT64_C(3600000000));
    assert_int_equal(filter.limit, 500);
    assert_string_equal(filter.cursor, "abc");
    assert_int_equal(filter_count(&filter), 4);
    assert_false(filter_is_by_created(&filter));
}

static void without_parameters_all_are_meant(void **state)
{
    struct filter filter;

    (void)state;
    filter_init(&filter);
    assert_int_equal(filter.states, 0);
    assert_int_equal(filter.limit, FILTER_LIMIT);
    assert_int_equal(filter_count(&filter), 0);
    assert_true(filter.due_after_us < filter.due_before_us);
}

static void every_state_is_any_state(void **state)
{
    struct filter filter =
        filter_of(PAIRS("state", "scheduled,assigned,running,retrying,succeeded,failed,cancelled,"
                                 "expired,skipped"));

    (void)state;
    assert_int_equal(filter.states, 0);
}

static void a_created_bound_turns_the_order(void **state)
{
    struct filter after = filter_of(PAIRS("created_after", "2026-01-01T00:00:00Z"));
    struct filter before = filter_of(PAIRS("created_before", "2026-01-01T00:00:00Z"));

    (void)state;
    assert_true(filter_is_by_created(&after));
    assert_true(filter_is_by_created(&before));
}

static void wrong_values_are_refused(void **state)
{
    static const char *const cases[][2] = {
        {"state", ""},
        {"state", "nonsense"},
        {"state", "running,"},
        {"state", ",running"},
        {"state", "running failed"},
        {"state", "accepted"},
        {"state", "paused"},
        {"state", "RUNNING"},
        {"type", ""},
        {"type", "teleport"},
        {"type", "log,http"},
        {"queue", ""},
        {"queue", "No Such"},
        {"queue", "-a"},
        {"queue", "a123456789a123456789a123456789a123456789a123456789a123456789a1234"},
        {"tag", ""},
        {"tag", "a123456789a123456789a123456789a123456789a123456789a123456789a1234"},
        {"due_after", "yesterday"},
        {"due_after", "2026-11-21T09:00:00"},
        {"due_before", "9999-01-01T00:00:00Z"},
        {"created_after", "1"},
        {"created_before", ""},
        {"limit", ""},
        {"limit", "0"},
        {"limit", "-1"},
        {"limit", "501"},
        {"limit", "5x"},
        {"limit", "99999999999"},
        {"wrong", "1"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct filter filter;
        struct fault fault = {.kind = FAULT_NONE};

        assert_false(set_all(&filter, PAIRS(cases[i][0], cases[i][1]), &fault));
        assert_int_equal(fault.kind, FAULT_REJECTED);
        assert_true(*fault.text);
    }
}

static void twice_is_refused(void **state)
{
    struct filter filter;
    struct fault fault;

    (void)state;
    assert_false(set_all(&filter, PAIRS("tag", "a", "tag", "b"), &fault));
    assert_non_null(strstr(fault.text, "more than once"));
}

static void the_digest_is_of_what_is_meant(void **state)
{
    const char *const *const same[] = {
        PAIRS("state", "failed,running", "due_after", "2026-11-21T09:00:00Z"),
        PAIRS("due_after", "2026-11-21T10:00:00+01:00", "state", "running,failed,running"),
        PAIRS("due_after", "2026-11-21T09:00:00.000Z", "state", "running,failed", "limit", "7",
              "cursor", "abc"),
    };
    const char *const *const others[] = {
        PAIRS("limit", "50"),
        PAIRS("type", "log"),
        PAIRS("type", "http"),
        PAIRS("queue", "log"),
        PAIRS("tag", "log"),
        PAIRS("state", "failed"),
        PAIRS("state", "succeeded"),
        PAIRS("tag", "log\n"),
        PAIRS("queue", "a", "tag", "b"),
        PAIRS("queue", "b", "tag", "a"),
        PAIRS("due_after", "2026-11-21T09:00:00Z"),
        PAIRS("due_before", "2026-11-21T09:00:00Z"),
        PAIRS("created_after", "2026-11-21T09:00:00Z"),
        PAIRS("created_before", "2026-11-21T09:00:00Z"),
    };

    (void)state;
    for (size_t i = 1; i < COUNT(same); i++) {
        struct filter one = filter_of(same[0]), other = filter_of(same[i]);

        assert_int_equal(filter_digest(&one), filter_digest(&other));
    }
    for (size_t i = 0; i < COUNT(others); i++)
        for (size_t j = 0; j < i; j++) {
            struct filter one = filter_of(others[i]), other = filter_of(others[j]);

            assert_int_not_equal(filter_digest(&one), filter_digest(&other));
        }
}

static void the_query_is_written_again(void **state)
{
    struct filter filter = filter_of(
        PAIRS("limit", "7", "tag", "a&b=\xc3\xa4 %", "state", "failed,running", "cursor", "abc"));
    SCOPED(scoped_text) char *text = query_of(&filter);

    (void)state;
    assert_string_equal(text, "state=failed,running&tag=a%26b%3D%C3%A4%20%25&limit=7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_is_asked_for),
        cmocka_unit_test(without_parameters_all_are_meant),
        cmocka_unit_test(every_state_is_any_state),
        cmocka_unit_test(a_created_bound_turns_the_order),
        cmocka_unit_test(wrong_values_are_refused),
        cmocka_unit_test(twice_is_refused),
        cmocka_unit_test(the_digest_is_of_what_is_meant),
        cmocka_unit_test(the_query_is_written_again),
    };

    return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
