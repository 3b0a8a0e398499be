/* Schedules and their fires as the API shows them. */
#pragma once

#include "common/rows.h"
#include "common/schedule.h"
#include "producer/answer.h"

#define RENDER_RUNS 5 /* coming fires in a schedule that is read */

/* The columns with which schedule_read.sql and schedules_list.sql begin. */
enum schedule_column {
    SCHEDULE_NAME,
    SCHEDULE_ID,
    SCHEDULE_VERSION,
    SCHEDULE_STATUS,
    SCHEDULE_CREATED_AT,
    SCHEDULE_UPDATED_AT,
    SCHEDULE_DEFINITION,
    SCHEDULE_RUNS,
    SCHEDULE_STREAK,
    SCHEDULE_PAUSE_REASON,
    SCHEDULE_PAUSED_AT,
    SCHEDULE_PAUSED_UNTIL,
    SCHEDULE_COLUMNS,
};

/* And those that only schedule_read.sql has. */
enum schedule_read_column {
    SCHEDULE_DECIDED_AT = SCHEDULE_COLUMNS,
    SCHEDULE_KEPT,
    SCHEDULE_LAST_RUN,
    SCHEDULE_LAST_STATE,
    SCHEDULE_LAST_FIRE_AT,
    SCHEDULE_CODE,
    SCHEDULE_DETAIL,
    SCHEDULE_BEHIND,
    SCHEDULE_NOW,
};

/* With the sentence and, where it is active, its coming fires from `now_us` on. */
struct json_object *render_schedule(const PGresult *rows, int row, int64_t now_us);

/* {at, local, dst, excluded} */
struct json_object *render_fire(const struct spec *spec, const struct spec_fire *fire);

/* The next `count` fires after an instant, up to before another one. */
struct json_object *render_fires(const struct spec *spec, int64_t after_us, int64_t before_us,
                                 int count);

/* [{name, detail}] of an expression that means something else elsewhere. */
struct json_object *render_warnings(const struct spec *spec);

/* The definition that the database keeps. NULL where this version of Rota cannot read it. */
struct schedule *schedule_of(const char *name, const char *definition);
