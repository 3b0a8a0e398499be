#include "consumer/plan.h"

#include "common/clock.h"
#include "common/instant.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/point.h"
#include "consumer/cancel.h"
#include "consumer/change.h"
#include "consumer/definitions.h"
#include "consumer/planned.h"

#define ROWS_MOST 500
#define BUDGET 20000        /* fires looked for in one step: some milliseconds */
#define DECISIONS_MOST 1000 /* rows of the ledger in one statement */
#define APART_US                                                                                   \
    INT64_C(20000) /* looks, as fires are decided 500 ms ahead: those near become one */
#define REFUSED_WAIT_US INT64_C(100000)
#define LOOK_BACK_US INT64_C(1000000)
#define TELL_EVERY_MS 10000
#define LANES_TEXT_MOST 7000

struct plan {
    struct db *work, *look;
    struct plan_owner owner;
    int64_t poll_ms;
    struct uuid id;
    int64_t epoch, asked_epoch; /* 0: not started */
    struct definitions *definitions;
    struct planned *rows;
    struct planned_look seen;
    int limit;
    int64_t floor_us; /* what wants to be looked at lies behind this */
    bool asking;
    bool more;          /* than one step takes */
    bool again;         /* something was changed meanwhile */
    int64_t stepped_us; /* boot clock */
    int64_t told_ms;
    sd_event_source *timer, *tick;
};

static void step(struct plan *plan);

static void wake_in(struct plan *plan, int64_t wait_us)
{
    int64_t at_us = clock_boot_us() + wait_us, least_us = plan->stepped_us + APART_US;

    sd_event_source_set_time(plan->timer, (uint64_t)(at_us > least_us ? at_us : least_us));
    sd_event_source_set_enabled(plan->timer, SD_EVENT_ONESHOT);
}

/* --- What is decided ------------------------------------------------------------------------- */

/* The same fire makes the same task, whoever decides it. */
static struct uuid task_of(const struct uuid *schedule, int64_t fire_us)
{
    char text[UUID_TEXT], place[UUID_TEXT + 24];

    snprintf(place, sizeof place, "%s/%lld", uuid_write(text, schedule), (long long)fire_us);
    return uuid_derived("fire", place);
}

/* The end of the last run counts once. */
static void judge(struct planned *planned)
{
    if (planned->judged || !(planned->failed || planned->succeeded))
        return;
    planned->streak = planned->failed ? planned->streak + 1 : 0;
    planned->judged = true;
}

static void on_changed(void *data, const PGresult *rows, const struct fault *fault)
{
    struct plan *plan = data;

    (void)rows;
    if (!fault) {
        plan_look(plan);
        return;
    }
    log_warn("schedule.change_refused", "cause=%s", LOG_VALUE(fault->text));
    if (plan->epoch)
        wake_in(plan, REFUSED_WAIT_US);
}

static void change(struct plan *plan, const struct planned *planned, enum edit_action action,
                   const char *reason)
{
    log_info(action == EDIT_PAUSE ? "schedule.paused" : "schedule.resumed", "schedule=%s reason=%s",
             planned->name, LOG_VALUE(reason));
    change_by_master(plan->work, &planned->id, planned->seq, action, reason, on_changed, plan);
}

static bool fails_too_often(struct plan *plan, const struct planned *planned, int most)
{
    char reason[64];

    if (!most || planned->streak < most || planned->status != PLANNED_ACTIVE ||
        planned->row.until_us != DECIDE_NEVER)
        return false;
    snprintf(reason, sizeof reason, "%d runs failed in a row", planned->streak);
    change(plan, planned, EDIT_PAUSE, reason);
    return true;
}

static void on_cancelled(void *data, enum cancel_outcome outcome, const char *state,
                         const struct fault *fault)
{
    (void)data, (void)outcome, (void)state;
    if (fault)
        log_warn("schedule.cancel_refused", "cause=%s", LOG_VALUE(fault->text));
}

static enum planned_outcome take_step(struct plan *plan, struct planned *planned,
                                      const struct definition *definition, int *budget)
{
    struct decide_step *step = &planned->step;

    judge(planned);
    if (fails_too_often(plan, planned, definition->policy.pause_on_failures))
        return PLANNED_CHANGED;
    decide(step, &planned->row, definition->spec, &definition->policy, plan->seen.now_us, budget);
    if (step->resume) {
        change(plan, planned, EDIT_RESUME, "the time of its pause is over");
        return PLANNED_CHANGED;
    }
    for (int i = 0; i < step->count; i++)
        if (step->entries[i].skip == SKIP_NOT)
            planned->tasks[i] = task_of(&planned->id, step->entries[i].fire_us);
    return PLANNED_TAKEN;
}

