/*
 * The store: what Kafka delivers becomes rows in PostgreSQL, once.
 *
 * Records are gathered into batches; the rows of a batch and the offsets it reaches are committed
 * by one statement (sql/queries/store.sql), which names the offset it believes in: another owner of
 * a partition, or a database that lost its last commits, makes it store nothing of that partition,
 * and the store goes on from what the database says. An idle store waits for nothing; a busy one
 * gathers the next batch while one is under way. What cannot be stored is kept in `rejected`.
 * Commands for one key take effect in their order.
 *
 * While the database is away everything gathered stays, the feed is paused, and the membership of
 * the group is kept. A partition whose records are missing in Kafka, or that belongs to another
 * Kafka, stands still (a gap) until ROTA_KAFKA_ACCEPT_GAP names it; the others go on.
 *
 * The schema must be there (migrate.h) and log_open done before store_open.
 */
#pragma once

#include "common/config.h"
#include "common/fault.h"

#include <systemd/sd-event.h>

struct store;

/* Opens a connection and a feed of its own. `config` must outlive it. */
bool store_open(struct store **ret, sd_event *loop, const struct config *config,
                struct fault *fault);

/*
 * Takes nothing new, drops what is only gathered (the next owner reads it again) and calls
 * `drained` once what is under way has its answer; at once where there is nothing.
 */
void store_drain(struct store *store, void (*drained)(void *data), void *data);

/* Leaves the group. Not from within a callback of the store. Takes NULL. */
void store_close(struct store *store);

/* A service_check ("ingest"); `store` is the data. Not ready: database away, not in the group, a
 * gap. */
bool store_check(void *store, char why[static 160]);

/* The server process behind its connection, 0 while there is none. */
int store_backend(const struct store *store);
