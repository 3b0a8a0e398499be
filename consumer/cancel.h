/*
 * A cancel command, applied: the waiting task ends, or the open attempt gets the request, which the
 * executor, the finish and the recovery see. Each step is a statement of its own, so that it sees
 * what the step before lost its race to. Applying one twice does what applying it once does, also
 * where the task was started anew in between.
 */
#pragma once

#include "common/db.h"
#include "common/uuid.h"

enum cancel_outcome {
    CANCEL_DONE,      /* it waited and has ended now */
    CANCEL_REQUESTED, /* it is with an executor, which was told */
    CANCEL_REFUSED,   /* it had ended before, or there is no such task */
};

/*
 * `state` names the final state of a task that had ended, or "unknown". Faults are of db.h, or
 * FAULT_BUSY where the task kept moving: apply it again later.
 */
typedef void cancel_reply(void *data, enum cancel_outcome outcome, const char *state,
                          const struct fault *fault);

/* `command` is its own identity, under which it is judged once; nil: it has none. `reason` is
 * copied. */
void cancel_apply(struct db *db, const struct uuid *id, const struct uuid *command,
                  const char *reason, cancel_reply *reply, void *data);
