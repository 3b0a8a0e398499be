/* Tasks as the API shows them, from rows of task_read.sql and tasks_read.sql. */
#pragma once

#include "producer/answer.h"

/* Columns of both statements; those from RENDER_CODE on are of task_read.sql alone. */
enum render_column {
    RENDER_ID,
    RENDER_TYPE,
    RENDER_NAME,
    RENDER_QUEUE,
    RENDER_PRIORITY,
    RENDER_RUN_AT,
    RENDER_CREATED_AT,
    RENDER_STORED_AT,
    RENDER_ON_LOST,
    RENDER_TIMEOUT_MS,
    RENDER_PAYLOAD,
    RENDER_WORK,
    RENDER_TAGS,
    RENDER_STATE,
    RENDER_REASON,
    RENDER_ENDED_AT,
    RENDER_NEXT_ATTEMPT_AT,
    RENDER_TOKEN,
    RENDER_EXECUTOR,
    RENDER_INBOX,
    RENDER_ASSIGNED_AT,
    RENDER_STARTED_AT,
    RENDER_FINISHED_AT,
    RENDER_CANCEL_AT,
    RENDER_OUTCOME,
    RENDER_EXIT_CODE,
    RENDER_ERROR,
    RENDER_EXECUTOR_NAME,
    RENDER_START_DEADLINE_MS,
    RENDER_SCHEDULE,
    RENDER_FIRE_AT,
    RENDER_RETRY,
    RENDER_SPENT,
    RENDER_CODE,
    RENDER_DETAIL,
    RENDER_REJECTED_AT,
    RENDER_REJECTED_TOPIC,
    RENDER_REJECTED_PARTITION,
    RENDER_REJECTED_POSITION,
    RENDER_HERE,
    RENDER_BEHIND,
};

/* With payload and the type's part where `whole`. */
struct json_object *render_task(const PGresult *rows, int row, bool whole);

/* self, attempts, cancel. `after` NULL: none. */
struct json_object *render_links(const struct uuid *id, const char *after);

/* What may be done in that state. */
struct json_object *render_actions(const char *state);

/* {id, name}, or null where `executor` is null. */
struct json_object *render_executor(const PGresult *rows, int row, int executor, int name);
