#include "consumer/expire.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/rows.h"

#define TASKS_MOST 1000

struct expire {
    struct db *work;
    struct expire_owner owner;
    struct uuid id;
    int64_t epoch, asked_epoch; /* 0: not the master */
    bool asking;
};

static void tell(const PGresult *rows)
{
    struct rows_array ids = rows_array(rows, 0, 1);
    char task[UUID_TEXT];

    metrics_add(METRIC_TASKS_EXPIRED, ids.count);
    while (ids.count > 0) {
        struct uuid id = rows_next_uuid(&ids);

        log_warn("task.expired", "task=%s", uuid_write(task, &id));
        ids.count--;
    }
}

static void on_expired(void *data, const PGresult *rows, const struct fault *fault)
{
    struct expire *expire = data;
    bool current = expire->epoch == expire->asked_epoch;

    expire->asking = false;
    if (!fault)
        tell(rows);
    if (!current)
        return;
    if (fault && fault->kind == FAULT_DOWN)
        expire->owner.doubt(expire->owner.data, fault->text);
    else if (fault)
        log_warn("expire.refused", "cause=%s", LOG_VALUE(fault->text));
    else if (!rows_bool(rows, 0, 0))
        expire->owner.doubt(expire->owner.data, "the lease is another node's");
    else if (rows_array(rows, 0, 1).count == TASKS_MOST)
        expire_some(expire);
}

void expire_some(struct expire *expire)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    if (!expire->epoch || expire->asking || !db_is_ready(expire->work))
        return;
    expire->asking = true;
    expire->asked_epoch = expire->epoch;
    args_uuid(&args, &expire->id);
    args_int8(&args, expire->epoch);
    args_int4(&args, TASKS_MOST);
    db_call(expire->work, QUERY_EXPIRE, &args, on_expired, expire);
}

struct expire *expire_new(struct db *work, const struct expire_owner *owner)
{
    return mem_new(struct expire, .work = work, .owner = *owner);
}

void expire_free(struct expire *expire)
{
    free(expire);
}

void expire_begin(struct expire *expire, const struct uuid *id, int64_t epoch)
{
    expire->id = *id;
    expire->epoch = epoch;
}

void expire_end(struct expire *expire)
{
    expire->epoch = 0;
}
