/*
 * The node's row, its heartbeat, and what follows where no heartbeat is confirmed.
 *
 * A confirmed heartbeat lets this executor act until the request was sent + ROTA_EXECUTOR_LEASE -
 * a margin (1 % of the lease for clocks that run differently, and 1 s for SIGKILL to work). When
 * three seconds of that remain nothing more is started; at two seconds all that runs gets TERM, at
 * one second KILL, whatever a task's own grace. Then the guardian is told that all has stopped, and
 * the process ends for another incarnation, which has this one marked dead. The same at once where
 * the node turns out to be marked dead already.
 */
#pragma once

#include "executor/executor.h"

struct lease_owner {
    void (*joined)(void *data);   /* once: the node is registered, the schema is there */
    void (*stop_all)(void *data); /* TERM everything */
    void (*kill_all)(void *data); /* KILL everything and end */
    void (*left)(void *data);     /* signed off, or given up trying */
    void *data;
};

/* `former`: the incarnation before, all of which is gone; nil for none. */
bool lease_open(struct lease **ret, struct executor *executor, const struct uuid *former,
                const struct lease_owner *owner, struct fault *fault);
void lease_close(struct lease *lease); /* takes NULL */

bool lease_is_joined(const struct lease *lease);

/* More than three seconds of it remain. */
bool lease_may_start(const struct lease *lease);

/* Signs off: `left` is called when the database has it, or at once where it is away. */
void lease_leave(struct lease *lease);
