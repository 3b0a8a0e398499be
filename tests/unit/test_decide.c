/*
 * What becomes of fires: each rule of consumer/decide.h, with schedules of every ten seconds from
 * 10,000 s on, and a run of many steps held against the fires that there are.
 */
#include "tests/unit/unit.h"

#include "common/json.h"
#include "consumer/decide.h"

#include <string.h>

#define S INT64_C(1000000)

static struct spec *read_spec(const char *text)
{
    struct json_object *object = NULL;
    struct problems problems = {0};
    struct field at = {.problems = &problems};
    struct spec *spec = NULL;
    struct fault fault;

    assert_true(json_read(&object, text, strlen(text), &fault));
    if (!spec_read(&spec, object, &at, "name", true))
        fail_msg("%s: %s", problems.list[0].pointer, problems.list[0].detail);
    json_object_put(object);
    return spec;
}

#define EVERY_TEN "{\"every\":\"PT10S\"}"

static struct decide_row usual(void)
{
    return (struct decide_row){
        .decided_us = 9990 * S, .resume_us = DECIDE_NEVER, .until_us = DECIDE_NEVER};
}

static struct policy policy_of(enum misfire misfire, enum overlap overlap)
{
    struct policy policy = policy_default();

    policy.misfire = misfire;
    policy.overlap = overlap;
    return policy;
}

static struct decide_step take(const char *text, const struct decide_row *row,
                               const struct policy *policy, int64_t now_us)
{
    struct spec *spec = read_spec(text);
    struct decide_step step;
    int budget = 1000;

    decide(&step, row, spec, policy, now_us, &budget);
    spec_free(spec);
    return step;
}

/* "run 10000, coalesced 10010-10030 x3" */
static const char *told(const struct decide_step *step)
{
    static char text[2000];
    int size = 0;

    *text = '\0';
    for (int i = 0; i < step->count; i++) {
        const struct decide_entry *entry = &step->entries[i];

        size += snprintf(text + size, sizeof text - (size_t)size, "%s%s%s %lld", i ? ", " : "",
                         entry->grows ? "+" : "", skip_name(entry->skip),
                         (long long)(entry->fire_us / S));
        if (entry->count > 1 || entry->last_us != entry->fire_us)
            size += snprintf(text + size, sizeof text - (size_t)size, "-%lld x%lld",
                             (long long)(entry->last_us / S), (long long)entry->count);
        if (entry->missed)
            size += snprintf(text + size, sizeof text - (size_t)size, " for %lld",
                             (long long)entry->missed);
    }
    return text;
}

static void a_fire_ahead_is_waited_for(void **state)
{
    struct decide_row row = usual();
    struct policy policy = policy_default();
    struct decide_step step = take(EVERY_TEN, &row, &policy, 9995 * S);

    (void)state;
    assert_string_equal(told(&step), "");
    assert_int_equal(step.next_us, 10000 * S);
    assert_int_equal(step.look_us, 10000 * S - DECIDE_AHEAD_US);
    assert_int_equal(step.decided_us, row.decided_us);
}

static void a_fire_becomes_a_task_half_a_second_ahead(void **state)
{
    struct decide_row row = usual();
    struct policy policy = policy_default();
    struct decide_step step = take(EVERY_TEN, &row, &policy, 10000 * S - DECIDE_AHEAD_US);

    (void)state;
    assert_string_equal(told(&step), "run 10000");
    assert_int_equal(step.entries[0].due_us, 10000 * S);
    assert_int_equal(step.entries[0].after_us, 9990 * S);
    assert_int_equal(step.decided_us, 10000 * S);
    assert_int_equal(step.next_us, 10010 * S);
    assert_int_equal(step.look_us, 10010 * S - DECIDE_AHEAD_US);
    assert_int_equal(step.runs, 1);
}

