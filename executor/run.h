/*
 * Running: slots, starts, time-outs, stops and ends of attempts.
 *
 * An attempt starts when the lease allows it and, where its type needs one, a slot is free; those
 * with on_lost=fail start only after begin.c has the database's word. Each ends once, through
 * run_end, and goes to the report from there.
 */
#pragma once

#include "common/fault.h"
#include "executor/executor.h"

#define RUN_OWN_GRACE (-1) /* that of the task, or ROTA_KILL_GRACE */
#define RUN_LET_GO (-2)    /* end and release it at once, without run_end: the process ends */

/* One row a type; the table is in run.c. */
struct work_type {
    const char *name;
    bool needs_slot;
    bool instant; /* ends within its start: keeps no text, has no time-out */
    /* False with a fault: it failed to start. True: run_end was called, or will be. */
    bool (*start)(struct attempt *attempt, struct fault *fault);
    /* Leads to run_end, now or soon after the grace has passed. May be called again. */
    void (*stop)(struct attempt *attempt, int64_t grace_ms);
};

/* Fails where a name of ROTA_EXECUTOR_TYPES is not known. */
bool run_open(struct run **ret, struct executor *executor, struct fault *fault);

/* Lets go of what still runs: its processes are killed. Takes NULL. */
void run_close(struct run *run);

bool run_allows(const struct run *run, const char *type);

/* Takes a new attempt in; true where it needs a slot. `cancelled`: a cancel request stands. */
bool run_take(struct run *run, struct attempt *attempt, bool cancelled);

/* Room, or the lease, may be there again. */
void run_look_again(struct run *run);

/* The database's word on an attempt whose start was asked for: it may start. */
void run_begun(struct attempt *attempt);

/* The attempt is not ours any more, as was seen at `at`: stops it, reports nothing. */
void run_fenced(struct attempt *attempt, const char *at);

/* Stops it, or ends it before its start. */
void run_cancel(struct attempt *attempt);

/* The work has ended; exit_code NULL: none; error NULL: none. */
void run_end(struct attempt *attempt, enum outcome outcome, const int *exit_code,
             const char *error);

/* Hands back what has not started. */
void run_return_waiting(struct run *run);

/* Stops all that runs without a report: TERM, KILL after the grace; 0: KILL at once. */
void run_leave_all(struct run *run, int64_t grace_ms);

/* Attempts that have started, or may have, and have not ended. */
int64_t run_active(const struct run *run);

/* The types. */
extern const struct work_type print_type, shell_type, request_type, publish_type;
