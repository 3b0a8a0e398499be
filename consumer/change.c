#include "consumer/change.h"

#include "common/cleanup.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/point.h"
#include "common/rows.h"

#include <stdarg.h>

#define ROUNDS_MOST 50
#define DETAIL_MOST 200

struct change {
    struct db *db;
    const struct edit *edit;
    struct change_place place;
    int rounds;
    change_reply *reply;
    void *data;
};

/* Columns of schedule_look.sql. */
enum {
    ID,
    SEQ,
    VERSION,
    STATUS,
    DELETED_AT,
    TOPIC,
    PARTITION,
    POSITION,
    CLUSTER,
    SAME,
};

static void look(struct change *change);

static void finish(struct change *change, enum change_outcome outcome, const char *code,
                   const char *detail, const struct fault *fault)
{
    change->reply(change->data, outcome, code, detail, fault);
    free(change);
}

static void refuse(struct change *change, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void refuse(struct change *change, const char *code, const char *format, ...)
{
    char detail[DETAIL_MOST];
    va_list args;

    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    finish(change, CHANGE_REFUSED, code, detail, NULL);
}

/* --- Writing --------------------------------------------------------------------------------- */

static void add_json(struct args *args, struct json_object *value)
{
    args_text(args, value ? json_text(value, NULL) : NULL);
}

static int size_of(struct json_object *value)
{
    size_t size = 0;

    if (value)
        json_text(value, &size);
    return (int)size;
}

#define PLACE_PARAMETERS 3
#define DEFINITION_PARAMETERS 13

/* The definition, and what a run is made of, in both statements. */
static void add_definition(struct args *args, const struct schedule *schedule)
{
    const struct task *task = &schedule->task;
    SCOPED(scoped_json) struct json_object *definition = schedule_json(schedule);

    add_json(args, definition);
    args_text(args, task_type_name(task->type));
    args_text(args, task->name);
    args_text(args, task->queue);
    args_int2(args, (int16_t)task->priority);
    args_text(args, task->on_lost);
    args_some(args, task->timeout_ms);
    args_some(args, task->start_deadline_ms);
    add_json(args, task->retry);
    args_int4(args, size_of(task->payload) + size_of(task->work));
    add_json(args, task->payload);
    add_json(args, task->work);
    add_json(args, task->tags);
}

static void add_place(struct args *args, const struct change_place *place)
{
    args_text(args, place->topic);
    args_int4(args, place->partition);
    args_int8(args, place->offset);
}

static void on_written(void *data, const PGresult *rows, const struct fault *fault)
{
    struct change *change = data;
    struct fault busy;

    /* A name that was made at the same moment: it is there when we look again. */
    if (fault && (fault->kind != FAULT_LOST || change->rounds + 1 >= ROUNDS_MOST)) {
        finish(change, CHANGE_REFUSED, NULL, NULL, fault);
    } else if (!fault && PQntuples(rows)) {
        POINT(EDIT_COMMITTED);
        finish(change, CHANGE_DONE, NULL, NULL, NULL);
    } else if (++change->rounds < ROUNDS_MOST) {
        look(change);
    } else {
        fault_set(&busy, FAULT_BUSY, "the schedule kept moving");
        finish(change, CHANGE_REFUSED, NULL, NULL, &busy);
    }
}

static void create(struct change *change)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    args_uuid(&args, &change->edit->id);
    args_text(&args, change->edit->name);
    args_time(&args, change->edit->created_at_us);
    add_place(&args, &change->place);
    add_definition(&args, change->edit->schedule);
    args_text(&args, change->place.cluster);
    db_call(change->db, QUERY_SCHEDULE_CREATE, &args, on_written, change);
}

/* `place` NULL: not by a command. */
static void add_change(struct args *args, const struct uuid *id, int64_t seq,
                       const struct edit *edit, const struct change_place *place)
{
    args_uuid(args, id);
    args_int8(args, seq);
    args_text(args, edit_name(edit->action));
    if (place)
        add_place(args, place);
    else
        args_nulls(args, PLACE_PARAMETERS);
    args_text(args, *edit->reason ? edit->reason : NULL);
    if (edit->until_us)
        args_time(args, edit->until_us);
    else
        args_null(args);
    args_bool(args, edit->catch_up);
    if (edit->action == EDIT_PUT)
        add_definition(args, edit->schedule);
    else
        args_nulls(args, DEFINITION_PARAMETERS);
    args_text(args, place ? place->cluster : NULL);
}

