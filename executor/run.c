#include "executor/run.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "executor/again.h"
#include "executor/begin.h"
#include "executor/lease.h"
#include "executor/output.h"
#include "executor/report.h"

#define LIMIT_ACCURACY_US 1000
#define ERROR_MOST 2400

static const struct work_type *const types[] = {&print_type, &shell_type, &request_type,
                                                &publish_type};

struct run {
    struct executor *executor;
    bool allowed[COUNT(types)];
    int64_t slots, busy, active;
    struct attempt_queue waiting;
    sd_event_source *more; /* looks at `waiting` again, outside of whoever made room */
};

/* --- Types ----------------------------------------------------------------------------------- */

static int type_number(const char *name)
{
    for (size_t i = 0; name && i < COUNT(types); i++)
        if (!strcmp(types[i]->name, name))
            return (int)i;
    return -1;
}

bool run_allows(const struct run *run, const char *type)
{
    int number = type_number(type);

    return number >= 0 && run->allowed[number];
}

static bool read_types(struct run *run, const char *list, struct fault *fault)
{
    char name[32];

    for (const char *at = list; *at;) {
        size_t size = strcspn(at, ", ");
        int number;

        snprintf(name, sizeof name, "%.*s", (int)size, at);
        number = type_number(name);
        if (size && number < 0)
            return fault_set(fault, FAULT_REJECTED,
                             "ROTA_EXECUTOR_TYPES: %s is not known; known are log, shell, http, "
                             "kafka",
                             name);
        if (size)
            run->allowed[number] = true;
        at += size + strspn(at + size, ", ");
    }
    return true;
}

/* --- Starting -------------------------------------------------------------------------------- */

static void log_started(const struct attempt *attempt)
{
    char task[UUID_TEXT];

    log_info("task.started", "task=%s attempt=%d type=%s queue=%s delay_ms=%lld",
             uuid_write(task, &attempt->task), attempt->token, attempt->type->name,
             attempt->texts.queue, (long long)((attempt->started_us - attempt->run_at_us) / 1000));
}

static void stop(struct attempt *attempt, enum attempt_stop why, int64_t grace_ms)
{
    if (why > attempt->stop)
        attempt->stop = why;
    attempt->type->stop(attempt, grace_ms);
}

static int on_limit(sd_event_source *source, uint64_t usec, void *data)
{
    (void)source, (void)usec;
    stop(data, STOP_TIMED_OUT, RUN_OWN_GRACE);
    return 0;
}

static void set_limit(struct attempt *attempt)
{
    uint64_t at_us = (uint64_t)(attempt->started_boot_us + attempt->timeout_ms * 1000);

    sd_event_add_time(attempt->executor->loop, &attempt->limit, CLOCK_BOOTTIME, at_us,
                      LIMIT_ACCURACY_US, on_limit, attempt);
}

static void start(struct attempt *attempt)
{
    struct fault fault;

    attempt->stage = ATTEMPT_RUNNING;
    attempt->started_boot_us = clock_boot_us();
    if (!attempt->started_us)
        attempt->started_us = clock_database_us();
    if (!attempt->spent)
        metrics_observe(METRIC_START_DELAY,
                        (double)(attempt->started_us - attempt->run_at_us) / 1e6);
    log_started(attempt);
    if (!attempt->type->instant) {
        attempt_keep(attempt);
        set_limit(attempt);
        if (!attempt->asks)
            begin_note(attempt->executor->begin, attempt);
    }
    if (!attempt->type->start(attempt, &fault))
        run_end(attempt, OUTCOME_FAILED, NULL, fault.text);
}

static bool may_start(const struct run *run, const struct attempt *attempt)
{
    return !run->executor->leaving && lease_may_start(run->executor->lease) &&
           (!attempt->type->needs_slot || run->busy < run->slots);
}

static void admit(struct run *run, struct attempt *attempt)
{
    /* The database makes it expired. */
    if (attempt->start_by_us != INT64_MIN && clock_database_us() >= attempt->start_by_us) {
        run_end(attempt, OUTCOME_RETURNED, NULL, NULL);
        return;
    }
    attempt->admitted = true;
    run->active++;
    if (attempt->type->needs_slot)
        metrics_set(METRIC_SLOTS_BUSY, (double)++run->busy);
    if (!attempt->asks) {
        start(attempt);
        return;
    }
    attempt_keep(attempt);
    attempt->stage = ATTEMPT_ASKING;
    attempt->started_us = clock_database_us();
    begin_ask(run->executor->begin, attempt);
}

