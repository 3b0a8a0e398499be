/*
 * Planning: the master makes tasks of the fires of schedules, and keeps the ledger of those that
 * did not become one.
 *
 * It wakes by a timer for the next schedule that wants to be looked at, by the notification
 * rota_plan (a schedule was changed), and once a second, the net under both. A step reads some
 * schedules, decides their fires (decide.h) and writes that in one statement; steps are bounded, so
 * that days of missed fires are worked off beside the tasks that are due, not before them.
 */
#pragma once

#include "common/config.h"
#include "common/db.h"

#include <systemd/sd-event.h>

struct plan;

struct plan_owner {
    /* The lease yielded no row, or a statement ended in doubt: this node is not the master. */
    void (*doubt)(void *data, const char *reason);
    /* Tasks were made: lines of queue, priority and instant, see lanes_hear. */
    void (*due)(void *data, const char *lanes);
    void *data;
};

/* `work` writes as master, `look` only reads. */
struct plan *plan_new(sd_event *loop, struct db *work, struct db *look, const struct config *config,
                      const struct plan_owner *owner);
void plan_free(struct plan *plan);

void plan_begin(struct plan *plan, const struct uuid *id, int64_t epoch);
void plan_end(struct plan *plan);

/* A schedule was changed. */
void plan_look(struct plan *plan);
