#include "consumer/retain.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/point.h"
#include "common/rows.h"

#define BATCH 200
#define PAUSE_US UINT64_C(50000)
#define ROUND_US UINT64_C(60000000)

/* One round: the ended ones, decisions of schedules, then the nodes, then each executor's inbox
 * from its beginning. */
enum stage { STAGE_ENDED, STAGE_FIRES, STAGE_NODES, STAGE_DONE };

struct retain {
    struct db *work;
    const struct config *config;
    struct retain_owner owner;
    struct uuid id;
    int64_t epoch, asked_epoch;
    enum stage stage;
    struct uuid *executors;
    int count, current;
    int64_t upto; /* in the inbox of the current executor */
    int64_t removed;
    bool asking;
    sd_event_source *timer;
};

static void next_in(struct retain *retain, uint64_t wait_us)
{
    sd_event_source_set_time_relative(retain->timer, wait_us);
    sd_event_source_set_enabled(retain->timer, SD_EVENT_ONESHOT);
}

static void end_round(struct retain *retain)
{
    if (retain->removed)
        log_info("tasks.retained", "removed=%lld", (long long)retain->removed);
    retain->removed = 0;
    retain->stage = STAGE_ENDED;
    next_in(retain, ROUND_US);
}

/* Goes on with the next executor; after the last one the round is over. */
static void next_executor(struct retain *retain)
{
    retain->upto = 0;
    if (++retain->current >= retain->count)
        end_round(retain);
    else
        next_in(retain, PAUSE_US);
}

static void take_nodes(struct retain *retain, const PGresult *rows)
{
    struct rows_array executors = rows_array(rows, 0, 1);

    free(retain->executors);
    retain->count = executors.count;
    retain->executors = mem_array(struct uuid, (size_t)executors.count);
    for (int i = 0; i < retain->count; i++)
        retain->executors[i] = rows_next_uuid(&executors);
    retain->stage = STAGE_DONE;
    retain->current = -1;
    next_executor(retain);
}

static void take_answer(struct retain *retain, const PGresult *rows)
{
    int64_t removed;

    switch (retain->stage) {
    case STAGE_ENDED:
        removed = rows_int(rows, 0, 1);
        retain->removed += removed;
        metrics_add(METRIC_RETAINED, (double)removed);
        if (removed < BATCH)
            retain->stage = STAGE_FIRES;
        next_in(retain, PAUSE_US);
        return;
    case STAGE_FIRES:
        if (rows_int(rows, 0, 1) < BATCH)
            retain->stage = STAGE_NODES;
        next_in(retain, PAUSE_US);
        return;
    case STAGE_NODES:
        take_nodes(retain, rows);
        return;
    case STAGE_DONE:
        retain->removed += rows_int(rows, 0, 1);
        metrics_add(METRIC_RETAINED, (double)rows_int(rows, 0, 1));
        if (rows_is_null(rows, 0, 2)) {
            next_executor(retain);
            return;
        }
        retain->upto = rows_int(rows, 0, 2);
        next_in(retain, PAUSE_US);
    }
}

static void on_answer(void *data, const PGresult *rows, const struct fault *fault)
{
    struct retain *retain = data;

    retain->asking = false;
    if (retain->epoch != retain->asked_epoch)
        return;
    if (fault && fault->kind == FAULT_DOWN) {
        retain->owner.doubt(retain->owner.data, fault->text);
    } else if (fault) {
        log_warn("retain.refused", "cause=%s", LOG_VALUE(fault->text));
        if (retain->stage == STAGE_FIRES)
            retain->stage = STAGE_NODES; /* tasks leave all the same */
        next_in(retain, ROUND_US);
    } else if (!rows_bool(rows, 0, 0)) {
        retain->owner.doubt(retain->owner.data, "the lease is another node's");
    } else {
        POINT(RETAIN_COMMITTED);
        take_answer(retain, rows);
    }
}

static int step_due(sd_event_source *source, uint64_t usec, void *data)
{
    static const enum query queries[] = {
        [STAGE_ENDED] = QUERY_RETAIN_ENDED,
        [STAGE_FIRES] = QUERY_RETAIN_FIRES,
        [STAGE_NODES] = QUERY_RETAIN_NODES,
        [STAGE_DONE] = QUERY_RETAIN_DONE,
    };
    SCOPED(scoped_args) struct args args = ARGS_INIT;
    struct retain *retain = data;

    (void)source, (void)usec;
    if (!retain->epoch || retain->asking)
        return 0;
    args_uuid(&args, &retain->id);
    args_int8(&args, retain->epoch);
    if (retain->stage == STAGE_DONE)
        args_uuid(&args, &retain->executors[retain->current]);
    args_int8(&args, retain->config->retention_ms);
    if (retain->stage == STAGE_DONE)
        args_int8(&args, retain->upto);
    if (retain->stage != STAGE_NODES)
        args_int4(&args, BATCH);
    retain->asking = true;
    retain->asked_epoch = retain->epoch;
    POINT(RETAIN_SENDING);
    db_call(retain->work, queries[retain->stage], &args, on_answer, retain);
    return 0;
}

struct retain *retain_new(sd_event *loop, struct db *work, const struct config *config,
                          const struct retain_owner *owner)
{
    struct retain *retain = mem_new(struct retain, .work = work, .config = config, .owner = *owner);

    sd_event_add_time(loop, &retain->timer, CLOCK_BOOTTIME, 0, 100000, step_due, retain);
    sd_event_source_set_enabled(retain->timer, SD_EVENT_OFF);
    return retain;
}

void retain_free(struct retain *retain)
{
    if (!retain)
        return;
    retain_end(retain);
    sd_event_source_disable_unref(retain->timer);
    free(retain);
}

void retain_begin(struct retain *retain, const struct uuid *id, int64_t epoch)
{
    retain->id = *id;
    retain->epoch = epoch;
    retain->stage = STAGE_ENDED;
    next_in(retain, ROUND_US / 4);
}

void retain_end(struct retain *retain)
{
    retain->epoch = 0;
    sd_event_source_set_enabled(retain->timer, SD_EVENT_OFF);
    free(retain->executors);
    retain->executors = NULL;
    retain->count = 0;
}
