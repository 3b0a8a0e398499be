/* Schedules and their fires as the API shows them. */
#pragma once

#include "common/schedule.h"
#include "producer/answer.h"

#define RENDER_RUNS 5 /* coming fires in a schedule that is read */

/* What the database says of a schedule, apart from its definition. */
struct schedule_shown {
    const char *name, *status, *definition;
    int64_t version, runs, failed;
    int64_t created_us, updated_us;
    const char *pause_reason;
    int64_t paused_us, until_us; /* INT64_MIN: none */
    int64_t next_us;             /* not decided yet; INT64_MIN: not known */
};

/* With the sentence and, where it is active, its coming fires from `now_us` on. */
struct json_object *render_schedule(const struct schedule_shown *shown, int64_t now_us);

/* {at, local, dst, excluded} */
struct json_object *render_fire(const struct spec *spec, const struct spec_fire *fire);

/* The next `count` fires after an instant, up to before another one. */
struct json_object *render_fires(const struct spec *spec, int64_t after_us, int64_t before_us,
                                 int count);

/* [{name, detail}] of an expression that means something else elsewhere. */
struct json_object *render_warnings(const struct spec *spec);

/* The definition that the database keeps. NULL where this version of Rota cannot read it. */
struct schedule *schedule_of(const char *name, const char *definition);
