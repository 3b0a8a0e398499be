#include "executor/inbox.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/point.h"
#include "common/rows.h"
#include "executor/report.h"
#include "executor/review.h"
#include "executor/run.h"

#define TASKS_MOST 1000
#define BYTES_MOST (8 << 20)
#define BYTES_MANY (4 << 20)   /* a read that brought so much may have been cut short */
#define KEPT_MOST (128u << 20) /* texts that wait here: above it nothing more is read */
#define MARK_AGE_US 1000000
#define LOG_MS 5000

struct inbox {
    struct executor *executor;
    int64_t read_upto;
    int64_t marks[2]; /* read_upto one and two seconds ago, about */
    int64_t marked_us;
    int64_t from; /* the next read begins above it, where it goes back */
    bool calling, again;
    int64_t told_ms;
    struct args args;
};

/* Columns of inbox.sql. */
enum {
    INBOX,
    TASK,
    TOKEN,
    STARTED,
    CANCELLED,
    TYPE,
    NAME,
    QUEUE,
    RUN_AT,
    ON_LOST,
    TIMEOUT,
    PAYLOAD,
    WORK,
    START_BY,
    RETRY,
    SPENT
};

/*
 * Its start is on record before it starts: where it may not start twice, or not too late, and where
 * it was handed back before: an executor that it ended at once may have done that for it. (One that
 * was started anew looks the same, at the cost of a round trip.)
 */
static bool asks(const PGresult *rows, int row)
{
    const char *on_lost = rows_text(rows, row, ON_LOST);

    return (on_lost && !strcmp(on_lost, "fail")) || !rows_is_null(rows, row, START_BY) ||
           rows_int(rows, row, TOKEN) - 1 > rows_int(rows, row, SPENT);
}

static struct attempt *read_attempt(struct executor *executor, const PGresult *rows, int row)
{
    int64_t timeout_ms = rows_int(rows, row, TIMEOUT);

    return mem_new(struct attempt, .executor = executor, .inbox = rows_int(rows, row, INBOX),
                   .task = rows_uuid(rows, row, TASK), .token = (int32_t)rows_int(rows, row, TOKEN),
                   .asks = asks(rows, row), .run_at_us = rows_time(rows, row, RUN_AT),
                   .start_by_us = rows_time(rows, row, START_BY),
                   .spent = (int)rows_int(rows, row, SPENT),
                   .timeout_ms = timeout_ms > 0 ? timeout_ms : executor->config->task_timeout_ms,
                   .texts = {.type = rows_text(rows, row, TYPE),
                             .queue = rows_text(rows, row, QUEUE),
                             .name = rows_text(rows, row, NAME),
                             .payload = rows_text(rows, row, PAYLOAD),
                             .work = rows_text(rows, row, WORK),
                             .retry = rows_text(rows, row, RETRY)});
}

/* It is held; or its end was accepted and is lost again: then that is reported once more. */
static bool is_known(struct executor *executor, const PGresult *rows, int row)
{
    struct uuid task = rows_uuid(rows, row, TASK);
    int64_t number = rows_int(rows, row, INBOX);

    return ledger_find(&executor->ledger, number) ||
           review_settle(executor->review, number, &task, (int32_t)rows_int(rows, row, TOKEN));
}

/* True where it needs a slot. */
static bool take(struct executor *executor, const PGresult *rows, int row)
{
    struct attempt *attempt = read_attempt(executor, rows, row);

    ledger_add(&executor->ledger, attempt);
    if (rows_is_null(rows, row, STARTED))
        return run_take(executor->run, attempt, rows_bool(rows, row, CANCELLED));
    /* It ran here, and how it ended is not known any more: it does not run again. */
    attempt->texts.retry = NULL;
    attempt->type = &print_type;
    run_end(attempt, OUTCOME_FAILED, NULL, "the database has lost the report of this attempt");
    return false;
}

static int64_t row_bytes(const PGresult *rows, int row)
{
    return (int64_t)rows_length(rows, row, PAYLOAD) + rows_length(rows, row, WORK);
}

