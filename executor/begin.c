#include "executor/begin.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/point.h"
#include "common/rows.h"
#include "executor/run.h"

#define MOMENT_US 20000 /* what ends within it needs no start of its own */
#define LINGER_US 10000 /* gathers the starts of a batch */
#define ASK_LINGER_US 500
#define RETRY_US 100000
#define BATCH_MOST 1000
#define ACCURACY_US 1

/* What start.sql says of an attempt that it did not begin. */
enum verdict { VERDICT_GONE, VERDICT_CANCELLED, VERDICT_ALREADY, VERDICT_OPEN };

struct note {
    int64_t inbox, due_us;
};

struct begin {
    struct executor *executor;
    struct attempt_queue asked;
    struct note *notes; /* in the order of their time; from `first` on */
    size_t first, count, room;
    sd_event_source *timer;
    struct args args;
};

/* One call: the numbers it was about, so that a lost answer can be asked for again. */
struct writing {
    struct begin *begin;
    size_t count;
    int64_t inbox[BATCH_MOST];
};

static void wake_at(struct begin *begin, int64_t at_us)
{
    uint64_t set_us;
    int enabled;

    sd_event_source_get_enabled(begin->timer, &enabled);
    sd_event_source_get_time(begin->timer, &set_us);
    if (enabled != SD_EVENT_OFF && set_us <= (uint64_t)at_us)
        return;
    sd_event_source_set_time(begin->timer, (uint64_t)at_us);
    sd_event_source_set_enabled(begin->timer, SD_EVENT_ONESHOT);
}

/* --- Answers --------------------------------------------------------------------------------- */

static void settle(struct begin *begin, struct attempt *attempt, enum verdict verdict)
{
    bool asking = attempt->stage == ATTEMPT_ASKING;

    if (verdict == VERDICT_GONE)
        run_fenced(attempt, "start");
    else if (asking && verdict == VERDICT_CANCELLED) {
        attempt->started_us = 0;
        run_end(attempt, OUTCOME_CANCELLED, NULL, "cancelled before its start");
    } else if (asking && verdict == VERDICT_ALREADY) {
        run_begun(attempt); /* by our own earlier call, whose answer was lost */
        if (attempt->stage != ATTEMPT_ASKING || begin->executor->leaving)
            return;
        /* The lease has run low: asked again until it holds, or ends us. */
        TAILQ_INSERT_TAIL(&begin->asked, attempt, queued);
        wake_at(begin, clock_boot_us() + RETRY_US);
    } else if (asking)
        begin_ask(begin, attempt);
}

static void ask_again(struct writing *writing)
{
    for (size_t i = 0; i < writing->count; i++) {
        struct attempt *attempt = ledger_find(&writing->begin->executor->ledger, writing->inbox[i]);

        if (attempt && attempt->stage == ATTEMPT_ASKING)
            TAILQ_INSERT_TAIL(&writing->begin->asked, attempt, queued);
        else if (attempt && attempt->stage == ATTEMPT_RUNNING)
            begin_note(writing->begin, attempt);
    }
    wake_at(writing->begin, clock_boot_us() + RETRY_US);
}

/* begun: inbox numbers; then of all that were asked for, how they stood before. */
static void on_written(void *data, const PGresult *rows, const struct fault *fault)
{
    struct writing *writing = data;
    struct begin *begin = writing->begin;
    struct ledger *ledger = &begin->executor->ledger;
    struct rows_array begun, inboxes, verdicts;
    struct attempt *attempt;

    if (fault) {
        log_debug("start.unwritten", "count=%zu error=%s", writing->count, LOG_VALUE(fault->text));
        ask_again(writing);
        free(writing);
        return;
    }
    POINT(START_COMMITTED);
    begun = rows_array(rows, 0, 0);
    inboxes = rows_array(rows, 0, 1);
    verdicts = rows_array(rows, 0, 2);
    for (int i = begun.count; i > 0; i--) {
        attempt = ledger_find(ledger, rows_next_int(&begun));
        if (attempt && attempt->stage == ATTEMPT_ASKING)
            run_begun(attempt);
    }
    for (int i = inboxes.count; i > 0; i--) {
        enum verdict verdict = (enum verdict)rows_next_int(&verdicts);

        attempt = ledger_find(ledger, rows_next_int(&inboxes));
        if (attempt && (attempt->stage == ATTEMPT_ASKING || attempt->stage == ATTEMPT_RUNNING))
            settle(begin, attempt, verdict);
    }
    free(writing);
}

