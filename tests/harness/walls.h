/*
 * Which instants a time on the wall stands for, worked out from the stretches of one offset
 * (zone_span_at): what tests hold against tables and against PostgreSQL.
 */
#pragma once

#include "common/zone.h"

#define WALLS_REACH_S (2 * CIVIL_DAY_S) /* more than any offset, either way */

enum walls_match {
    WALLS_UNIQUE,
    WALLS_GAP,     /* the clock was put forward over it */
    WALLS_OVERLAP, /* the clock was put back and showed it twice */
};

struct walls {
    enum walls_match match;
    /*
     * The instant, twice where it is unique. In an overlap the first and the last one. In a gap
     * what it would be had the clock not been changed (first_s, after the change), and had it been
     * changed before (last_s, before the change).
     */
    int64_t first_s, last_s;
    int64_t change_s; /* of a gap: its first instant after */
};

static inline bool walls_holds(const struct zone_span *span, int64_t local_s)
{
    int64_t unix_s = local_s - span->offset_s;

    return unix_s >= span->from_s && unix_s < span->to_s;
}

/* Whether the clock was put forward over it where the span begins. */
static inline bool walls_skipped_before(const struct zone_span *span, int64_t local_s)
{
    return span->before_s < span->offset_s && local_s >= span->from_s + span->before_s &&
           local_s < span->from_s + span->offset_s;
}

static inline struct walls walls_of(const struct zone *zone, const struct civil *civil)
{
    int64_t local_s = civil_seconds(civil), at_s = local_s - WALLS_REACH_S;
    struct walls found = {0};
    int count = 0;

    for (struct zone_span span; at_s <= local_s + WALLS_REACH_S; at_s = span.to_s) {
        span = zone_span_at(zone, at_s);
        if (walls_holds(&span, local_s)) {
            found.last_s = local_s - span.offset_s;
            found.first_s = count++ ? found.first_s : found.last_s;
        } else if (!count && walls_skipped_before(&span, local_s)) {
            found = (struct walls){WALLS_GAP, local_s - span.before_s, local_s - span.offset_s,
                                   span.from_s};
        }
    }
    if (count) {
        found.match = count > 1 ? WALLS_OVERLAP : WALLS_UNIQUE;
        found.change_s = 0;
    }
    return found;
}

/* The first change of the offset after `unix_s`; false where there is none any more. */
static inline bool walls_next_change(const struct zone *zone, int64_t unix_s, int64_t *ret_s)
{
    int64_t to_s = zone_span_at(zone, unix_s).to_s;

    if (to_s == INT64_MAX)
        return false;
    *ret_s = to_s;
    return true;
}
