#include "producer/render.h"

#include "common/instant.h"
#include "common/mem.h"
#include "common/rows.h"
#include "common/state.h"

struct json_object *render_links(const struct uuid *id, const char *after)
{
    struct json_object *links = json_object_new_object();
    char uuid[UUID_TEXT], text[512];

    uuid_write(uuid, id);
    snprintf(text, sizeof text, "/api/v1/tasks/%s%s%s", uuid, after ? "?after=" : "",
             after ? after : "");
    put_text(links, "self", text);
    snprintf(text, sizeof text, "/api/v1/tasks/%s/attempts", uuid);
    put_text(links, "attempts", text);
    snprintf(text, sizeof text, "/api/v1/tasks/%s/cancel%s%s", uuid, after ? "?after=" : "",
             after ? after : "");
    put_text(links, "cancel", text);
    return links;
}

struct json_object *render_actions(const char *state)
{
    struct json_object *actions = json_object_new_array();
    enum task_state read;

    if (!state_read(&read, state))
        return actions;
    if (state_may_become(read, STATE_CANCELLED))
        json_object_array_add(actions, json_object_new_string("cancel"));
    if (state_may_become(read, STATE_ASSIGNED))
        json_object_array_add(actions, json_object_new_string("run-now"));
    if (state_is_final(read) && state_may_become(read, STATE_SCHEDULED))
        json_object_array_add(actions, json_object_new_string("retry"));
    return actions;
}

struct json_object *render_executor(const PGresult *rows, int row, int executor, int name)
{
    struct json_object *object;
    struct uuid id = rows_uuid(rows, row, executor);

    if (rows_is_null(rows, row, executor))
        return NULL;
    object = json_object_new_object();
    put_uuid(object, "id", &id);
    put_text_of(object, "name", rows, row, name);
    return object;
}

static void put_duration(struct json_object *task, const char *name, const PGresult *rows, int row,
                         int column)
{
    char text[INSTANT_TEXT];
    bool is_null = rows_is_null(rows, row, column);

    put_text(task, name, is_null ? NULL : duration_write(text, rows_int(rows, row, column)));
}

/* Of a run of a schedule. */
static void put_schedule(struct json_object *task, const PGresult *rows, int row)
{
    if (rows_is_null(rows, row, RENDER_FIRE_AT))
        return;
    put_text_of(task, "schedule", rows, row, RENDER_SCHEDULE);
    put_time_of(task, "fire_at", rows, row, RENDER_FIRE_AT);
}

static void put_request(struct json_object *task, const PGresult *rows, int row, bool whole)
{
    const char *type = rows_text(rows, row, RENDER_TYPE);
    struct uuid id = rows_uuid(rows, row, RENDER_ID);

    put_uuid(task, "id", &id);
    put_text_of(task, "state", rows, row, RENDER_STATE);
    put_text(task, "type", type);
    put_text_of(task, "name", rows, row, RENDER_NAME);
    put_text_of(task, "queue", rows, row, RENDER_QUEUE);
    put_int_of(task, "priority", rows, row, RENDER_PRIORITY);
    put_time_of(task, "run_at", rows, row, RENDER_RUN_AT);
    put_text_of(task, "on_lost", rows, row, RENDER_ON_LOST);
    put_duration(task, "timeout", rows, row, RENDER_TIMEOUT_MS);
    put_duration(task, "start_deadline", rows, row, RENDER_START_DEADLINE_MS);
    put_json(task, "retry", rows_text(rows, row, RENDER_RETRY));
    put_json(task, "tags",
             rows_is_null(rows, row, RENDER_TAGS) ? "[]" : rows_text(rows, row, RENDER_TAGS));
    put_schedule(task, rows, row);
    if (!whole)
        return;
    put_json(task, "payload", rows_text(rows, row, RENDER_PAYLOAD));
    if (!rows_is_null(rows, row, RENDER_WORK))
        put_json(task, type, rows_text(rows, row, RENDER_WORK));
}

static void put_lateness(struct json_object *task, const PGresult *rows, int row)
{
    if (rows_is_null(rows, row, RENDER_STARTED_AT) || rows_int(rows, row, RENDER_SPENT))
        json_object_object_add(task, "lateness_ms", NULL);
    else
        put_int(task, "lateness_ms",
                (rows_time(rows, row, RENDER_STARTED_AT) - rows_time(rows, row, RENDER_RUN_AT)) /
                    1000);
}

/* Of the last attempt, where it ended without success. */
static struct json_object *last_error(const PGresult *rows, int row)
{
    const char *outcome = rows_text(rows, row, RENDER_OUTCOME);
    struct json_object *error;

    if (!outcome || !strcmp(outcome, "succeeded") || !strcmp(outcome, "returned"))
        return NULL;
    error = json_object_new_object();
    put_text(error, "outcome", outcome);
    put_text_of(error, "message", rows, row, RENDER_ERROR);
    put_time_of(error, "at", rows, row, RENDER_FINISHED_AT);
    return error;
}

static void put_course(struct json_object *task, const PGresult *rows, int row)
{
    const char *state = rows_text(rows, row, RENDER_STATE);
    bool succeeded = state && !strcmp(state, "succeeded");

    put_time_of(task, "created_at", rows, row, RENDER_CREATED_AT);
    put_time_of(task, "stored_at", rows, row, RENDER_STORED_AT);
    put_time_of(task, "scheduled_for", rows, row, RENDER_RUN_AT);
    put_time_of(task, "next_attempt_at", rows, row, RENDER_NEXT_ATTEMPT_AT);
    put_time_of(task, "assigned_at", rows, row, RENDER_ASSIGNED_AT);
    put_time_of(task, "started_at", rows, row, RENDER_STARTED_AT);
    put_time_of(task, "finished_at", rows, row, RENDER_FINISHED_AT);
    put_time_of(task, "ended_at", rows, row, succeeded ? RENDER_FINISHED_AT : RENDER_ENDED_AT);
    put_time_of(task, "cancel_requested_at", rows, row, RENDER_CANCEL_AT);
    put_lateness(task, rows, row);
    put_int_of(task, "attempt", rows, row, RENDER_TOKEN);
    json_object_object_add(task, "executor",
                           render_executor(rows, row, RENDER_EXECUTOR, RENDER_EXECUTOR_NAME));
    if (rows_is_null(rows, row, RENDER_INBOX))
        json_object_object_add(task, "epoch", NULL);
    else
        put_int(task, "epoch", rows_int(rows, row, RENDER_INBOX) >> 32);
    put_int_of(task, "exit_code", rows, row, RENDER_EXIT_CODE);
    put_text_of(task, "reason", rows, row, RENDER_REASON);
    json_object_object_add(task, "last_error", last_error(rows, row));
    json_object_object_add(task, "allowed_actions", render_actions(state ? state : ""));
}

struct json_object *render_task(const PGresult *rows, int row, bool whole)
{
    struct json_object *task = json_object_new_object();
    struct uuid id = rows_uuid(rows, row, RENDER_ID);

    put_request(task, rows, row, whole);
    put_course(task, rows, row);
    json_object_object_add(task, "links", render_links(&id, NULL));
    return task;
}
