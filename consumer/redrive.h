/*
 * A retry command, applied: a task that has failed, was cancelled or has expired waits again, to
 * run at once and with all of its attempts before it. Its command is written down beside it in the
 * same statement, so that applying it twice runs the task once.
 */
#pragma once

#include "common/command.h"
#include "common/db.h"

/* `done` false: the task had not ended so, and `state` names what it is, or "unknown". */
typedef void redrive_reply(void *data, bool done, const char *state, const struct fault *fault);

void redrive_apply(struct db *db, const struct command *command, redrive_reply *reply, void *data);