static void write_change(struct change *change, const struct uuid *id, int64_t seq)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    add_change(&args, id, seq, change->edit, &change->place);
    db_call(change->db, QUERY_SCHEDULE_CHANGE, &args, on_written, change);
}

void change_by_master(struct db *db, const struct uuid *id, int64_t seq, enum edit_action action,
                      const char *reason, db_reply *reply, void *data)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;
    struct edit edit = {.action = action};

    snprintf(edit.reason, sizeof edit.reason, "%s", reason);
    add_change(&args, id, seq, &edit, NULL);
    db_call(db, QUERY_SCHEDULE_CHANGE, &args, reply, data);
}

/* --- Judging --------------------------------------------------------------------------------- */

static bool was_applied(const struct change *change, const PGresult *rows)
{
    return !strcmp(rows_text(rows, 0, CLUSTER), change->place.cluster) &&
           !strcmp(rows_text(rows, 0, TOPIC), change->place.topic) &&
           rows_int(rows, 0, PARTITION) == change->place.partition &&
           rows_int(rows, 0, POSITION) >= change->place.offset;
}

static void judge_missing(struct change *change)
{
    const struct edit *edit = change->edit;

    if (edit->action != EDIT_PUT)
        refuse(change, "not-found", "there is no schedule %s", edit->name);
    else if (edit->version)
        refuse(change, "precondition-failed", "there is no schedule %s of version %d", edit->name,
               edit->version);
    else
        create(change);
}

static void judge(struct change *change, const PGresult *rows)
{
    const struct edit *edit = change->edit;
    struct uuid id = rows_uuid(rows, 0, ID);
    const char *status = rows_text(rows, 0, STATUS);
    int version = (int)rows_int(rows, 0, VERSION);

    if (edit->create_only)
        refuse(change, "precondition-failed", "there is a schedule %s already", edit->name);
    else if (edit->version && edit->version != version)
        refuse(change, "precondition-failed", "schedule %s is of version %d", edit->name, version);
    else if (edit->action == EDIT_PAUSE && strcmp(status, "active") != 0)
        refuse(change, "invalid-state", "schedule %s is %s, not active", edit->name, status);
    else if (edit->action == EDIT_RESUME && strcmp(status, "paused") != 0)
        refuse(change, "invalid-state", "schedule %s is %s, not paused", edit->name, status);
    else if (edit->action == EDIT_PUT && rows_bool(rows, 0, SAME))
        finish(change, CHANGE_SAME, NULL, NULL, NULL);
    else
        write_change(change, &id, rows_int(rows, 0, SEQ));
}

static void on_looked(void *data, const PGresult *rows, const struct fault *fault)
{
    struct change *change = data;

    if (fault) {
        finish(change, CHANGE_REFUSED, NULL, NULL, fault);
        return;
    }
    POINT(EDIT_READ);
    if (PQntuples(rows) && was_applied(change, rows))
        finish(change, CHANGE_SAME, NULL, NULL, NULL);
    else if (!PQntuples(rows) || !rows_is_null(rows, 0, DELETED_AT))
        judge_missing(change);
    else
        judge(change, rows);
}

static void look(struct change *change)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;
    SCOPED(scoped_json)
    struct json_object *definition =
        change->edit->schedule ? schedule_json(change->edit->schedule) : NULL;

    args_text(&args, change->edit->name);
    add_json(&args, definition);
    db_call(change->db, QUERY_SCHEDULE_LOOK, &args, on_looked, change);
}

void change_apply(struct db *db, const struct edit *edit, const struct change_place *place,
                  change_reply *reply, void *data)
{
    look(mem_new(struct change, .db = db, .edit = edit, .place = *place, .reply = reply,
                 .data = data));
}