static void take_rows(struct inbox *inbox, const PGresult *rows)
{
    struct executor *executor = inbox->executor;
    int64_t taken = 0, slotted = 0, bytes = 0, last = 0;
    int count = PQntuples(rows);

    for (int row = 0; row < count; row++) {
        last = rows_int(rows, row, INBOX);
        bytes += row_bytes(rows, row);
        if (last > inbox->read_upto)
            inbox->read_upto = last;
        if (is_known(executor, rows, row))
            continue;
        slotted += take(executor, rows, row);
        taken++;
    }
    window_read(&executor->window, taken, slotted);
    report_taken(executor->report, taken);
    if (count < TASKS_MOST && bytes < BYTES_MANY)
        return;
    /* Cut short: goes on behind the last one, which may lie below what was read before. */
    if (last < inbox->read_upto)
        inbox->from = last;
    inbox->again = true;
}

static void on_read(void *data, const PGresult *rows, const struct fault *fault)
{
    struct inbox *inbox = data;

    inbox->calling = false;
    if (fault) {
        if (log_now_and_then(&inbox->told_ms, LOG_MS))
            log_warn("inbox.unread", "error=%s", LOG_VALUE(fault->text));
        return; /* the net looks again */
    }
    if (PQntuples(rows))
        POINT(INBOX_READ);
    take_rows(inbox, rows);
    if (inbox->again)
        inbox_look(inbox);
}

static bool may_read(const struct inbox *inbox)
{
    const struct executor *executor = inbox->executor;

    return db_is_ready(executor->db) && !executor->draining && !executor->leaving &&
           executor->kept_bytes < KEPT_MOST &&
           report_open_count(executor->report) < REPORT_KEPT_MOST;
}

void inbox_look(struct inbox *inbox)
{
    struct args *args = &inbox->args;
    int64_t from = inbox->from < inbox->read_upto ? inbox->from : inbox->read_upto;

    inbox->again = inbox->calling;
    if (inbox->calling || !may_read(inbox))
        return;
    args_reset(args);
    args_uuid(args, &inbox->executor->node);
    args_int8(args, from);
    args_int4(args, TASKS_MOST);
    args_int8(args, BYTES_MOST);
    inbox->calling = true;
    inbox->from = INT64_MAX;
    POINT(INBOX_SENDING);
    db_call(inbox->executor->db, QUERY_INBOX, args, on_read, inbox);
}

static void go_back(struct inbox *inbox, int64_t to)
{
    if (to < inbox->from)
        inbox->from = to;
    inbox_look(inbox);
}

void inbox_look_back(struct inbox *inbox)
{
    int64_t now_us = clock_boot_us();

    go_back(inbox, inbox->marks[1]);
    if (now_us - inbox->marked_us < MARK_AGE_US)
        return;
    inbox->marks[1] = inbox->marks[0];
    inbox->marks[0] = inbox->read_upto;
    inbox->marked_us = now_us;
}

void inbox_again(struct inbox *inbox)
{
    go_back(inbox, inbox->marks[1]);
}

void inbox_missed(struct inbox *inbox, int64_t number)
{
    go_back(inbox, number - 1);
}

/* Stays behind what is still looked at again, so that recovery would find what we have not. */
int64_t inbox_low(const struct inbox *inbox)
{
    int64_t low = ledger_low(&inbox->executor->ledger, inbox->read_upto);
    int64_t under_review = review_low(inbox->executor->review);

    if (low > under_review)
        low = under_review;
    return low <= inbox->marks[1] ? low : inbox->marks[1] + 1;
}

int64_t inbox_read_upto(const struct inbox *inbox)
{
    return inbox->read_upto;
}

struct inbox *inbox_open(struct executor *executor)
{
    return mem_new(struct inbox, .executor = executor, .from = INT64_MAX);
}

void inbox_close(struct inbox *inbox)
{
    if (!inbox)
        return;
    args_free(&inbox->args);
    free(inbox);
}
