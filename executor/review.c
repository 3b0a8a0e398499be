#include "executor/review.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/rows.h"
#include "executor/begin.h"
#include "executor/inbox.h"
#include "executor/report.h"
#include "executor/run.h"

#define KEYS_MOST 2000
#define WALK_ROWS 5000
/* Where no other server was promoted, a crash without synchronous commits loses less than this. */
#define CRASH_SPAN_US INT64_C(60000000)
#define LOG_MS 5000

enum step { STEP_OVER, STEP_HELD, STEP_PAST, STEP_WALK };

struct key {
    int64_t inbox;
    struct uuid task;
    int32_t token;
};

struct review {
    struct executor *executor;
    enum step step;
    bool asking;
    bool whole;       /* another server was promoted since the last review that came to its end */
    int64_t timeline; /* 0: not known yet */
    int64_t low;
    int64_t after;        /* held, walk: the last number that was asked about */
    uint64_t place, last; /* of the past: the next to ask about, and the first that is not */
    int64_t walk_upto;
    struct key keys[KEYS_MOST];
    size_t count;
    int64_t again, gone; /* what this review has found */
    int64_t told_ms;
    struct args args;
};

static void go_on(struct review *review);

/* --- What has run does not run again --------------------------------------------------------- */

static struct attempt *new_ended(struct executor *executor, int64_t inbox, const struct uuid *task,
                                 int32_t token)
{
    struct attempt *attempt =
        mem_new(struct attempt, .executor = executor, .inbox = inbox, .task = *task, .token = token,
                .stage = ATTEMPT_ENDED, .type = &print_type);

    ledger_add(&executor->ledger, attempt);
    return attempt;
}

static void give(struct review *review, struct attempt *attempt)
{
    char task[UUID_TEXT];

    review->again++;
    metrics_count(METRIC_REPORTED_AGAIN);
    log_warn("task.reported_again", "task=%s attempt=%d outcome=%s",
             uuid_write(task, &attempt->task), attempt->token, outcome_name(attempt->outcome));
    report_add(review->executor->report, attempt);
}

static void give_again(struct review *review, const struct past_report *report)
{
    struct attempt *attempt =
        new_ended(review->executor, report->inbox, &report->task, report->token);

    attempt->outcome = report->outcome;
    attempt->has_exit_code = report->has_exit_code;
    attempt->exit_code = report->exit_code;
    attempt->again_ms = report->again_ms;
    attempt->started_us = report->started_us;
    attempt->finished_us = report->finished_us;
    attempt->error = report->error ? mem_text(report->error) : NULL;
    give(review, attempt);
}

static void give_up(struct review *review, int64_t inbox, const struct uuid *task, int32_t token)
{
    struct attempt *attempt = new_ended(review->executor, inbox, task, token);

    attempt->outcome = OUTCOME_FAILED;
    attempt->finished_us = clock_database_us();
    attempt->error = mem_text("the database has lost the report of this attempt, and its executor "
                              "does not remember it any more");
    give(review, attempt);
}

bool review_settle(struct review *review, int64_t inbox, const struct uuid *task, int32_t token)
{
    const struct past *past = &review->executor->past;
    const struct past_report *report = past_find(past, inbox);

    if (report)
        give_again(review, report);
    else if (past_forgot(past, inbox))
        give_up(review, inbox, task, token);
    else
        return false;
    return true;
}

/* --- The steps ------------------------------------------------------------------------------- */

static void set_step(struct review *review, enum step step)
{
    review->step = step;
    review->after = 0;
}

static void finish(struct review *review)
{
    set_step(review, STEP_OVER);
    review->low = INT64_MAX;
    review->whole = false;
    if (review->again || review->gone)
        log_warn("review.over", "timeline=%lld reported_again=%lld fenced=%lld",
                 (long long)review->timeline, (long long)review->again, (long long)review->gone);
    report_say(review->executor->report);
}

static void begin_past(struct review *review)
{
    const struct past *past = &review->executor->past;

    set_step(review, STEP_PAST);
    review->place = past->end;
    review->last = review->whole ? past->first : past_since(past, CRASH_SPAN_US);
}

static void begin_walk(struct review *review)
{
    const struct executor *executor = review->executor;

    set_step(review, STEP_WALK);
    review->walk_upto = inbox_read_upto(executor->inbox);
    review->after = review->whole ? 0 : ledger_low(&executor->ledger, review->walk_upto) - 1;
}

static bool is_open(const struct attempt *attempt)
{
    return attempt->stop == STOP_NONE &&
           (attempt->stage == ATTEMPT_WAITING || attempt->stage == ATTEMPT_RUNNING);
}

/* ASKING ones are told by the answer that they wait for, ENDED ones by that to their report. */
static void collect_held(struct review *review)
{
    const struct attempt *attempt = TAILQ_FIRST(&review->executor->ledger.held);

    for (; attempt && review->count < KEYS_MOST; attempt = TAILQ_NEXT(attempt, held))
        if (attempt->inbox > review->after && is_open(attempt))
            review->keys[review->count++] =
                (struct key){attempt->inbox, attempt->task, attempt->token};
}

/* The latest first: they are the ones that are most likely lost. */
static void collect_past(struct review *review)
{
    const struct past *past = &review->executor->past;
    uint64_t last = review->last > past->first ? review->last : past->first;

    while (review->place > last && review->count < KEYS_MOST) {
        const struct past_report *report = past_at(past, --review->place);

        review->keys[review->count++] = (struct key){report->inbox, report->task, report->token};
    }
}

