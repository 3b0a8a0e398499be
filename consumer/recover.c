#include "consumer/recover.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/point.h"
#include "common/rows.h"

#define SWEEP_MOST 500
/* A dead executor is swept again for this long after the last sweep that found something. */
#define SWEEP_ON_US INT64_C(5000000)
#define OVERDUE_EVERY_US INT64_C(60000000)
#define WALK_ROWS 5000

struct watched {
    struct uuid id;
    char name[64];
    bool dead, executor, seen, silent, has_state;
    bool todo;            /* dead, and not swept since the last look */
    int64_t heartbeat_us; /* the database's */
    int64_t changed_us;   /* when we saw it change, boot clock */
    int64_t low;
    int64_t quiet_us; /* dead: since when sweeps find nothing */
    /* Dead and quiet: how far its inbox was walked, and the numbers where something was open. */
    int64_t walk_upto, stray_from, stray_upto;
    bool walked, has_strays;
};

struct recover {
    sd_event *loop;
    struct db *work, *look;
    const struct config *config;
    struct recover_owner owner;
    struct uuid id;
    int64_t epoch;
    struct watched *list;
    size_t count;
    bool asking, walking; /* walking is a read, and holds up nothing else */
    int64_t asked_epoch, walk_epoch;
    struct uuid sweeping, walked;
    int64_t overdue_us;
    double overdue;
};

static void sweep(struct recover *recover, struct watched *node);
static void walk(struct recover *recover, struct watched *node);
static void act(struct recover *recover);

static struct watched *find(struct recover *recover, const struct uuid *id)
{
    for (size_t i = 0; i < recover->count; i++)
        if (uuid_equal(&recover->list[i].id, id))
            return &recover->list[i];
    return NULL;
}

static struct watched *get(struct recover *recover, const struct uuid *id)
{
    struct watched *node = find(recover, id);

    if (node)
        return node;
    recover->list = mem_grow(recover->list, recover->count + 1);
    node = &recover->list[recover->count++];
    *node = (struct watched){.id = *id, .heartbeat_us = INT64_MIN};
    return node;
}

static void see(struct recover *recover, const PGresult *rows, int row)
{
    struct uuid id = rows_uuid(rows, row, 0);
    struct watched *node = get(recover, &id);
    int64_t heartbeat_us = rows_time(rows, row, 3),
            lease_us = recover->config->executor_lease_ms * 1000;
    int64_t now_us = clock_boot_us();

    if (heartbeat_us != node->heartbeat_us) {
        node->heartbeat_us = heartbeat_us;
        node->changed_us = now_us;
    }
    snprintf(node->name, sizeof node->name, "%s", rows_text(rows, row, 2));
    node->executor = !strcmp(rows_text(rows, row, 1), "executor");
    node->dead = rows_bool(rows, row, 5);
    node->has_state = rows_bool(rows, row, 6);
    node->low = rows_int(rows, row, 10);
    node->silent = !node->dead && now_us - node->changed_us >= lease_us &&
                   rows_time(rows, row, 11) - heartbeat_us >= lease_us;
    node->todo = node->dead && node->has_state;
    node->seen = true;
}

static void ask(struct recover *recover)
{
    recover->asking = true;
    recover->asked_epoch = recover->epoch;
}

static bool refused(struct recover *recover, const PGresult *rows, const struct fault *fault)
{
    recover->asking = false;
    if (recover->epoch != recover->asked_epoch)
        return true;
    if (fault && fault->kind == FAULT_DOWN)
        recover->owner.doubt(recover->owner.data, fault->text);
    else if (fault)
        log_warn("recover.refused", "cause=%s", LOG_VALUE(fault->text));
    else if (!rows_bool(rows, 0, 0))
        recover->owner.doubt(recover->owner.data, "the lease is another node's");
    else
        return false;
    return true;
}

static void on_marked(void *data, const PGresult *rows, const struct fault *fault)
{
    struct recover *recover = data;

    if (refused(recover, rows, fault))
        return;
    POINT(MARK_COMMITTED);
    for (struct rows_array marked = rows_array(rows, 0, 1); marked.count > 0; marked.count--) {
        struct uuid id = rows_next_uuid(&marked);
        struct watched *node = find(recover, &id);

        if (!node)
            continue;
        log_warn("node.lost", "epoch=%lld lost=%s silent_ms=%lld", (long long)recover->epoch,
                 LOG_VALUE(node->name), (long long)(clock_boot_us() - node->changed_us) / 1000);
        if (node->executor)
            metrics_count(METRIC_EXECUTORS_LOST);
        node->dead = true;
        node->todo = node->has_state;
    }
    act(recover);
}

