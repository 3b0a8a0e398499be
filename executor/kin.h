/*
 * Processes found through /proc: the descendants of one, and all that carry a mark in their
 * environment. The mark finds those that have left their group, session and parent.
 */
#pragma once

#include <sys/types.h>

/*
 * Sends SIGKILL to every descendant of `root` and to every process whose environment holds `mark`
 * ("NAME=value"; NULL: none), never to `root` itself nor to the caller. Each is held by a pidfd
 * while it is looked at again, so that a number given to a stranger meanwhile is left alone.
 * Returns how many were still alive: ask again until it is 0.
 */
int kin_kill(pid_t root, const char *mark);
