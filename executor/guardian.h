/*
 * The guardian is the process that a user starts: the parent of the executor proper.
 *
 * It promises that nothing of an executor acts once that executor's lease has passed, also when the
 * executor is frozen or killed. It is single-threaded, talks to nobody but its child, and knows the
 * child's process groups and its deadline on the boot clock. When the deadline passes without word
 * that all has stopped, or when the child ends unexpectedly, it kills every group, every process
 * that descends from it (it is a child subreaper, so orphans come to it), and then starts the child
 * again, which is a new node and is told who came before it.
 *
 * Guardian and executor speak over a SOCK_SEQPACKET pair, one `struct guardian_note` a message.
 */
#pragma once

#include "common/uuid.h"

#include <stdint.h>
#include <sys/types.h>

enum guardian_say {
    GUARDIAN_NODE,     /* the executor registered under this identity */
    GUARDIAN_DEADLINE, /* it may act until then */
    GUARDIAN_STOPPED,  /* nothing of it acts any more: the deadline no longer matters */
    GUARDIAN_ADD,      /* a group to know; echoed once it is known */
    GUARDIAN_FORGET,   /* a group whose leader is about to be reaped; echoed once forgotten */
    GUARDIAN_STOP,     /* the only one downwards besides echoes: stop cleanly */
};

struct guardian_note {
    uint32_t say;
    int32_t group;
    int64_t deadline_us;
    struct uuid node;
};

/* The executor's end may have so many echoes open: neither side's buffer can fill up. */
#define GUARDIAN_OPEN_MOST 64

/* How the executor proper is started: --under-guardian=<fd> [--former=<node>] <arguments> */
#define GUARDIAN_FLAG "--under-guardian="
#define GUARDIAN_FORMER "--former="

/* The executor's exit statuses that the guardian takes as its own; all others mean: again. */
enum { GUARDIAN_CLEAN = 0, GUARDIAN_SETTINGS = 2 };

/* The signal that the executor gets when its guardian ends. */
#define GUARDIAN_GONE_SIGNAL SIGUSR1

/* Runs until the executor stops for good; the exit status of main. */
int guardian_run(int count, char **arguments);