static bool mark(struct recover *recover)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;
    bool any = false;

    args_uuid(&args, &recover->id);
    args_int8(&args, recover->epoch);
    args_array(&args, ARGS_UUID);
    for (size_t i = 0; i < recover->count; i++) {
        if (!recover->list[i].silent)
            continue;
        args_uuid(&args, &recover->list[i].id);
        any = true;
    }
    args_array_end(&args);
    args_int8(&args, recover->config->executor_lease_ms);
    args_array(&args, ARGS_TIME);
    for (size_t i = 0; i < recover->count; i++)
        if (recover->list[i].silent)
            args_time(&args, recover->list[i].heartbeat_us);
    args_array_end(&args);
    if (!any)
        return false;
    ask(recover);
    POINT(MARK_SENDING);
    db_call(recover->work, QUERY_MARK_DEAD, &args, on_marked, recover);
    return true;
}

static void log_recovered(const struct recover *recover, const struct watched *node,
                          const PGresult *rows)
{
    struct rows_array ids = rows_array(rows, 0, 1), tokens = rows_array(rows, 0, 2),
                      outcomes = rows_array(rows, 0, 3);
    char task[UUID_TEXT];

    for (; ids.count > 0; ids.count--) {
        struct uuid id = rows_next_uuid(&ids);
        const char *outcome = rows_next(&outcomes);

        log_info("task.recovered", "epoch=%lld task=%s attempt=%lld outcome=%.*s executor=%s",
                 (long long)recover->epoch, uuid_write(task, &id),
                 (long long)rows_next_int(&tokens), outcomes.length, outcome,
                 node ? node->name : "?");
    }
}

static void on_swept(void *data, const PGresult *rows, const struct fault *fault)
{
    struct recover *recover = data;
    struct watched *node = find(recover, &recover->sweeping);

    /* Too much for one statement: the walk finds where the open ones are. */
    if (node && fault && fault->kind == FAULT_BUSY)
        node->quiet_us = 1;
    if (refused(recover, rows, fault))
        return;
    int count = rows_array(rows, 0, 1).count;

    if (count) {
        POINT(RECOVER_COMMITTED);
        metrics_add(METRIC_RECOVERED, count);
        log_recovered(recover, node, rows);
        recover->owner.came_back(recover->owner.data);
    }
    if (node && !node->has_strays)
        node->quiet_us = count ? 0 : node->quiet_us ? node->quiet_us : clock_boot_us();
    if (node && count == SWEEP_MOST) {
        sweep(recover, node);
        return;
    }
    if (node && node->has_strays) {
        node->has_strays = false;
        node->todo = true;
    }
    act(recover);
}

static void sweep(struct recover *recover, struct watched *node)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    args_uuid(&args, &recover->id);
    args_int8(&args, recover->epoch);
    args_uuid(&args, &node->id);
    args_int8(&args, node->has_strays ? node->stray_from : node->low);
    args_int4(&args, SWEEP_MOST);
    args_int8(&args, node->has_strays ? node->stray_upto : INT64_MAX);
    args_int4(&args, (int32_t)recover->config->lost_attempts);
    recover->sweeping = node->id;
    ask(recover);
    POINT(RECOVER_SENDING);
    db_call(recover->work, QUERY_RECOVER, &args, on_swept, recover);
}

/* upto; inboxes, task_ids, tokens of what is open. A step that was refused is tried again later. */
static void on_walked(void *data, const PGresult *rows, const struct fault *fault)
{
    struct recover *recover = data;
    struct watched *node = find(recover, &recover->walked);
    struct rows_array open;

    recover->walking = false;
    if (fault || recover->epoch != recover->walk_epoch || !node || !node->dead)
        return;
    node->walked = rows_is_null(rows, 0, 0);
    if (node->walked) {
        node->todo = true; /* to be retired */
    } else {
        node->walk_upto = rows_int(rows, 0, 0);
        open = rows_array(rows, 0, 1);
        node->has_strays = open.count > 0;
        if (node->has_strays) {
            node->stray_from = node->stray_upto = rows_next_int(&open);
            while (--open.count > 0)
                node->stray_upto = rows_next_int(&open);
            node->todo = true;
        } else {
            walk(recover, node);
        }
    }
    act(recover);
}

