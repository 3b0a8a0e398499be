/*
 * What the master does for Kafka: rows of `rejected` are sent to <prefix>dead-letters with their
 * reason, at least once, in the order they came; and records of <prefix>commands that have been
 * stored for longer than ROTA_KAFKA_KEEP are deleted, never past the stored offset.
 *
 * Every write names owner and epoch: one that is no longer master changes nothing.
 */
#pragma once

#include "common/bus.h"
#include "common/config.h"
#include "common/db.h"

struct deadletter;

/*
 * One for the life of the process; does nothing before deadletter_start. `db` should not be the
 * connection that dispatches: rows carry whole records. All that is given must outlive it, except
 * that `db` and `bus` must be closed before deadletter_free, since their answers come here.
 */
struct deadletter *deadletter_new(sd_event *loop, struct db *db, struct bus *bus,
                                  const struct config *config);
void deadletter_free(struct deadletter *deadletter); /* takes NULL */

/* This node is the master with this epoch; it is not any more. Both may be repeated. */
void deadletter_start(struct deadletter *deadletter, const struct uuid *owner, int64_t epoch);
void deadletter_stop(struct deadletter *deadletter);
