/* States of a task and outcomes of an attempt; the legal moves, as one table. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

enum task_state {
    STATE_ACCEPTED, /* in Kafka, not stored yet */
    STATE_SCHEDULED,
    STATE_ASSIGNED,
    STATE_RUNNING,
    STATE_RETRYING,
    STATE_SUCCEEDED,
    STATE_FAILED,
    STATE_CANCELLED,
    STATE_EXPIRED,
    STATE_PAUSED,
    STATE_SKIPPED,
    STATE_COUNT,
};

enum outcome {
    OUTCOME_SUCCEEDED,
    OUTCOME_FAILED,
    OUTCOME_TIMED_OUT,
    OUTCOME_CANCELLED,
    OUTCOME_LOST,
    OUTCOME_RETURNED,
    OUTCOME_COUNT,
};

const char *state_name(enum task_state state);
bool state_read(enum task_state *ret, const char *name);
bool state_is_final(enum task_state state); /* nothing happens any more by itself */
bool state_may_become(enum task_state from, enum task_state to);
const char *state_why(enum task_state from, enum task_state to); /* what moves it; NULL: illegal */
const char *outcome_name(enum outcome outcome);

/* The diagram of docs/states.md, printed from the table. */
void state_print_docs(FILE *to);
