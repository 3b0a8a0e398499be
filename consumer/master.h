/*
 * Resolving the master: one lease row, an owner and an epoch that grows with every take-over.
 *
 * Each consumer looks at a fixed rate. The holder renews; another takes over once the database's
 * clock says that the lease is over, or at once when the owner has let go. The holder also keeps a
 * deadline of its own (the request's start plus the lease minus a margin) and steps down at the
 * first error or doubt; it may take the lease again at once, but only with a new epoch. A take-over
 * that waits for a former master's statement longer than the lock time-out ends that master's
 * backends.
 */
#pragma once

#include "common/config.h"
#include "common/db.h"

#include <systemd/sd-event.h>

struct master;

struct master_owner {
    void (*began)(void *data, int64_t epoch);
    void (*ended)(void *data, const char *reason);
    int (*backend)(void *data); /* of the connection that writes as master; 0: not connected */
    void *data;
};

/* `db` is not the connection that writes as master: a renewal must not wait behind a dispatch. */
struct master *master_start(sd_event *loop, struct db *db, const struct config *config,
                            const struct master_owner *owner);
void master_stop(struct master *master);

/* The identity to resolve with; NULL: none, which ends a term. */
void master_identify(struct master *master, const struct uuid *id);

/* Ends the term here and now, without telling the database: something is in doubt. */
void master_step_down(struct master *master, const char *reason);

/* Lets go, so that another takes over at once. `done` is called when the database knows or cannot.
 */
void master_release(struct master *master, void (*done)(void *data), void *data);

/* A notification on channel rota_master: somebody let go. */
void master_look(struct master *master);

int64_t master_epoch(const struct master *master); /* 0: not the master */
const struct uuid *master_id(const struct master *master);

/* By this process's own clock the lease still holds. */
bool master_holds(const struct master *master);