/* In their order: an earlier one that needs a slot does not hold up a later one that needs none. */
static int on_more(sd_event_source *source, void *data)
{
    struct run *run = data;
    struct attempt *attempt, *next;

    (void)source;
    for (attempt = TAILQ_FIRST(&run->waiting); attempt; attempt = next) {
        next = TAILQ_NEXT(attempt, queued);
        if (!may_start(run, attempt))
            continue;
        TAILQ_REMOVE(&run->waiting, attempt, queued);
        admit(run, attempt);
    }
    return 0;
}

void run_look_again(struct run *run)
{
    if (!TAILQ_EMPTY(&run->waiting))
        sd_event_source_set_enabled(run->more, SD_EVENT_ONESHOT);
}

static void refuse_type(struct attempt *attempt, int number)
{
    char error[160];

    if (number < 0)
        snprintf(error, sizeof error, "type %.64s is not known to this executor",
                 attempt->texts.type ? attempt->texts.type : "");
    else
        snprintf(error, sizeof error,
                 "type %s is not allowed on this executor (ROTA_EXECUTOR_TYPES)",
                 types[number]->name);
    run_end(attempt, OUTCOME_FAILED, NULL, error);
}

bool run_take(struct run *run, struct attempt *attempt, bool cancelled)
{
    int number = type_number(attempt->texts.type);
    bool needs_slot = number >= 0 && types[number]->needs_slot;

    attempt->type = number < 0 ? &print_type : types[number];
    if (cancelled)
        run_cancel(attempt);
    else if (number < 0 || !run->allowed[number])
        refuse_type(attempt, number);
    else if (run->executor->draining)
        run_end(attempt, OUTCOME_RETURNED, NULL, NULL);
    else if (may_start(run, attempt))
        admit(run, attempt);
    else {
        attempt_keep(attempt);
        attempt->stage = ATTEMPT_WAITING;
        TAILQ_INSERT_TAIL(&run->waiting, attempt, queued);
    }
    return needs_slot;
}

void run_begun(struct attempt *attempt)
{
    /* The lease may have run low while the answer was under way: then it stays as it is. */
    if (!attempt->executor->leaving && lease_may_start(attempt->executor->lease))
        start(attempt);
}

/* --- Stopping and ending --------------------------------------------------------------------- */

void run_fenced(struct attempt *attempt, const char *at)
{
    char task[UUID_TEXT];

    log_warn("task.fenced", "task=%s attempt=%d at=%s", uuid_write(task, &attempt->task),
             attempt->token, at);
    metrics_count(METRIC_FINISH_FENCED);
    if (attempt->stage == ATTEMPT_RUNNING) {
        stop(attempt, STOP_FENCED, RUN_OWN_GRACE);
        return;
    }
    if (attempt->stage == ATTEMPT_WAITING)
        TAILQ_REMOVE(&attempt->executor->run->waiting, attempt, queued);
    attempt->stop = STOP_FENCED;
    run_end(attempt, OUTCOME_LOST, NULL, NULL);
}

void run_cancel(struct attempt *attempt)
{
    switch (attempt->stage) {
    case ATTEMPT_WAITING:
        TAILQ_REMOVE(&attempt->executor->run->waiting, attempt, queued);
        __attribute__((fallthrough));
    case ATTEMPT_READ:
        run_end(attempt, OUTCOME_CANCELLED, NULL, "cancelled before its start");
        return;
    case ATTEMPT_RUNNING:
        stop(attempt, STOP_CANCELLED, RUN_OWN_GRACE);
        return;
    case ATTEMPT_ASKING: /* the answer says whether it starts */
    case ATTEMPT_ENDED:
        return;
    }
}

static const enum metric outcome_metrics[OUTCOME_COUNT] = {
    [OUTCOME_SUCCEEDED] = METRIC_ATTEMPTS_SUCCEEDED,
    [OUTCOME_FAILED] = METRIC_ATTEMPTS_FAILED,
    [OUTCOME_TIMED_OUT] = METRIC_ATTEMPTS_TIMED_OUT,
    [OUTCOME_CANCELLED] = METRIC_ATTEMPTS_CANCELLED,
    [OUTCOME_LOST] = METRIC_ATTEMPTS_FAILED,
    [OUTCOME_RETURNED] = METRIC_ATTEMPTS_RETURNED,
};

static void log_finished(const struct attempt *attempt)
{
    int64_t ms = attempt->started_boot_us ? (clock_boot_us() - attempt->started_boot_us) / 1000 : 0;
    char task[UUID_TEXT], code[16] = "", again[40] = "";

    if (attempt->has_exit_code)
        snprintf(code, sizeof code, "%d", attempt->exit_code);
    if (attempt->again_ms)
        snprintf(again, sizeof again, " again_ms=%lld", (long long)attempt->again_ms);
    if (attempt->error)
        log_info("task.finished", "task=%s attempt=%d outcome=%s exit_code=%s ms=%lld%s error=%s",
                 uuid_write(task, &attempt->task), attempt->token, outcome_name(attempt->outcome),
                 code, (long long)ms, again, LOG_VALUE(attempt->error));
    else
        log_info("task.finished", "task=%s attempt=%d outcome=%s exit_code=%s ms=%lld",
                 uuid_write(task, &attempt->task), attempt->token, outcome_name(attempt->outcome),
                 code, (long long)ms);
}