static void walk(struct recover *recover, struct watched *node)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    if (recover->walking)
        return;
    recover->walking = true;
    recover->walk_epoch = recover->epoch;
    recover->walked = node->id;
    args_uuid(&args, &node->id);
    args_int8(&args, node->walk_upto);
    args_int4(&args, WALK_ROWS);
    db_call(recover->look, QUERY_STRAYS, &args, on_walked, recover);
}

static void on_retired(void *data, const PGresult *rows, const struct fault *fault)
{
    struct recover *recover = data;

    (void)rows;
    recover->asking = false;
    if (recover->epoch != recover->asked_epoch)
        return;
    if (fault && fault->kind == FAULT_DOWN)
        recover->owner.doubt(recover->owner.data, fault->text);
    else
        act(recover);
}

static void retire(struct recover *recover, struct watched *node)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    args_uuid(&args, &recover->id);
    args_int8(&args, recover->epoch);
    args_uuid(&args, &node->id);
    ask(recover);
    node->has_state = false;
    POINT(RETIRE_SENDING);
    db_call(recover->work, QUERY_RETIRE, &args, on_retired, recover);
}

/* One statement at a time: the next dead executor of this look that was not swept yet. */
static void act(struct recover *recover)
{
    for (size_t i = 0; i < recover->count && !recover->asking; i++) {
        struct watched *node = &recover->list[i];

        if (!node->todo)
            continue;
        node->todo = false;
        if (node->has_strays || !node->quiet_us || clock_boot_us() - node->quiet_us <= SWEEP_ON_US)
            sweep(recover, node);
        else if (!node->walked)
            walk(recover, node);
        else
            retire(recover, node);
    }
}

static void on_overdue(void *data, const PGresult *rows, const struct fault *fault)
{
    struct recover *recover = data;
    int64_t count = fault ? 0 : rows_int(rows, 0, 0);

    recover->overdue += (double)count;
    metrics_set(METRIC_OVERDUE_ATTEMPTS, recover->overdue);
    if (count)
        log_warn("attempts.overdue", "count=%lld help=%s", (long long)count,
                 LOG_VALUE("open past their time-out on an executor that is alive"));
}

static void count_overdue(struct recover *recover)
{
    recover->overdue = 0;
    recover->overdue_us = clock_boot_us();
    for (size_t i = 0; i < recover->count; i++) {
        SCOPED(scoped_args) struct args args = ARGS_INIT;

        if (recover->list[i].dead || !recover->list[i].executor)
            continue;
        args_uuid(&args, &recover->list[i].id);
        args_int8(&args, recover->list[i].low);
        args_int8(&args, recover->config->executor_lease_ms * 60);
        db_call(recover->look, QUERY_OVERDUE, &args, on_overdue, recover);
    }
}

static void forget_unseen(struct recover *recover)
{
    size_t kept = 0;

    for (size_t i = 0; i < recover->count; i++)
        if (recover->list[i].seen)
            recover->list[kept++] = recover->list[i];
    recover->count = kept;
}

void recover_looked(struct recover *recover, const PGresult *rows, int row)
{
    if (!recover->epoch)
        return;
    if (rows) {
        see(recover, rows, row);
        return;
    }
    forget_unseen(recover);
    if (!recover->asking && !mark(recover))
        act(recover);
    for (size_t i = 0; i < recover->count; i++)
        recover->list[i].seen = false;
    if (clock_boot_us() - recover->overdue_us > OVERDUE_EVERY_US)
        count_overdue(recover);
}

struct recover *recover_new(sd_event *loop, struct db *work, struct db *look,
                            const struct config *config, const struct recover_owner *owner)
{
    return mem_new(struct recover, .loop = loop, .work = work, .look = look, .config = config,
                   .owner = *owner);
}

void recover_free(struct recover *recover)
{
    if (!recover)
        return;
    recover_end(recover);
    free(recover);
}

void recover_begin(struct recover *recover, const struct uuid *id, int64_t epoch)
{
    recover->id = *id;
    recover->epoch = epoch;
    recover->overdue_us = clock_boot_us();
}

void recover_end(struct recover *recover)
{
    recover->epoch = 0;
    free(recover->list);
    recover->list = NULL;
    recover->count = 0;
}
