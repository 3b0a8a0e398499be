/*
 * Reports: ends of attempts, in batches, each accepted once.
 *
 * A report is kept until the database has it: while the database is away, and sent again after a
 * lost answer. What is not accepted is looked up: our own earlier report, still open (sent again),
 * or taken by somebody else, which is fenced: logged, counted and let go. With each batch goes what
 * this executor would take now; without one, report_say tells it.
 */
#pragma once

#include "executor/executor.h"

/* With so many reports that are not accepted, nothing more is read. */
#define REPORT_KEPT_MOST 100000

struct report *report_open(struct executor *executor);
void report_close(struct report *report); /* takes NULL */

/* The attempt has ended; it stays in the ledger until its report is accepted. */
void report_add(struct report *report, struct attempt *attempt);

/* `count` new tasks were read: of what was said we would take, so many are used up. */
void report_taken(struct report *report, int64_t count);

/* Tells what we would take and how far we have read, where that has changed. */
void report_say(struct report *report);

/* The database is there (again): what was said before may be lost, and reports may go. */
void report_again(struct report *report);

/* Reports that are not accepted yet. */
int64_t report_open_count(const struct report *report);