/* --- Writing --------------------------------------------------------------------------------- */

static struct attempt *next_note(struct begin *begin, int64_t now_us)
{
    struct executor *executor = begin->executor;

    while (begin->count && begin->notes[begin->first].due_us <= now_us) {
        struct attempt *attempt = ledger_find(&executor->ledger, begin->notes[begin->first].inbox);

        begin->first++;
        begin->count--;
        if (attempt && attempt->stage == ATTEMPT_RUNNING)
            return attempt;
    }
    return NULL;
}

/* Attempts with on_lost=fail first: they wait. */
static size_t collect(struct begin *begin, struct attempt **batch, int64_t now_us)
{
    struct attempt *attempt;
    size_t count = 0;

    while (count < BATCH_MOST && (attempt = TAILQ_FIRST(&begin->asked))) {
        TAILQ_REMOVE(&begin->asked, attempt, queued);
        batch[count++] = attempt;
    }
    while (count < BATCH_MOST && (attempt = next_note(begin, now_us)))
        batch[count++] = attempt;
    return count;
}

static void write_starts(struct begin *begin, struct attempt **batch, size_t count)
{
    struct writing *writing = mem_new(struct writing, .begin = begin, .count = count);
    struct args *args = &begin->args;

    args_reset(args);
    args_uuid(args, &begin->executor->node);
    attempt_add_keys(args, batch, count);
    for (size_t i = 0; i < count; i++)
        writing->inbox[i] = batch[i]->inbox;
    args_array(args, ARGS_TIME);
    for (size_t i = 0; i < count; i++)
        args_time(args, batch[i]->started_us);
    args_array_end(args);
    POINT(START_SENDING);
    db_call(begin->executor->db, QUERY_START, args, on_written, writing);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
    struct begin *begin = data;
    struct attempt *batch[BATCH_MOST];
    int64_t now_us = clock_boot_us();
    size_t count;

    (void)source, (void)usec;
    while (db_is_ready(begin->executor->db) && (count = collect(begin, batch, now_us)))
        write_starts(begin, batch, count);
    if (!db_is_ready(begin->executor->db))
        wake_at(begin, now_us + RETRY_US);
    else if (begin->count)
        wake_at(begin, begin->notes[begin->first].due_us + LINGER_US);
    return 0;
}

void begin_ask(struct begin *begin, struct attempt *attempt)
{
    TAILQ_INSERT_TAIL(&begin->asked, attempt, queued);
    wake_at(begin, clock_boot_us() + ASK_LINGER_US);
}

static void make_room(struct begin *begin)
{
    if (begin->first + begin->count < begin->room)
        return;
    if (begin->first > begin->room / 2)
        memmove(begin->notes, begin->notes + begin->first, begin->count * sizeof *begin->notes);
    else {
        struct note *wider = mem_array(struct note, begin->room * 2 + 64);

        if (begin->count)
            memcpy(wider, begin->notes + begin->first, begin->count * sizeof *wider);
        free(begin->notes);
        begin->notes = wider;
        begin->room = begin->room * 2 + 64;
    }
    begin->first = 0;
}

void begin_note(struct begin *begin, const struct attempt *attempt)
{
    int64_t due_us = clock_boot_us() + MOMENT_US;

    make_room(begin);
    begin->notes[begin->first + begin->count++] =
        (struct note){.inbox = attempt->inbox, .due_us = due_us};
    wake_at(begin, due_us + LINGER_US);
}

void begin_again(struct begin *begin)
{
    if (begin->count || !TAILQ_EMPTY(&begin->asked))
        wake_at(begin, clock_boot_us());
}

struct begin *begin_open(struct executor *executor)
{
    struct begin *begin = mem_new(struct begin, .executor = executor);

    TAILQ_INIT(&begin->asked);
    if (sd_event_add_time(executor->loop, &begin->timer, CLOCK_BOOTTIME, 0, ACCURACY_US, on_timer,
                          begin) < 0)
        abort();
    sd_event_source_set_enabled(begin->timer, SD_EVENT_OFF);
    return begin;
}

void begin_close(struct begin *begin)
{
    if (!begin)
        return;
    sd_event_source_disable_unref(begin->timer);
    args_free(&begin->args);
    free(begin->notes);
    free(begin);
}
