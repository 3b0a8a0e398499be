/*
 * Retention: ended tasks leave by their end time, with their attempts, tags and end, in small
 * batches with pauses in between, so that due tasks are never held up. Only the master does this.
 */
#pragma once

#include "common/config.h"
#include "common/db.h"

#include <systemd/sd-event.h>

struct retain;

struct retain_owner {
    void (*doubt)(void *data, const char *reason);
    void *data;
};

struct retain *retain_new(sd_event *loop, struct db *work, const struct config *config,
                          const struct retain_owner *owner);
void retain_free(struct retain *retain);
void retain_begin(struct retain *retain, const struct uuid *id, int64_t epoch);
void retain_end(struct retain *retain);
