/*
 * One attempt that was handed to this executor, from its inbox row until its report is accepted.
 *
 *     read -> waiting -> asking -> running -> ended -> (accepted: released)
 *
 * waiting: for a slot, or for the lease. asking: its start is being written first, because it may
 * not start twice (`once`). ended: its report stands in a queue or is on its way. The ledger holds
 * all of them, whatever their stage.
 */
#pragma once

#include "common/args.h"
#include "common/state.h"
#include "common/uuid.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

enum attempt_stage {
    ATTEMPT_READ,
    ATTEMPT_WAITING,
    ATTEMPT_ASKING,
    ATTEMPT_RUNNING,
    ATTEMPT_ENDED,
};

/* Why we stopped it; it decides the outcome over what the work itself says of its end. */
enum attempt_stop {
    STOP_NONE,
    STOP_TIMED_OUT,
    STOP_CANCELLED,
    STOP_FENCED, /* the database gave it to somebody else: nothing is reported */
    STOP_LEFT,   /* we leave, recovery decides what follows: nothing is reported */
};

struct executor;
struct work_type;

/* NULL where there is none. They belong to the inbox rows until attempt_keep. */
struct attempt_texts {
    const char *type, *queue, *name, *payload, *work, *retry;
};

struct attempt {
    struct executor *executor;
    int64_t inbox;
    struct uuid task;
    int32_t token;
    enum attempt_stage stage;
    enum attempt_stop stop;
    bool asks;     /* its start is on record before it starts */
    bool admitted; /* has started, or may have */
    const struct work_type *type;
    struct attempt_texts texts;
    char *kept;       /* the memory behind `texts` */
    size_t kept_size; /* counted in the executor's kept_bytes */
    int64_t run_at_us, timeout_ms;
    int64_t start_by_us;             /* INT64_MIN: at any time */
    int spent;                       /* attempts before it that cost one */
    int64_t started_us, finished_us; /* the database's clock; 0: not yet */
    int64_t started_boot_us;
    sd_event_source *limit;
    void *job; /* the type's own, while it runs */

    enum outcome outcome;
    bool has_exit_code;
    int exit_code;
    char *error;
    int64_t after_ms; /* what the target asked to wait, 0: nothing */
    int64_t again_ms; /* until the next attempt, 0: there is none */
    int refusals;     /* of its report */
    bool accepted;    /* its report */

    TAILQ_ENTRY(attempt) held;   /* the ledger, by inbox number */
    TAILQ_ENTRY(attempt) queued; /* one of: waiting for a slot, for its start, to be reported */
    struct attempt *bucket_next;
};

TAILQ_HEAD(attempt_queue, attempt);

/* Copies the texts, so that they outlive the inbox rows. */
void attempt_keep(struct attempt *attempt);

/* Its texts are not needed any more. */
void attempt_forget(struct attempt *attempt);
void attempt_free(struct attempt *attempt);

/* Three parameters, by which statements find attempts: task, token and inbox number of each. */
void attempt_add_keys(struct args *args, struct attempt *const *list, size_t count);