static const struct definition *find(const struct plan *plan, const struct planned *planned)
{
    return planned->has_version
               ? definitions_find(plan->definitions, &planned->id, planned->version)
               : NULL;
}

/* Those for which the budget does not last come first the next time: what was taken on goes behind.
 */
static void take_steps(struct plan *plan)
{
    int budget = BUDGET, decisions = 0;

    for (int i = 0; i < plan->seen.count; i++) {
        struct planned *planned = &plan->rows[i];
        const struct definition *definition = find(plan, planned);

        if (budget <= 0 || decisions >= DECISIONS_MOST) {
            plan->more = true;
            return;
        }
        if (!definition || !definition->spec)
            planned->outcome = PLANNED_UNREADABLE;
        else
            planned->outcome = take_step(plan, planned, definition, &budget);
        if (planned->outcome == PLANNED_TAKEN)
            decisions += planned->step.count;
    }
}

/* --- The answer ------------------------------------------------------------------------------ */

static void tell(const struct planned *planned)
{
    char task[UUID_TEXT], first[INSTANT_TEXT], last[INSTANT_TEXT];

    for (int i = 0; i < planned->step.count; i++) {
        const struct decide_entry *entry = &planned->step.entries[i];

        instant_write(first, entry->fire_us);
        if (entry->skip == SKIP_NOT)
            log_info("schedule.fired", "schedule=%s fire_at=%s task=%s missed=%lld", planned->name,
                     first, uuid_write(task, &planned->tasks[i]), (long long)entry->missed);
        else
            log_info("schedule.skipped", "schedule=%s reason=%s until=%s count=%lld", planned->name,
                     skip_name(entry->skip), instant_write(last, entry->last_us),
                     (long long)entry->count);
    }
    if (planned_ends(planned))
        log_info("schedule.ended", "schedule=%s", planned->name);
}

static void count_fires(const struct planned *planned)
{
    for (int i = 0; i < planned->step.count; i++) {
        const struct decide_entry *entry = &planned->step.entries[i];

        if (entry->skip == SKIP_NOT)
            metrics_count(METRIC_FIRES_RUN);
        else if (entry->skip != SKIP_BUFFERED)
            metrics_add(METRIC_FIRES_SKIPPED, (double)entry->count);
    }
}

/* The run that stands in the way of a fire that was kept back for it. */
static void cancel_last(const struct plan *plan, const struct planned *planned)
{
    if (planned->step.cancel_last && planned->has_last)
        cancel_apply(plan->work, &planned->last_run, &(struct uuid){0},
                     "cancelled for the next fire of its schedule", on_cancelled, NULL);
}

static void tell_changed(const struct plan *plan, const PGresult *rows)
{
    struct rows_array changed = rows_array(rows, 0, 1);
    bool *is_changed = mem_array(bool, ROWS_MOST + 1);
    int place = 0;

    while (changed.count > 0) {
        is_changed[rows_next_int(&changed)] = true;
        changed.count--;
    }
    for (int i = 0; i < plan->seen.count; i++) {
        if (plan->rows[i].outcome != PLANNED_TAKEN || !is_changed[++place])
            continue;
        count_fires(&plan->rows[i]);
        tell(&plan->rows[i]);
        cancel_last(plan, &plan->rows[i]);
    }
    free(is_changed);
}

static void tell_lanes(const struct plan *plan, const PGresult *rows)
{
    struct rows_array queues = rows_array(rows, 0, 2), priorities = rows_array(rows, 0, 3),
                      instants = rows_array(rows, 0, 4);
    char text[LANES_TEXT_MOST + 160];
    int size = 0;

    for (; queues.count > 0 && size < LANES_TEXT_MOST; queues.count--) {
        const char *queue = rows_next(&queues);
        long long priority = (long long)rows_next_int(&priorities);

        size += snprintf(text + size, sizeof text - (size_t)size, "%.*s %lld %lld\n", queues.length,
                         queue, priority, (long long)rows_next_time(&instants));
    }
    if (size)
        plan->owner.due(plan->owner.data, size < LANES_TEXT_MOST ? text : "*");
}

/* When to look next, as far as it is known. */
static void go_on(struct plan *plan, bool more)
{
    int64_t next_us = plan->seen.coming_us;

    for (int i = 0; i < plan->seen.count; i++)
        if (plan->rows[i].outcome == PLANNED_TAKEN && plan->rows[i].step.look_us < next_us)
            next_us = plan->rows[i].step.look_us;
    if (more || plan->more) {
        step(plan);
        return;
    }
    if (plan->again)
        next_us = plan->seen.now_us;
    if (next_us != DECIDE_NEVER)
        wake_in(plan, next_us > plan->seen.now_us ? next_us - clock_database_us() : 0);
}

