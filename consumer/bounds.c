#include "consumer/bounds.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "common/point.h"
#include "common/rows.h"

#define DETAIL_MOST 200

struct bounds {
    const struct queue_change *change;
    change_reply *reply;
    void *data;
};

/* Columns of queue_set.sql. */
enum { VERSION, PASSED, BEFORE };

static void refuse(const struct bounds *bounds, const PGresult *rows)
{
    const struct queue_change *change = bounds->change;
    char detail[DETAIL_MOST];

    if (rows_is_null(rows, 0, BEFORE))
        snprintf(detail, sizeof detail, "queue %s has no version %d: nothing was ever set for it",
                 change->name, change->version);
    else
        snprintf(detail, sizeof detail, "queue %s is of version %lld", change->name,
                 (long long)rows_int(rows, 0, BEFORE));
    bounds->reply(bounds->data, CHANGE_REFUSED, "precondition-failed", detail, NULL);
}

static void on_set(void *data, const PGresult *rows, const struct fault *fault)
{
    struct bounds *bounds = data;
    struct fault busy;

    if (fault) {
        bounds->reply(bounds->data, CHANGE_REFUSED, NULL, NULL, fault);
    } else if (!rows_is_null(rows, 0, VERSION)) {
        POINT(BOUNDS_COMMITTED);
        bounds->reply(bounds->data, CHANGE_DONE, NULL, NULL, NULL);
    } else if (rows_bool(rows, 0, PASSED)) {
        bounds->reply(bounds->data, CHANGE_SAME, NULL, NULL, NULL);
    } else if (bounds->change->version) {
        refuse(bounds, rows);
    } else {
        fault_set(&busy, FAULT_BUSY, "the queue was made at the same moment");
        bounds->reply(bounds->data, CHANGE_REFUSED, NULL, NULL, &busy);
    }
    free(bounds);
}

static void add_double(struct args *args, double value)
{
    if (value > 0)
        args_float8(args, value);
    else
        args_null(args);
}

void bounds_apply(struct db *db, const struct queue_change *change,
                  const struct change_place *place, change_reply *reply, void *data)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    args_text(&args, change->name);
    if (change->version)
        args_int4(&args, change->version);
    else
        args_null(&args);
    if (change->has_paused)
        args_bool(&args, change->paused);
    else
        args_null(&args);
    args_text(&args, change->reason);
    args_bool(&args, change->has_concurrency);
    if (change->concurrency)
        args_int4(&args, change->concurrency);
    else
        args_null(&args);
    args_bool(&args, change->has_rate);
    add_double(&args, change->per_second);
    add_double(&args, change->burst);
    args_text(&args, place->topic);
    args_int4(&args, place->partition);
    args_int8(&args, place->offset);
    args_text(&args, place->cluster);
    db_call(db, QUERY_QUEUE_SET, &args, on_set,
            mem_new(struct bounds, .change = change, .reply = reply, .data = data));
}
