/*
 * Recovery: what a lost executor held goes on elsewhere, as `on_lost` says.
 *
 * A node is marked dead only if its heartbeat is too old by the database's clock and this master
 * has itself seen no change of it for the whole lease by its own clock, counted anew when the term
 * began. So a pause of the database, or a step of its clock, kills nobody. Sweeping is a later
 * statement, repeated for a while, and goes on under the next master: an executor's state row stays
 * until its attempts are settled. Sweeps begin at the number below which the executor had reported
 * everything; at last its whole inbox is walked in short steps, so that nothing stays open for ever
 * whatever was lost. The attempts of a live executor are never closed; overdue ones are told.
 */
#pragma once

#include "common/config.h"
#include "common/db.h"

#include <systemd/sd-event.h>

struct recover;

struct recover_owner {
    void (*doubt)(void *data, const char *reason);
    void (*came_back)(void *data); /* tasks wait again: look for them */
    void *data;
};

struct recover *recover_new(sd_event *loop, struct db *work, struct db *look,
                            const struct config *config, const struct recover_owner *owner);
void recover_free(struct recover *recover);
void recover_begin(struct recover *recover, const struct uuid *id, int64_t epoch);
void recover_end(struct recover *recover);

/* A row of executors.sql; NULL: the look is complete. */
void recover_looked(struct recover *recover, const PGresult *rows, int row);