static int count_of(const struct plan *plan, enum planned_outcome outcome)
{
    int count = 0;

    for (int i = 0; i < plan->seen.count; i++)
        count += plan->rows[i].outcome == outcome;
    return count;
}

/* Those are looked at again later, behind all others, that they stand in no other's way. */
static void defer(struct plan *plan, enum planned_outcome outcome)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    args_uuid(&args, &plan->id);
    args_int8(&args, plan->epoch);
    args_array(&args, ARGS_UUID);
    for (int i = 0; i < plan->seen.count; i++)
        if (plan->rows[i].outcome == outcome)
            args_uuid(&args, &plan->rows[i].id);
    args_array_end(&args);
    db_call(plan->work, QUERY_PLAN_DEFER, &args, NULL, NULL);
}

static void on_refused(struct plan *plan, const struct fault *fault)
{
    if (fault->kind == FAULT_DOWN) {
        plan->owner.doubt(plan->owner.data, fault->text);
        return;
    }
    if (log_now_and_then(&plan->told_ms, TELL_EVERY_MS))
        log_warn("plan.refused", "schedules=%d first=%s cause=%s", plan->seen.count,
                 plan->seen.count ? plan->rows[0].name : "", LOG_VALUE(fault->text));
    /* One at a time, so that one that is refused stops no other. */
    if (plan->limit == 1 && !fault_is_retryable(fault))
        defer(plan, PLANNED_TAKEN);
    plan->limit = 1;
    wake_in(plan, REFUSED_WAIT_US);
}

static void on_decided(void *data, const PGresult *rows, const struct fault *fault)
{
    struct plan *plan = data;
    bool full = plan->seen.count >= plan->limit;

    plan->asking = false;
    if (!fault && !rows_bool(rows, 0, 0)) {
        metrics_count(METRIC_PLAN_FENCED);
        log_warn("plan.fenced", "epoch=%lld", (long long)plan->asked_epoch);
    }
    if (plan->epoch != plan->asked_epoch) {
        step(plan);
    } else if (fault) {
        on_refused(plan, fault);
    } else if (!rows_bool(rows, 0, 0)) {
        plan->owner.doubt(plan->owner.data, "the lease is another node's");
    } else {
        POINT(PLAN_COMMITTED);
        plan->limit = plan->limit * 2 < ROWS_MOST ? plan->limit * 2 : ROWS_MOST;
        tell_changed(plan, rows);
        tell_lanes(plan, rows);
        go_on(plan, full);
    }
}

static void write_steps(struct plan *plan)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    take_steps(plan);
    if (count_of(plan, PLANNED_UNREADABLE))
        defer(plan, PLANNED_UNREADABLE);
    if (!count_of(plan, PLANNED_TAKEN)) {
        plan->asking = false;
        wake_in(plan, REFUSED_WAIT_US);
        return;
    }
    args_uuid(&args, &plan->id);
    args_int8(&args, plan->epoch);
    planned_add(&args, plan->rows, plan->seen.count);
    POINT(PLAN_SENDING);
    db_call(plan->work, QUERY_PLAN_DECIDE, &args, on_decided, plan);
}

/* --- Definitions ----------------------------------------------------------------------------- */

static void on_definitions(void *data, const PGresult *rows, const struct fault *fault)
{
    struct plan *plan = data;
    struct fault unread;

    if (plan->epoch != plan->asked_epoch || fault) {
        plan->asking = false;
        if (plan->epoch)
            wake_in(plan, fault ? REFUSED_WAIT_US : 0);
        return;
    }
    for (int row = 0; row < PQntuples(rows); row++) {
        struct uuid id = rows_uuid(rows, row, 0);

        if (!definitions_add(plan->definitions, &id, (int)rows_int(rows, row, 1),
                             rows_text(rows, row, 2), rows_text(rows, row, 3),
                             rows_text(rows, row, 4), &unread))
            log_error("schedule.unreadable", "schedule=%s cause=%s", rows_text(rows, row, 2),
                      LOG_VALUE(unread.text));
    }
    write_steps(plan);
}

static bool is_unknown(const struct plan *plan, const struct planned *planned)
{
    return planned->has_version &&
           !definitions_find(plan->definitions, &planned->id, planned->version);
}