static void take_gone(struct review *review, struct rows_array gone)
{
    for (; gone.count > 0; gone.count--) {
        struct attempt *attempt = ledger_find(&review->executor->ledger, rows_next_int(&gone));

        if (!attempt || !is_open(attempt))
            continue;
        review->gone++;
        run_fenced(attempt, "review");
    }
}

static void take_unstarted(struct review *review, struct rows_array unstarted)
{
    for (; unstarted.count > 0; unstarted.count--) {
        const struct attempt *attempt =
            ledger_find(&review->executor->ledger, rows_next_int(&unstarted));

        if (attempt && attempt->stage == ATTEMPT_RUNNING && attempt->stop == STOP_NONE)
            begin_note(review->executor->begin, attempt);
    }
}

static void take_open(struct review *review, struct rows_array open)
{
    for (; open.count > 0; open.count--) {
        int64_t inbox = rows_next_int(&open);
        const struct past_report *report = past_find(&review->executor->past, inbox);

        if (report && !ledger_find(&review->executor->ledger, inbox))
            give_again(review, report);
    }
}

static bool is_refused(struct review *review, const struct fault *fault)
{
    review->asking = false;
    if (fault && log_now_and_then(&review->told_ms, LOG_MS))
        log_warn("review.refused", "error=%s", LOG_VALUE(fault->text));
    return fault || review->step == STEP_OVER || review->executor->leaving;
}

/* timeline; gone, open, unstarted: inbox numbers. */
static void on_keys(void *data, const PGresult *rows, const struct fault *fault)
{
    struct review *review = data;
    bool all = review->count < KEYS_MOST;

    if (is_refused(review, fault))
        return;
    review->whole |= review->timeline && review->timeline != rows_int(rows, 0, 0);
    review->timeline = rows_int(rows, 0, 0);
    if (review->step == STEP_HELD) {
        take_gone(review, rows_array(rows, 0, 1));
        take_unstarted(review, rows_array(rows, 0, 3));
        if (all)
            begin_past(review);
        else
            review->after = review->keys[review->count - 1].inbox;
    } else {
        take_open(review, rows_array(rows, 0, 2));
        if (all)
            begin_walk(review);
    }
    go_on(review);
}

/* upto; inboxes, task_ids, tokens of what is open. */
static void on_walked(void *data, const PGresult *rows, const struct fault *fault)
{
    struct review *review = data;
    struct executor *executor = review->executor;
    struct rows_array inboxes, tasks, tokens;

    if (is_refused(review, fault))
        return;
    inboxes = rows_array(rows, 0, 1);
    tasks = rows_array(rows, 0, 2);
    tokens = rows_array(rows, 0, 3);
    for (; inboxes.count > 0; inboxes.count--) {
        int64_t inbox = rows_next_int(&inboxes);
        struct uuid task = rows_next_uuid(&tasks);
        int32_t token = (int32_t)rows_next_int(&tokens);

        if (inbox > review->walk_upto || ledger_find(&executor->ledger, inbox))
            continue;
        if (!review_settle(review, inbox, &task, token))
            inbox_missed(executor->inbox, inbox);
    }
    review->after = rows_is_null(rows, 0, 0) ? INT64_MAX : rows_int(rows, 0, 0);
    if (review->after >= review->walk_upto)
        finish(review);
    else
        go_on(review);
}

/* --- Asking ---------------------------------------------------------------------------------- */

static void ask_keys(struct review *review)
{
    struct args *args = &review->args;

    review->count = 0;
    if (review->step == STEP_HELD)
        collect_held(review);
    else
        collect_past(review);
    args_array(args, ARGS_UUID);
    for (size_t i = 0; i < review->count; i++)
        args_uuid(args, &review->keys[i].task);
    args_array_end(args);
    args_array(args, ARGS_INT4);
    for (size_t i = 0; i < review->count; i++)
        args_int4(args, review->keys[i].token);
    args_array_end(args);
    args_array(args, ARGS_INT8);
    for (size_t i = 0; i < review->count; i++)
        args_int8(args, review->keys[i].inbox);
    args_array_end(args);
    db_call(review->executor->db, QUERY_REVIEW, args, on_keys, review);
}

static void ask_walk(struct review *review)
{
    args_int8(&review->args, review->after);
    args_int4(&review->args, WALK_ROWS);
    db_call(review->executor->db, QUERY_STRAYS, &review->args, on_walked, review);
}

static void go_on(struct review *review)
{
    const struct executor *executor = review->executor;

    if (review->asking || review->step == STEP_OVER || executor->leaving ||
        !db_is_ready(executor->db))
        return;
    review->asking = true;
    args_reset(&review->args);
    args_uuid(&review->args, &executor->node);
    if (review->step == STEP_WALK)
        ask_walk(review);
    else
        ask_keys(review);
}

void review_look(struct review *review)
{
    go_on(review);
}

/* A key that is asked for again was accepted meanwhile, or is held: either is passed over. */
void review_again(struct review *review)
{
    set_step(review, STEP_HELD);
    review->low = past_least(&review->executor->past, 0);
    review->again = review->gone = 0;
    go_on(review);
}

bool review_is_over(const struct review *review)
{
    return review->step == STEP_OVER;
}

int64_t review_low(const struct review *review)
{
    return review->low;
}

struct review *review_open(struct executor *executor)
{
    return mem_new(struct review, .executor = executor, .low = INT64_MAX);
}

void review_close(struct review *review)
{
    if (!review)
        return;
    args_free(&review->args);
    free(review);
}
