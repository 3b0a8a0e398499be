/*
 * A schedule's definition as a client puts it: when it fires (spec.h), what becomes of a fire that
 * cannot simply run (policy.h), and the task that each run is made of.
 *
 *     {"description": text, "tags": [text, ...], "spec": {...}, "policy": {...}, "task": {...}}
 *
 * "task" is a task as POST /api/v1/tasks takes it, without run_at, delay and idempotency_key. What
 * was read is written out with all its defaults, so that a later default changes no schedule; that
 * text is what Kafka carries and what the database keeps, and the same reader reads it again.
 */
#pragma once

#include "common/policy.h"
#include "common/spec.h"
#include "common/task.h"

#define SCHEDULE_NAME_MOST 128
#define SCHEDULE_DESCRIPTION_MOST 4096 /* bytes */
#define SCHEDULE_REASON_MOST 255       /* bytes, of a pause */

struct schedule {
    char *name;
    char *description;        /* NULL: none */
    struct json_object *tags; /* NULL: none */
    struct spec *spec;
    struct policy policy;
    struct task task; /* the template: no id and no instants */
};

/* a-z, 0-9, dots, - and _, beginning with a letter or a digit: fits a path as it is. */
bool schedule_name_fits(const char *name);

/* False: `problems` says all that is wrong. Places are told below `at`. */
bool schedule_read(struct schedule **ret, struct json_object *value, const char *name, bool strict,
                   const struct field *at);

/* Takes NULL. */
void schedule_free(struct schedule *schedule);

/* The definition with its defaults. */
struct json_object *schedule_json(const struct schedule *schedule);