static void misfires(void **state)
{
    static const struct {
        enum misfire misfire;
        enum overlap overlap;
        int64_t catch_up_s, grace_s, now_s;
        const char *told;
    } cases[] = {
        {MISFIRE_FIRE_ONCE, OVERLAP_SKIP, 3600, 5, 10005, "run 10000"},
        {MISFIRE_FIRE_ONCE, OVERLAP_SKIP, 3600, 5, 10035,
         "coalesced 10000-10020 x3, run 10030 for 3"},
        {MISFIRE_FIRE_ONCE, OVERLAP_ALLOW_ALL, 3600, 5, 10010, "coalesced 10000, run 10010 for 1"},
        {MISFIRE_FIRE_ONCE, OVERLAP_SKIP, 15, 5, 10035,
         "misfire 10000-10010 x2, coalesced 10020, run 10030 for 1"},
        {MISFIRE_FIRE_ONCE, OVERLAP_SKIP, 1, 5, 10035, "misfire 10000-10030 x4"},
        {MISFIRE_FIRE_ALL, OVERLAP_ALLOW_ALL, 3600, 5, 10025, "run 10000, run 10010, run 10020"},
        {MISFIRE_FIRE_ALL, OVERLAP_ALLOW_ALL, 15, 5, 10025, "misfire 10000, run 10010, run 10020"},
        {MISFIRE_FIRE_ALL, OVERLAP_SKIP, 3600, 5, 10025, "run 10000, overlap 10010-10020 x2"},
        {MISFIRE_SKIP, OVERLAP_SKIP, 3600, 5, 10004, "run 10000"},
        {MISFIRE_SKIP, OVERLAP_SKIP, 3600, 5, 10006, "misfire 10000"},
        {MISFIRE_SKIP, OVERLAP_SKIP, 3600, 5, 10035, "misfire 10000-10020 x3, run 10030"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct decide_row row = usual();
        struct policy policy = policy_of(cases[i].misfire, cases[i].overlap);

        policy.catch_up_ms = cases[i].catch_up_s * 1000;
        policy.grace_ms = cases[i].grace_s * 1000;
        struct decide_step step = take(EVERY_TEN, &row, &policy, cases[i].now_s * S);

        if (strcmp(told(&step), cases[i].told) != 0)
            fail_msg("case %zu: %s", i, told(&step));
        assert_int_equal(step.missed, 0);
        assert_int_equal(step.next_us % (10 * S), 0);
        assert_true(step.next_us > cases[i].now_s * S);
    }
}

static void overlaps(void **state)
{
    static const struct {
        enum overlap overlap;
        int kept;
        int64_t now_s;
        const char *told;
        bool keeps, cancels;
    } cases[] = {
        {OVERLAP_SKIP, 0, 10001, "overlap 10000", false, false},
        {OVERLAP_BUFFER_ONE, 0, 10001, "buffered 10000", true, false},
        {OVERLAP_BUFFER_ONE, 1, 10001, "overlap 10000", false, false},
        {OVERLAP_BUFFER_ALL, 1, 10001, "buffered 10000", true, false},
        {OVERLAP_BUFFER_ALL, POLICY_KEPT_MOST, 10001, "overlap 10000", false, false},
        {OVERLAP_CANCEL_OTHER, 0, 10001, "buffered 10000", true, true},
        {OVERLAP_ALLOW_ALL, 0, 10001, "run 10000", false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct decide_row row = usual();
        struct policy policy = policy_of(MISFIRE_FIRE_ALL, cases[i].overlap);

        row.busy = true;
        row.kept = cases[i].kept;
        row.first_kept_us = 9980 * S;
        struct decide_step step = take(EVERY_TEN, &row, &policy, cases[i].now_s * S);

        if (strcmp(told(&step), cases[i].told) != 0)
            fail_msg("case %zu: %s", i, told(&step));
        assert_int_equal(step.keep_us, cases[i].keeps ? 10000 * S : DECIDE_NEVER);
        assert_int_equal(step.cancel_last, cases[i].cancels);
    }
}

static void an_overlap_is_judged_at_the_fire_itself(void **state)
{
    struct decide_row row = usual();
    struct policy policy = policy_default();

    (void)state;
    row.busy = true;
    struct decide_step step = take(EVERY_TEN, &row, &policy, 9999 * S + S / 2);

    assert_string_equal(told(&step), "");
    assert_int_equal(step.look_us, 10000 * S);
    row.busy = false;
    step = take(EVERY_TEN, &row, &policy, 10000 * S);
    assert_string_equal(told(&step), "run 10000");
}

static void what_is_kept_goes_when_the_run_has_ended(void **state)
{
    struct decide_row row = usual();
    struct policy policy = policy_of(MISFIRE_FIRE_ALL, OVERLAP_BUFFER_ALL);

    (void)state;
    row.kept = 2;
    row.first_kept_us = 9980 * S;
    row.busy = true;
    struct decide_step step = take(EVERY_TEN, &row, &policy, 9995 * S);

    assert_string_equal(told(&step), "");
    assert_int_equal(step.look_us, 9995 * S + DECIDE_KEPT_US);
    row.busy = false;
    step = take(EVERY_TEN, &row, &policy, 9995 * S);
    assert_string_equal(told(&step), "+run 9980");
    assert_int_equal(step.entries[0].due_us, 9995 * S);
    assert_true(step.let_go);
    assert_int_equal(step.decided_us, row.decided_us);
}

static void past_its_start_deadline_a_fire_is_no_task(void **state)
{
    struct decide_row row = usual();
    struct policy policy = policy_of(MISFIRE_FIRE_ALL, OVERLAP_ALLOW_ALL);
    struct decide_step step;

    (void)state;
    row.start_deadline_ms = 15000;
    step = take(EVERY_TEN, &row, &policy, 10035 * S);
    assert_string_equal(told(&step), "start_deadline 10000-10010 x2, run 10020, run 10030");
    /* The last of those missed stands for all; where it is too late itself, the next one does. */
    policy.misfire = MISFIRE_FIRE_ONCE;
    step = take(EVERY_TEN, &row, &policy, 10035 * S);
    assert_string_equal(told(&step), "coalesced 10000-10020 x3, run 10030 for 3");
    row.start_deadline_ms = 2000;
    step = take(EVERY_TEN, &row, &policy, 10035 * S);
    assert_string_equal(told(&step), "coalesced 10000-10020 x3, start_deadline 10030");
    assert_int_equal(step.missed, 3);
    /* It counts from when the run is due: after the jitter. */
    step = take("{\"every\":\"PT10S\",\"jitter\":\"PT5S\"}", &row, &policy, 10002 * S + S / 2);
    assert_int_equal(step.count, 1);
    assert_int_equal(step.entries[0].skip, SKIP_NOT);
}

static void what_is_kept_counts_as_a_run(void **state)
{
    struct decide_row row = usual();
    struct policy policy = policy_of(MISFIRE_FIRE_ALL, OVERLAP_BUFFER_ALL);

    (void)state;
    row.busy = true;
    row.runs = 4;
    row.kept = 1;
    row.first_kept_us = 9980 * S;
    struct decide_step step =
        take("{\"every\":\"PT10S\",\"max_runs\":5}", &row, &policy, 10010 * S);

    assert_string_equal(told(&step), "");
    assert_true(step.ended);
    assert_int_equal(step.look_us, 10010 * S + DECIDE_KEPT_US); /* to let the kept one go */
}

static void a_deleted_one_keeps_nothing(void **state)
{
    struct decide_row row = usual();
    struct policy policy = policy_of(MISFIRE_FIRE_ALL, OVERLAP_BUFFER_ALL);

    (void)state;
    row.busy = row.deleted = row.latest = true;
    row.until_us = 10011 * S;
    struct decide_step step = take(EVERY_TEN, &row, &policy, 10020 * S);

    assert_string_equal(told(&step), "overlap 10000-10010 x2");
}

static void a_pause_decides_nothing_until_it_is_over(void **state)
{
    struct decide_row row = usual();
    struct policy policy = policy_default();
    struct decide_step step;

    (void)state;
    row.paused = true;
    step = take(EVERY_TEN, &row, &policy, 10500 * S);
    assert_string_equal(told(&step), "");
    assert_int_equal(step.look_us, DECIDE_NEVER);
    assert_int_equal(step.next_us, 10000 * S);
    row.resume_us = 10600 * S;
    step = take(EVERY_TEN, &row, &policy, 10500 * S);
    assert_int_equal(step.look_us, 10600 * S);
    assert_false(step.resume);
    step = take(EVERY_TEN, &row, &policy, 10600 * S);
    assert_true(step.resume);
}

/* The pause is over at 10,035: then its definition is done, and the next one holds. */
static void what_was_due_in_a_pause_is_one_row(void **state)
{
    struct decide_row row = usual();
    struct policy policy = policy_default();
    struct decide_step step;

    (void)state;
    row.paused = true;
    row.until_us = 10035 * S;
    step = take(EVERY_TEN, &row, &policy, 10100 * S);
    assert_string_equal(told(&step), "paused 10000-10030 x4");
    assert_true(step.done);
    assert_false(step.ended);
    assert_int_equal(step.next_us, DECIDE_NEVER);
    assert_int_equal(step.look_us, 10100 * S);
    row.catch_up = true;
    step = take(EVERY_TEN, &row, &policy, 10100 * S);
    assert_string_equal(told(&step), "coalesced 10000-10020 x3, run 10030 for 3");
    assert_true(step.done);
}

static void an_old_definition_decides_what_was_due_under_it(void **state)
{
    struct decide_row row = usual();
    struct policy policy = policy_of(MISFIRE_FIRE_ALL, OVERLAP_ALLOW_ALL);
    struct decide_step step;

    (void)state;
    row.until_us = 10010 * S;
    step = take(EVERY_TEN, &row, &policy, 10100 * S);
    assert_string_equal(told(&step), "run 10000");
    assert_true(step.done);
    /* The one that follows begins at its own instant, which belongs to it. */
    row = usual();
    row.decided_us = 10000 * S;
    row.from_us = 10010 * S;
    step = take(EVERY_TEN, &row, &policy, 10011 * S);
    assert_string_equal(told(&step), "run 10010");
    row.deleted = true;
    row.latest = true;
    row.until_us = 10011 * S;
    step = take(EVERY_TEN, &row, &policy, 10100 * S);
    assert_string_equal(told(&step), "run 10010");
    assert_int_equal(step.look_us, DECIDE_NEVER);
}

static void excluded_days_are_on_record(void **state)
{
    struct decide_row row = usual();
    struct policy policy = policy_default();
    struct decide_step step;

    (void)state;
    row.decided_us = 86380 * S;
    step = take("{\"every\":\"PT10S\",\"exclude\":[\"1970-01-02\"]}", &row, &policy, 86425 * S);
    assert_string_equal(told(&step), "run 86390, excluded 86400-86420 x3");
    step = take("{\"every\":\"PT10S\",\"exclude\":[\"1970-01-01\"]}", &row, &policy, 86395 * S);
    assert_string_equal(told(&step), "excluded 86390");
}

static void it_ends_with_its_runs_and_its_time(void **state)
{
    struct decide_row row = usual();
    struct policy policy = policy_of(MISFIRE_FIRE_ALL, OVERLAP_ALLOW_ALL);
    struct decide_step step;

    (void)state;
    row.runs = 3;
    step = take("{\"every\":\"PT10S\",\"max_runs\":5}", &row, &policy, 10100 * S);
    assert_string_equal(told(&step), "run 10000, run 10010");
    assert_true(step.ended);
    assert_int_equal(step.look_us, DECIDE_NEVER);
    step =
        take("{\"every\":\"PT10S\",\"end_at\":\"1970-01-01T02:46:50Z\"}", &row, &policy, 10100 * S);
    assert_string_equal(told(&step), "run 10000");
    assert_true(step.ended);
}

static void a_row_of_the_ledger_grows_over_steps(void **state)
{
    struct decide_row row = usual();
    struct policy policy = policy_default();
    struct spec *spec = read_spec(EVERY_TEN);
    struct decide_step step;
    int budget = 5;

    (void)state;
    decide(&step, &row, spec, &policy, 20000 * S, &budget);
    assert_true(budget <= 0);
    assert_int_equal(step.count, 1);
    assert_int_equal(step.entries[0].skip, SKIP_MISFIRE);
    assert_int_equal(step.look_us, 20000 * S); /* at once again, behind the others */
    assert_int_equal(step.next_us, step.decided_us + 10 * S);
    row.decided_us = step.decided_us;
    row.row_us = 10000 * S;
    row.row_skip = SKIP_MISFIRE;
    budget = 5;
    decide(&step, &row, spec, &policy, 20000 * S, &budget);
    assert_true(step.entries[0].grows);
    assert_int_equal(step.entries[0].fire_us, 10000 * S);
    spec_free(spec);
}

/*
 * Steps at any instants, with any policies and budgets: the rows of the ledger follow each other
 * without a gap and hold every fire once.
 */
static void nothing_is_missing_whatever_the_steps(void **state)
{
    static const char *const specs[] = {
        "{\"every\":\"PT10S\"}",
        "{\"cron\":\"*/7 * * * * *\"}",
        "{\"cron\":\"0 30 2 * * *\",\"timezone\":\"Europe/Berlin\"}",
        "{\"every\":\"PT1H\",\"exclude\":[\"1970-01-02\",\"1970-01-04/1970-01-06\"]}",
    };

    (void)state;
    for (unsigned seed = 1; seed <= 400; seed++) {
        struct spec *spec = read_spec(specs[seed % COUNT(specs)]);
        struct policy policy = policy_of((enum misfire)(seed % MISFIRE_COUNT),
                                         (enum overlap)(seed / 3 % OVERLAP_COUNT));
        struct decide_row row = {
            .resume_us = DECIDE_NEVER, .until_us = DECIDE_NEVER, .row_skip = SKIP_NOT};
        int64_t now_us = 0, decided = 0, fires = 0, count = 0;
        struct spec_fire fire;

        srand(seed);
        policy.catch_up_ms = rand() % 100000;
        policy.grace_ms = rand() % 10000;
        for (int i = 0; i < 200; i++) {
            struct decide_step step;
            int budget = 1 + rand() % 200;

            now_us += rand() % (seed % 2 ? 20 * S : 7200 * S);
            row.busy = rand() % 2;
            decide(&step, &row, spec, &policy, now_us, &budget);
            for (int k = 0; k < step.count; k++) {
                const struct decide_entry *entry = &step.entries[k];

                if (entry->grows && entry->skip == SKIP_NOT)
                    continue; /* it was counted when it was kept back */
                if (!entry->grows)
                    assert_int_equal(entry->after_us, decided);
                assert_true(entry->last_us > decided);
                decided = entry->last_us;
                count += entry->count;
                row.row_us = entry->grows ? row.row_us : entry->fire_us;
                row.row_skip = entry->skip;
            }
            assert_int_equal(step.decided_us, decided);
            if (step.keep_us != DECIDE_NEVER && !row.kept++)
                row.first_kept_us = step.keep_us;
            if (step.let_go)
                row.kept = row.kept ? row.kept - 1 : 0;
            row.decided_us = step.decided_us;
            row.runs = step.runs;
            row.missed = step.missed;
        }
        for (int64_t after_us = 0; spec_next(spec, after_us, &fire) && fire.at_us <= decided;
             after_us = fire.at_us)
            fires++;
        if (fires != count)
            fail_msg("seed %u: %lld of %lld fires", seed, (long long)count, (long long)fires);
        spec_free(spec);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fire_ahead_is_waited_for),
        cmocka_unit_test(a_fire_becomes_a_task_half_a_second_ahead),
        cmocka_unit_test(misfires),
        cmocka_unit_test(overlaps),
        cmocka_unit_test(an_overlap_is_judged_at_the_fire_itself),
        cmocka_unit_test(what_is_kept_goes_when_the_run_has_ended),
        cmocka_unit_test(past_its_start_deadline_a_fire_is_no_task),
        cmocka_unit_test(what_is_kept_counts_as_a_run),
        cmocka_unit_test(a_deleted_one_keeps_nothing),
        cmocka_unit_test(a_pause_decides_nothing_until_it_is_over),
        cmocka_unit_test(what_was_due_in_a_pause_is_one_row),
        cmocka_unit_test(an_old_definition_decides_what_was_due_under_it),
        cmocka_unit_test(excluded_days_are_on_record),
        cmocka_unit_test(it_ends_with_its_runs_and_its_time),
        cmocka_unit_test(a_row_of_the_ledger_grows_over_steps),
        cmocka_unit_test(nothing_is_missing_whatever_the_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
