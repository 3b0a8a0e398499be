/*
 * Lanes: the (queue, priority) pairs in which tasks wait, each with a cursor into the index of
 * `due` and the instant at which there is next something to dispatch.
 *
 * The cursor is what keeps a dispatch from walking over the index entries of rows that are long
 * gone: it stands behind the last row taken and goes back to the least instant that a notification
 * names, and to the first row there is when a look once a second finds one before it.
 */
#pragma once

#include "common/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LANE_NEVER INT64_MAX
#define LANE_QUEUE_SIZE 128

struct lane {
    char queue[LANE_QUEUE_SIZE];
    int priority;
    int64_t cursor_us; /* run_at of the last row taken; INT64_MIN + 1: before all */
    struct uuid cursor_id;
    int64_t next_us; /* the least run_at that may wait; LANE_NEVER: nothing known */
    int64_t held_us; /* until then its queue lets nothing more go; 0: it does */
    bool seen;       /* in the look under way */
};

struct lanes {
    struct lane *list; /* by queue, then by falling priority */
    size_t count;
    size_t turn; /* the queue that comes first next time starts at or after this place */
};

/* Something may wait in this lane from `run_at_us` on. */
void lanes_hint(struct lanes *lanes, const char *queue, int priority, int64_t run_at_us);

/* A notification's text: lines of queue, priority and microseconds. False: not all of it was read.
 */
bool lanes_hear(struct lanes *lanes, const char *text);
void lanes_clear(struct lanes *lanes);

/* Forgets lanes that the look did not see and of which nothing is expected. */
void lanes_sweep(struct lanes *lanes);
/* When there is next something to do. */
int64_t lane_next(const struct lane *lane);

/* The bounds of a queue may have changed (NULL: of any): its lanes are held no longer. */
void lanes_release(struct lanes *lanes, const char *queue);
struct lane *lanes_find(struct lanes *lanes, const char *queue, int priority);
