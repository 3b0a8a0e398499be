/*
 * Tasks that wait past their start_deadline end as expired. Dispatch passes over them by itself;
 * this makes their end a row, as the master hears from its look at the lanes that there are some.
 */
#pragma once

#include "common/db.h"

struct expire;

struct expire_owner {
    /* The lease yielded no row, or a statement ended in doubt: this node is not the master. */
    void (*doubt)(void *data, const char *reason);
    void *data;
};

struct expire *expire_new(struct db *work, const struct expire_owner *owner);
void expire_free(struct expire *expire);
void expire_begin(struct expire *expire, const struct uuid *id, int64_t epoch);
void expire_end(struct expire *expire);

/* There are some. */
void expire_some(struct expire *expire);
