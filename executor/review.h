/*
 * The review: after each new connection, whether the database still knows what we know.
 *
 * The server behind it may have been replaced by a standby that lacks the last commits. Nothing of
 * that may be stuck or run twice under one inbox number, so all that is held and what was reported
 * lately (past.h) is asked for by key:
 *
 *     held, not open there         its dispatch was lost, or it was taken from us: stopped, fenced
 *     runs, no start on record     the start is written again
 *     reported, open there         the same report is given once more
 *     open, known to nobody here   read (it was never seen), or failed where it may have run
 *
 * The last row is found by walking the inbox in short steps: from the low mark, or, when the
 * timeline shows that another server was promoted, from its beginning. Until the review is over
 * inbox_low stays at the least number that it is about, so that recovery would find it.
 */
#pragma once

#include "executor/executor.h"

struct review;

struct review *review_open(struct executor *executor);
void review_close(struct review *review); /* takes NULL */

/* The connection is new: begins anew. Before anything is said of the low mark. */
void review_again(struct review *review);

/* The net: goes on where a step was refused. Called at a fixed rate. */
void review_look(struct review *review);

bool review_is_over(const struct review *review);

/* Nothing below this number is sure to be on record; INT64_MAX: all that was accepted is. */
int64_t review_low(const struct review *review);

/*
 * An open attempt that is not held was read. True: it must not run, because it has, or may have;
 * its report is on its way again.
 */
bool review_settle(struct review *review, int64_t inbox, const struct uuid *task, int32_t token);
