#include "tests/unit/unit.h"

#include "common/cleanup.h"
#include "common/state.h"

static void names_go_both_ways(void **state)
{
    enum task_state read;

    (void)state;
    for (int i = 0; i < STATE_COUNT; i++) {
        assert_true(state_read(&read, state_name((enum task_state)i)));
        assert_int_equal(read, i);
    }
    assert_false(state_read(&read, "queued"));
    assert_false(state_read(&read, ""));
    for (int i = 0; i < OUTCOME_COUNT; i++)
        assert_non_null(outcome_name((enum outcome)i));
}

static void only_a_retry_leaves_a_final_state(void **state)
{
    (void)state;
    for (int from = 0; from < STATE_COUNT; from++)
        for (int to = 0; to < STATE_COUNT; to++)
            if (state_is_final((enum task_state)from) && to != STATE_SCHEDULED)
                assert_false(state_may_become((enum task_state)from, (enum task_state)to));
    assert_true(state_may_become(STATE_RUNNING, STATE_RETRYING));
    assert_true(state_may_become(STATE_FAILED, STATE_SCHEDULED));
    assert_false(state_may_become(STATE_SUCCEEDED, STATE_SCHEDULED));
    assert_false(state_may_become(STATE_SKIPPED, STATE_SCHEDULED));
    assert_false(state_may_become(STATE_SCHEDULED, STATE_RUNNING));
    assert_null(state_why(STATE_RUNNING, STATE_SCHEDULED));
}

/* Whatever was accepted can end in each of the ways that this version knows. */
static void every_end_can_be_reached(void **state)
{
    bool reached[STATE_COUNT] = {[STATE_ACCEPTED] = true};

    (void)state;
    for (int round = 0; round < STATE_COUNT; round++)
        for (int from = 0; from < STATE_COUNT; from++)
            for (int to = 0; to < STATE_COUNT; to++)
                reached[to] |=
                    reached[from] && state_may_become((enum task_state)from, (enum task_state)to);
    assert_true(reached[STATE_SUCCEEDED] && reached[STATE_FAILED]);
    assert_true(reached[STATE_CANCELLED] && reached[STATE_EXPIRED]);
}

/* ROTA_WRITE_DOCS=1 writes the page instead. */
static void the_page_is_printed_from_the_table(void **state)
{
    SCOPED(scoped_text) char *printed = NULL, *path = NULL;
    size_t size;
    FILE *to = mem_or_end(open_memstream(&printed, &size)), *page;

    (void)state;
    state_print_docs(to);
    fclose(to);
    assert_true(asprintf(&path, "%s/docs/states.md", getenv("TEST_SOURCE")) > 0);
    if (getenv("ROTA_WRITE_DOCS")) {
        page = mem_or_end(fopen(path, "w"));
        fputs(printed, page);
        fclose(page);
    }
    char *kept = mem_array(char, size + 2);

    page = fopen(path, "r");
    assert_non_null(page);
    kept[fread(kept, 1, size + 1, page)] = '\0';
    fclose(page);
    assert_string_equal(kept, printed);
    free(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(only_a_retry_leaves_a_final_state),
        cmocka_unit_test(every_end_can_be_reached),
        cmocka_unit_test(the_page_is_printed_from_the_table),
    };

    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
