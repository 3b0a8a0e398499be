/*
 * Requests that wait for a task to get somewhere (Prefer: wait=N). One timer and one statement
 * serve all of them: a waiting request costs a place in a list. The first look comes after 10 ms,
 * later ones up to 200 ms apart.
 */
#pragma once

#include "common/db.h"
#include "common/uuid.h"
#include "producer/after.h"

#define WAITERS_MOST_MS 60000 /* no request waits longer */

struct waiters;

enum waiters_until {
    WAIT_STORED, /* the record is stored or refused */
    WAIT_ENDED,  /* that, and the task has ended (or there is none) */
};

/* `in_time` false: the time has passed, or the program is stopping. */
typedef void waiters_reply(void *data, bool in_time);

struct waiters *waiters_new(sd_event *loop, struct db *db);

/* Calls each of `reply` with in_time false; from then on at once. */
void waiters_stop(struct waiters *waiters);
void waiters_free(struct waiters *waiters); /* takes NULL */

/* `after` NULL or without a topic: the task is waited for as it is stored. */
void waiters_add(struct waiters *waiters, const struct uuid *id, const struct after *after,
                 enum waiters_until until, int64_t wait_ms, waiters_reply *reply, void *data);