/* What reaches the database is valid UTF-8 without zeros, and of a bounded size. */
static char *clean_error(const char *error)
{
    size_t size = strnlen(error, ERROR_MOST);
    char *clean = mem_array(char, size + 1);

    memcpy(clean, error, size);
    clean[output_clean(clean, size)] = '\0';
    return clean;
}

/* Our own reason to stop it says more than how the work took it. */
static enum outcome judge(struct attempt *attempt, enum outcome outcome, const char **error,
                          char text[static 64])
{
    if (attempt->stop == STOP_CANCELLED) {
        *error = "cancelled while it ran";
        return OUTCOME_CANCELLED;
    }
    if (attempt->stop == STOP_TIMED_OUT) {
        snprintf(text, 64, "timed out after %lld ms", (long long)attempt->timeout_ms);
        *error = text;
        return OUTCOME_TIMED_OUT;
    }
    return outcome;
}

static void leave_slot(struct run *run, struct attempt *attempt)
{
    if (!attempt->admitted)
        return;
    attempt->admitted = false;
    run->active--;
    if (attempt->type->needs_slot)
        metrics_set(METRIC_SLOTS_BUSY, (double)--run->busy);
    run_look_again(run);
}

void run_end(struct attempt *attempt, enum outcome outcome, const int *exit_code, const char *error)
{
    struct executor *executor = attempt->executor;
    char text[64];

    leave_slot(executor->run, attempt);
    attempt->stage = ATTEMPT_ENDED;
    attempt->limit = sd_event_source_disable_unref(attempt->limit);
    attempt->job = NULL;
    attempt->outcome = judge(attempt, outcome, &error, text);
    attempt->finished_us = clock_database_us();
    if (attempt->finished_us < attempt->started_us)
        attempt->finished_us = attempt->started_us; /* what we know of that clock was put right */
    attempt->has_exit_code = exit_code != NULL;
    attempt->exit_code = exit_code ? *exit_code : 0;
    attempt->error = error && *error ? clean_error(error) : NULL;
    again_judge(attempt);
    attempt_forget(attempt);
    if (attempt->stop == STOP_LEFT)
        return; /* it stays in the ledger, open, for recovery to settle */
    if (attempt->stop == STOP_FENCED) {
        ledger_drop(&executor->ledger, attempt);
        return;
    }
    metrics_count(outcome_metrics[attempt->outcome]);
    if (attempt->started_boot_us)
        metrics_observe(METRIC_ATTEMPT_DURATION,
                        (double)(clock_boot_us() - attempt->started_boot_us) / 1e6);
    log_finished(attempt);
    report_add(executor->report, attempt);
}

void run_return_waiting(struct run *run)
{
    struct attempt *attempt;

    while ((attempt = TAILQ_FIRST(&run->waiting))) {
        TAILQ_REMOVE(&run->waiting, attempt, queued);
        run_end(attempt, OUTCOME_RETURNED, NULL, NULL);
    }
}

void run_leave_all(struct run *run, int64_t grace_ms)
{
    struct attempt *attempt, *next;

    /* A stop may end it, and a fenced one leaves the ledger with its end. */
    for (attempt = TAILQ_FIRST(&run->executor->ledger.held); attempt; attempt = next) {
        next = TAILQ_NEXT(attempt, held);
        if (attempt->stage == ATTEMPT_RUNNING)
            stop(attempt, STOP_LEFT, grace_ms);
    }
}

int64_t run_active(const struct run *run)
{
    return run->active;
}

/* --- Opening --------------------------------------------------------------------------------- */

bool run_open(struct run **ret, struct executor *executor, struct fault *fault)
{
    struct run *run =
        mem_new(struct run, .executor = executor, .slots = executor->config->executor_slots);

    TAILQ_INIT(&run->waiting);
    *ret = run;
    if (!read_types(run, executor->config->executor_types, fault))
        return false;
    if (sd_event_add_defer(executor->loop, &run->more, on_more, run) < 0)
        return fault_set(fault, FAULT_BROKEN, "no event source for starts");
    sd_event_source_set_enabled(run->more, SD_EVENT_OFF);
    metrics_set(METRIC_SLOTS, (double)run->slots);
    return true;
}

void run_close(struct run *run)
{
    if (!run)
        return;
    run_leave_all(run, RUN_LET_GO);
    sd_event_source_disable_unref(run->more);
    free(run);
}
