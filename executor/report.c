#include "executor/report.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/point.h"
#include "common/rows.h"
#include "common/task.h"
#include "executor/inbox.h"

#define LINGER_US 2000
#define RETRY_US 200000
#define BATCH_MOST 1000
#define IN_FLIGHT_MOST 3
#define SAY_SHARE 4      /* of what was said, one part more */
#define NOTICE_MOST 7000 /* bytes; PostgreSQL takes less than 8,000 */
#define REFUSALS_MOST 2  /* after these the error text is left out: it may be the reason */

/* What the database was last told, and how many tasks came since. */
struct said {
    bool known;
    int64_t credits, read_upto, low, taken;
};

struct report {
    struct executor *executor;
    struct attempt_queue queue;
    int64_t queued, flying; /* reports that wait; that are in a statement */
    int statements;
    bool one_by_one; /* a batch was refused: find the bad one */
    int64_t told_ms;
    struct said said;
    sd_event_source *timer;
    struct args args;
};

/* One statement on its way. */
struct batch {
    struct report *report;
    int64_t asked_us;
    size_t count;
    struct attempt *attempts[BATCH_MOST];
};

static void flush(struct report *report);

static void wake_in(struct report *report, int64_t wait_us)
{
    uint64_t at_us = (uint64_t)(clock_boot_us() + wait_us), set_us;
    int enabled;

    sd_event_source_get_enabled(report->timer, &enabled);
    sd_event_source_get_time(report->timer, &set_us);
    if (enabled != SD_EVENT_OFF && set_us <= at_us)
        return;
    sd_event_source_set_time(report->timer, at_us);
    sd_event_source_set_enabled(report->timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
    (void)source, (void)usec;
    flush(data);
    return 0;
}

/* --- What we would take ---------------------------------------------------------------------- */

static int64_t credits_now(const struct report *report)
{
    const struct executor *executor = report->executor;

    if (executor->draining || executor->leaving)
        return 0;
    return window_credits(&executor->window, (int64_t)executor->ledger.count - report->flying);
}

/* What the master can still give us, by what it was told. */
static int64_t left_to_give(const struct report *report)
{
    return report->said.credits - report->said.taken;
}

/* By what it was told the master has nothing left to give us, and now there is. */
static bool is_starved(const struct report *report)
{
    return credits_now(report) > 0 && (!report->said.known || left_to_give(report) <= 0);
}

/*
 * Whether to say it again: when we would take less than it gives, or clearly more. Each saying is a
 * new version of one row, and where an old snapshot keeps them all, whoever reads the row walks
 * through them.
 */
static bool is_worth_saying(const struct report *report)
{
    const struct said *said = &report->said;
    int64_t credits = credits_now(report), left = left_to_give(report);

    return !said->known || credits < left || credits - left > said->credits / SAY_SHARE ||
           is_starved(report);
}

/* Adds credits, read_upto, low and whether to wake the master. */
static void add_state(struct report *report, struct args *args)
{
    struct said *said = &report->said;
    int64_t credits = credits_now(report), read_upto = inbox_read_upto(report->executor->inbox);
    int64_t low = inbox_low(report->executor->inbox);
    bool wake = is_starved(report);

    args_int4(args, (int32_t)credits);
    args_int8(args, read_upto);
    args_int8(args, low);
    args_bool(args, wake);
    *said = (struct said){.known = true, .credits = credits, .read_upto = read_upto, .low = low};
}

/* The same, or nulls: then the row stays as it is. */
static void add_state_if_worth(struct report *report, struct args *args)
{
    if (is_worth_saying(report)) {
        add_state(report, args);
        return;
    }
    args_null(args);
    args_null(args);
    args_null(args);
    args_bool(args, false);
}

void report_taken(struct report *report, int64_t count)
{
    report->said.taken += count;
}

static void on_said(void *data, const PGresult *rows, const struct fault *fault)
{
    struct report *report = data;

    (void)rows;
    if (fault)
        report->said.known = false;
}

void report_say(struct report *report)
{
    struct executor *executor = report->executor;
    const struct said *said = &report->said;
    int64_t read_upto = inbox_read_upto(executor->inbox);

    if (!db_is_ready(executor->db))
        return;
    if (said->known && said->credits == credits_now(report) && said->read_upto == read_upto &&
        said->low == inbox_low(executor->inbox))
        return;
    args_reset(&report->args);
    args_uuid(&report->args, &executor->node);
    args_words(&report->args, executor->config->executor_queues);
    add_state(report, &report->args);
    db_call(executor->db, QUERY_EXECUTOR_SAY, &report->args, on_said, report);
}

/* --- Answers --------------------------------------------------------------------------------- */

static void put_back(struct report *report, struct attempt *attempt)
{
    TAILQ_INSERT_TAIL(&report->queue, attempt, queued);
    report->queued++;
}

static void batch_done(struct batch *batch)
{
    struct report *report = batch->report;

    report->statements--;
    free(batch);
    if (report->queued)
        wake_in(report, 0);
}

/* The database may lose it all the same, where it fails over: so it is remembered. */
static void accepted(struct report *report, struct attempt *attempt)
{
    past_add(&report->executor->past, attempt, clock_boot_us());
    ledger_drop(&report->executor->ledger, attempt);
}

static void fenced(struct report *report, struct attempt *attempt)
{
    char task[UUID_TEXT];

    log_warn("task.fenced", "task=%s attempt=%d outcome=%s at=finish",
             uuid_write(task, &attempt->task), attempt->token, outcome_name(attempt->outcome));
    metrics_count(METRIC_FINISH_FENCED);
    ledger_drop(&report->executor->ledger, attempt);
}

static void keep_batch(struct batch *batch, const struct fault *fault)
{
    struct report *report = batch->report;

    report->said.known = false;
    for (size_t i = 0; i < batch->count; i++) {
        if (!fault_is_retryable(fault))
            batch->attempts[i]->refusals++;
        put_back(report, batch->attempts[i]);
    }
    report->flying -= (int64_t)batch->count;
    if (!fault_is_retryable(fault))
        report->one_by_one = true;
    if (log_now_and_then(&report->told_ms, 5000))
        log_warn("report.kept", "count=%lld error=%s", (long long)report_open_count(report),
                 LOG_VALUE(fault->text));
    report->statements--;
    free(batch);
    wake_in(report, RETRY_US);
}

/* Settles what the finish did not accept; ones the database does not know at all are fenced too. */
static void on_seen(void *data, const PGresult *rows, const struct fault *fault)
{
    struct batch *batch = data;
    struct report *report = batch->report;

    if (fault) {
        keep_batch(batch, fault);
        return;
    }
    for (int row = 0; row < PQntuples(rows); row++) {
        const char *outcome = rows_text(rows, row, 2);
        int64_t inbox = rows_int(rows, row, 0);

        for (size_t i = 0; rows_bool(rows, row, 1) && i < batch->count; i++) {
            struct attempt *attempt = batch->attempts[i];

            if (!attempt || attempt->inbox != inbox)
                continue;
            if (!outcome)
                put_back(report, attempt);
            else if (!strcmp(outcome, outcome_name(attempt->outcome)))
                accepted(report, attempt);
            else
                continue;
            batch->attempts[i] = NULL;
        }
    }
    report->flying -= (int64_t)batch->count;
    for (size_t i = 0; i < batch->count; i++)
        if (batch->attempts[i])
            fenced(report, batch->attempts[i]);
    batch_done(batch);
}

static void look_up(struct batch *batch)
{
    struct args *args = &batch->report->args;

    args_reset(args);
    args_uuid(args, &batch->report->executor->node);
    attempt_add_keys(args, batch->attempts, batch->count);
    db_call(batch->report->executor->db, QUERY_REPORT_SEEN, args, on_seen, batch);
}

static void drop_accepted(struct batch *batch, const PGresult *rows)
{
    struct ledger *ledger = &batch->report->executor->ledger;
    struct rows_array inboxes = rows_array(rows, 0, 0);
    size_t kept = 0;

    /* The answer is in the order of the update, so each is marked before any is released. */
    for (int i = inboxes.count; i > 0; i--) {
        struct attempt *attempt = ledger_find(ledger, rows_next_int(&inboxes));

        if (attempt)
            attempt->accepted = true;
    }
    for (size_t i = 0; i < batch->count; i++) {
        if (!batch->attempts[i]->accepted)
            batch->attempts[kept++] = batch->attempts[i];
        else
            accepted(batch->report, batch->attempts[i]);
    }
    batch->report->flying -= (int64_t)(batch->count - kept);
    batch->count = kept;
}

/* In a transaction of its own, as the commit of a notice waits for those of all others. */
static void tell_master(struct report *report, const char *channel, const char *text)
{
    struct args *args = &report->args;

    args_reset(args);
    args_array(args, ARGS_TEXT);
    args_text(args, channel);
    args_array_end(args);
    args_text(args, text);
    db_call(report->executor->db, QUERY_NOTIFY, args, NULL, NULL);
}

/* What waits again soon. */
static void tell_lanes(struct report *report, const char *lanes)
{
    tell_master(report, "rota_due", strlen(lanes) < NOTICE_MOST ? lanes : "*");
}

/* Queues of which one more may be handed over. */
static void tell_queues(struct report *report, const PGresult *rows)
{
    struct rows_array queues = rows_array(rows, 0, 3);

    for (; queues.count > 0; queues.count--) {
        const char *text = rows_next(&queues);
        char queue[TASK_QUEUE_MOST + 1];

        snprintf(queue, sizeof queue, "%.*s", (int)queues.length, text);
        tell_master(report, "rota_queue", queue);
    }
}

/* accepted: inbox numbers; woken; now; queues; lanes. */
static void on_finished(void *data, const PGresult *rows, const struct fault *fault)
{
    struct batch *batch = data;
    struct report *report = batch->report;

    if (fault) {
        keep_batch(batch, fault);
        return;
    }
    POINT(FINISH_COMMITTED);
    clock_heard(rows_time(rows, 0, 2), batch->asked_us, clock_boot_us());
    if (!rows_is_null(rows, 0, 4))
        tell_lanes(report, rows_text(rows, 0, 4));
    tell_queues(report, rows);
    drop_accepted(batch, rows);
    if (report->one_by_one && !report->queued)
        report->one_by_one = false;
    if (batch->count)
        look_up(batch);
    else
        batch_done(batch);
    /* The master may have given us more for the credits of this statement. */
    inbox_look(report->executor->inbox);
}

/* --- Sending --------------------------------------------------------------------------------- */

static const char *error_of(const struct attempt *attempt)
{
    if (attempt->error && attempt->refusals >= REFUSALS_MOST)
        return "the error text could not be stored";
    return attempt->error;
}

static void add_started(struct args *args, const struct attempt *attempt)
{
    if (attempt->started_us)
        args_time(args, attempt->started_us);
    else
        args_null(args);
}

static void add_finished(struct args *args, const struct attempt *attempt)
{
    args_time(args, attempt->finished_us);
}

/* By its place in attempt_outcome, from 1: PostgreSQL finds a number in an array at once. */
static void add_outcome(struct args *args, const struct attempt *attempt)
{
    args_int4(args, (int32_t)attempt->outcome + 1);
}

static void add_exit_code(struct args *args, const struct attempt *attempt)
{
    if (attempt->has_exit_code)
        args_int4(args, attempt->exit_code);
    else
        args_null(args);
}

static void add_error(struct args *args, const struct attempt *attempt)
{
    args_text(args, error_of(attempt));
}

static void add_again(struct args *args, const struct attempt *attempt)
{
    args_some(args, attempt->again_ms);
}

static bool has_exit_code(const struct attempt *attempt)
{
    return attempt->has_exit_code;
}

static bool has_error(const struct attempt *attempt)
{
    return attempt->error != NULL;
}

static bool has_again(const struct attempt *attempt)
{
    return attempt->again_ms > 0;
}

/* $5 to $9 and $14 of finish.sql; null in place of an array where no attempt has one. */
static const struct column {
    enum args_type type;
    void (*add)(struct args *args, const struct attempt *attempt);
    bool (*has)(const struct attempt *attempt); /* NULL: every one does */
} ends[] =
    {
        {ARGS_TIME, add_started, NULL},    {ARGS_TIME, add_finished, NULL},
        {ARGS_INT4, add_outcome, NULL},    {ARGS_INT4, add_exit_code, has_exit_code},
        {ARGS_TEXT, add_error, has_error},
},
  again = {ARGS_INT8, add_again, has_again};

static bool any_has(const struct batch *batch, bool (*has)(const struct attempt *attempt))
{
    for (size_t i = 0; i < batch->count; i++)
        if (has(batch->attempts[i]))
            return true;
    return false;
}

static void add_column(struct args *args, const struct batch *batch, const struct column *column)
{
    if (column->has && !any_has(batch, column->has)) {
        args_null(args);
        return;
    }
    args_array(args, column->type);
    for (size_t i = 0; i < batch->count; i++)
        column->add(args, batch->attempts[i]);
    args_array_end(args);
}

static int by_inbox(const void *one, const void *other)
{
    const struct attempt *a = *(struct attempt *const *)one, *b = *(struct attempt *const *)other;

    return (a->inbox > b->inbox) - (a->inbox < b->inbox);
}

static void send_batch(struct report *report, struct batch *batch)
{
    struct args *args = &report->args;

    args_reset(args);
    args_uuid(args, &report->executor->node);
    attempt_add_keys(args, batch->attempts, batch->count);
    for (size_t i = 0; i < COUNT(ends); i++)
        add_column(args, batch, &ends[i]);
    add_state_if_worth(report, args);
    add_column(args, batch, &again);
    report->statements++;
    batch->asked_us = clock_boot_us();
    POINT(FINISH_SENDING);
    db_call(report->executor->db, QUERY_FINISH, args, on_finished, batch);
}

static void flush(struct report *report)
{
    size_t most = report->one_by_one ? 1 : BATCH_MOST;
    struct attempt *attempt;

    while (report->queued && report->statements < IN_FLIGHT_MOST &&
           db_is_ready(report->executor->db) && !report->executor->leaving) {
        struct batch *batch = mem_new(struct batch, .report = report);

        while (batch->count < most && (attempt = TAILQ_FIRST(&report->queue))) {
            TAILQ_REMOVE(&report->queue, attempt, queued);
            batch->attempts[batch->count++] = attempt;
        }
        qsort(batch->attempts, batch->count, sizeof *batch->attempts, by_inbox);
        report->queued -= (int64_t)batch->count;
        report->flying += (int64_t)batch->count;
        send_batch(report, batch);
    }
}

void report_add(struct report *report, struct attempt *attempt)
{
    TAILQ_INSERT_TAIL(&report->queue, attempt, queued);
    if (++report->queued >= BATCH_MOST)
        wake_in(report, 0);
    else
        wake_in(report, LINGER_US);
}

void report_again(struct report *report)
{
    report->said.known = false;
    report_say(report);
    if (report->queued)
        wake_in(report, 0);
}

int64_t report_open_count(const struct report *report)
{
    return report->queued + report->flying;
}

struct report *report_open(struct executor *executor)
{
    struct report *report = mem_new(struct report, .executor = executor);

    TAILQ_INIT(&report->queue);
    if (sd_event_add_time(executor->loop, &report->timer, CLOCK_BOOTTIME, 0, 1, on_timer, report) <
        0)
        abort();
    sd_event_source_set_enabled(report->timer, SD_EVENT_OFF);
    return report;
}

void report_close(struct report *report)
{
    if (!report)
        return;
    sd_event_source_disable_unref(report->timer);
    args_free(&report->args);
    free(report);
}
