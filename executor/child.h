/*
 * A command in a process group of its own.
 *
 * The command begins only once the guardian knows its group, and its leader is reaped only after
 * the guardian has forgotten it: the group's number never names strangers. When the leader ends,
 * whatever it left behind in its group is killed. Output (both streams) is kept within a limit.
 */
#pragma once

#include "common/fault.h"
#include "executor/leash.h"
#include "executor/output.h"

#include <stdbool.h>

struct child;

struct child_settings {
    const char *launcher;     /* path of rota-launch */
    char *const *arguments;   /* the program first; found through PATH of `environment` */
    char *const *environment; /* all of it */
    const char *directory;    /* "": that of the executor */
    const char *input;        /* on standard input; NULL: /dev/null */
    size_t output_most;
};

struct child_end {
    bool began;                  /* false: it was stopped before the command was there */
    int code;                    /* exit status, or the negative signal */
    const struct output *output; /* until the call returns */
};

/* Called once; the child is gone after it. */
typedef void child_ended(void *data, const struct child_end *end);

/* Everything is copied. */
bool child_start(struct child **ret, sd_event *loop, struct leash *leash,
                 const struct child_settings *settings, child_ended *ended, void *data,
                 struct fault *fault);

/* TERM to the group, once, and KILL after the grace; 0: KILL at once. Again with less: sooner. */
void child_stop(struct child *child, int64_t grace_ms);

/* Nobody is told any more: kills the group and lets go. For the end of the process. */
void child_abandon(struct child *child);