/* Asks for the definitions that are not known. False: all of them are. */
static bool ask_definitions(struct plan *plan)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;
    size_t unknown = 0;

    for (int i = 0; i < plan->seen.count; i++)
        unknown += is_unknown(plan, &plan->rows[i]);
    if (!unknown)
        return false;
    definitions_make_room(plan->definitions, unknown);
    args_array(&args, ARGS_UUID);
    for (int i = 0; i < plan->seen.count; i++)
        if (is_unknown(plan, &plan->rows[i]))
            args_uuid(&args, &plan->rows[i].id);
    args_array_end(&args);
    args_array(&args, ARGS_INT4);
    for (int i = 0; i < plan->seen.count; i++)
        if (is_unknown(plan, &plan->rows[i]))
            args_int4(&args, plan->rows[i].version);
    args_array_end(&args);
    args_array(&args, ARGS_TEXT);
    for (int i = 0; i < plan->seen.count; i++)
        if (is_unknown(plan, &plan->rows[i]))
            args_text(&args, plan->rows[i].name);
    args_array_end(&args);
    db_call(plan->look, QUERY_PLAN_DEFINITIONS, &args, on_definitions, plan);
    return true;
}

/* --- The loop -------------------------------------------------------------------------------- */

static void on_looked(void *data, const PGresult *rows, const struct fault *fault)
{
    struct plan *plan = data;

    if (plan->epoch != plan->asked_epoch || fault) {
        plan->asking = false;
        if (plan->epoch)
            wake_in(plan, fault ? REFUSED_WAIT_US : 0);
        return;
    }
    plan->seen = planned_read(plan->rows, ROWS_MOST, rows);
    if (!plan->seen.count) {
        plan->asking = false;
        plan->floor_us = plan->seen.now_us - LOOK_BACK_US;
        go_on(plan, false);
    } else if (!ask_definitions(plan)) {
        write_steps(plan);
    }
}

static void step(struct plan *plan)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    if (!plan->epoch || plan->asking || !db_is_ready(plan->work) || !db_is_ready(plan->look))
        return;
    plan->asking = true;
    plan->more = plan->again = false;
    plan->stepped_us = clock_boot_us();
    plan->asked_epoch = plan->epoch;
    args_time(&args, plan->floor_us);
    args_int4(&args, plan->limit);
    db_call(plan->look, QUERY_PLAN_LOOK, &args, on_looked, plan);
}

static int timer_rings(sd_event_source *source, uint64_t usec, void *data)
{
    (void)source, (void)usec;
    step(data);
    return 0;
}

static int tick_due(sd_event_source *source, uint64_t usec, void *data)
{
    struct plan *plan = data;

    (void)usec;
    sd_event_source_set_time_relative(source, (uint64_t)plan->poll_ms * 1000);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    plan_look(plan);
    return 0;
}

void plan_look(struct plan *plan)
{
    plan->floor_us = 0;
    if (plan->asking)
        plan->again = true;
    else
        wake_in(plan, 0);
}

struct plan *plan_new(sd_event *loop, struct db *work, struct db *look, const struct config *config,
                      const struct plan_owner *owner)
{
    struct plan *plan = mem_new(struct plan, .work = work, .look = look, .owner = *owner,
                                .poll_ms = config->poll_ms, .definitions = definitions_new());

    sd_event_add_time(loop, &plan->timer, CLOCK_BOOTTIME, 0, 1, timer_rings, plan);
    sd_event_source_set_enabled(plan->timer, SD_EVENT_OFF);
    sd_event_add_time(loop, &plan->tick, CLOCK_BOOTTIME, 0, 1000, tick_due, plan);
    sd_event_source_set_enabled(plan->tick, SD_EVENT_OFF);
    return plan;
}

void plan_free(struct plan *plan)
{
    if (!plan)
        return;
    plan_end(plan);
    sd_event_source_disable_unref(plan->timer);
    sd_event_source_disable_unref(plan->tick);
    definitions_free(plan->definitions);
    free(plan->rows);
    free(plan);
}

void plan_begin(struct plan *plan, const struct uuid *id, int64_t epoch)
{
    plan->id = *id;
    plan->epoch = epoch;
    plan->limit = ROWS_MOST;
    /* What a database that failed over has lost may be another definition by now. */
    definitions_clear(plan->definitions);
    if (!plan->rows)
        plan->rows = mem_array(struct planned, ROWS_MOST);
    sd_event_source_set_time_relative(plan->tick, (uint64_t)plan->poll_ms * 1000);
    sd_event_source_set_enabled(plan->tick, SD_EVENT_ONESHOT);
    plan_look(plan);
}

void plan_end(struct plan *plan)
{
    plan->epoch = 0;
    sd_event_source_set_enabled(plan->timer, SD_EVENT_OFF);
    sd_event_source_set_enabled(plan->tick, SD_EVENT_OFF);
}
