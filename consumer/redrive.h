/*
 * Commands that make a task due now, applied: a retry of one that has failed, was cancelled or has
 * expired (it waits again, with all of its attempts before it), and a run-now of one that waits.
 * The command is judged once and written down beside the task in the same statement, so that
 * reading it twice runs the task once.
 */
#pragma once

#include "common/command.h"
#include "common/db.h"

/* `done` false: the task was in no state for it, or the command was judged before; `state` names
 * what it was, or "unknown". `lane` is what dispatch is to be told of, NULL: nothing. */
typedef void redrive_reply(void *data, bool done, const char *lane, const char *state,
                           const struct fault *fault);

/* Of COMMAND_RETRY or COMMAND_RUN_NOW. */
void redrive_apply(struct db *db, const struct command *command, redrive_reply *reply, void *data);
