/*
 * The past: the last reports that this executor saw accepted, found by inbox number.
 *
 * A database that failed over to a standby may lack commits that were answered already. Where it
 * shows an attempt as open that is remembered here, that attempt has run: its report is given once
 * more (review.c) and it never runs a second time. At most PAST_MOST reports are kept, in memory
 * that grows as it is needed; error texts are cut, and left out beyond a bound for all of them. Of
 * what has left, only the highest number is known: past_forgot.
 */
#pragma once

#include "executor/attempt.h"

#include <stddef.h>

#define PAST_MOST (1u << 17)
#define PAST_ERROR_MOST 200
#define PAST_ERRORS_MOST (4u << 20)

/* One accepted report, as it was given. */
struct past_report {
    int64_t inbox;
    struct uuid task;
    int32_t token;
    enum outcome outcome;
    bool has_exit_code;
    int exit_code;
    int32_t again_ms;
    int64_t started_us, finished_us; /* the database's clock */
    int64_t accepted_us;             /* boot clock */
    char *error;                     /* NULL: none */
    uint32_t next;                   /* in its bucket: the place behind, plus one; 0: the last */
};

/* Reports are numbered in the order in which they were accepted: from `first` up to `end`. */
struct past {
    struct past_report *ring;
    uint32_t *buckets;
    size_t room; /* of both; a power of two */
    uint64_t first, end;
    int64_t forgotten;
    size_t error_bytes;
};

void past_init(struct past *past);
void past_done(struct past *past);

/* The report of this attempt was accepted at `now_us` of the boot clock. */
void past_add(struct past *past, const struct attempt *attempt, int64_t now_us);

/* The latest report of that number; NULL where none is remembered. */
const struct past_report *past_find(const struct past *past, int64_t inbox);

/* The report of that place, first <= place < end. */
const struct past_report *past_at(const struct past *past, uint64_t place);

/* The least number that was accepted at place `from` or later; INT64_MAX where there is none. */
int64_t past_least(const struct past *past, uint64_t from);

/* The first place of what was accepted within `span_us` before the latest acceptance. */
uint64_t past_since(const struct past *past, int64_t span_us);

/* True where a report of that number may have been accepted and forgotten since. */
bool past_forgot(const struct past *past, int64_t inbox);
