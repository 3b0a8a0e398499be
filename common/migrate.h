/*
 * Brings the database to this program's schema version: embedded scripts, numbered, checksummed,
 * each in one transaction under an advisory lock, applied by whichever consumer starts first.
 *
 * A program works with its own version and the next one (migrations expand first and contract
 * later); a database that is newer than that, or whose applied script differs from ours, is refused
 * with a clear fault. Producers and executors wait until the version is there.
 */
#pragma once

#include "common/db.h"

struct migration {
    int version;
    const char *name, *text;
};

extern const struct migration migrations[];
extern const int migration_count;

typedef void migrate_reply(void *data, const struct fault *fault); /* NULL: it fits */

/* Applies what is missing (`apply`), or only looks: FAULT_BUSY while it is too old. */
void migrate_run(struct db *db, bool apply, migrate_reply *reply, void *data);
