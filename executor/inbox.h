/*
 * The inbox: what the master has assigned to this executor, read by number.
 *
 * Each read goes on above the last number. Now and then it goes back by a second or two, for
 * numbers that became visible late; what is held already is passed over, and what has run and was
 * reported does not run again (review.h, which also finds what a reconnect has left behind). One
 * read is under way at a time.
 */
#pragma once

#include "executor/executor.h"

struct inbox *inbox_open(struct executor *executor);
void inbox_close(struct inbox *inbox); /* takes NULL */

/* There may be something new. */
void inbox_look(struct inbox *inbox);

/* The net: looks again a little further back. Called at a fixed rate. */
void inbox_look_back(struct inbox *inbox);

/* The connection is new: looks again; review.h looks further back. */
void inbox_again(struct inbox *inbox);

/* An open attempt of that number was found that is neither held nor remembered: reads it. */
void inbox_missed(struct inbox *inbox, int64_t number);

/* The last number that was read. */
int64_t inbox_read_upto(const struct inbox *inbox);

/* Everything below this number is reported, and nothing more is looked for there. */
int64_t inbox_low(const struct inbox *inbox);
