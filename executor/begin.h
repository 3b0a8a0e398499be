/*
 * Writes that attempts have started.
 *
 * Most starts are written behind the work's back, and only for what runs longer than a moment: a
 * short attempt's start goes with its finish. Only on_lost=fail waits: such an attempt starts when
 * the database has its start on record, and never where the answer does not name it.
 */
#pragma once

#include "executor/executor.h"

struct begin *begin_open(struct executor *executor);
void begin_close(struct begin *begin); /* takes NULL */

/* Answers through run_begun, run_fenced or run_end. */
void begin_ask(struct begin *begin, struct attempt *attempt);

/* It runs: worth writing if it still does in a moment. */
void begin_note(struct begin *begin, const struct attempt *attempt);

/* The database is there again. */
void begin_again(struct begin *begin);
