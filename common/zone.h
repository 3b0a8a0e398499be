/*
 * Time zones by their IANA names: what the clock on the wall shows at an instant, and which
 * instants a time on the wall stands for.
 *
 * Read from the system's zone files ($TZDIR, otherwise /usr/share/zoneinfo), without the TZ
 * variable, without localtime() and so without state between callers. A name is refused unless
 * it is spelt as in the list: no path, no abbreviation of an offset (EST5EDT), no file that is no
 * zone (posixrules). UTC needs no file. Holds for the years 1970 to 2199; beyond the last known
 * transition the file's own rule goes on.
 */
#pragma once

#include "common/civil.h"
#include "common/fault.h"

#include <stdint.h>

#define ZONE_NAME 64 /* with the ending zero */

struct zone;

/* Says which names come near where the zone is not known. */
bool zone_open(struct zone **ret, const char *name, struct fault *fault);

/* Takes NULL. */
void zone_close(struct zone *zone);
const char *zone_name(const struct zone *zone);

/* Seconds east of UTC. */
int zone_offset_at(const struct zone *zone, int64_t unix_s);

/* The stretch of one offset that holds an instant: from `from_s` to before `to_s`. */
struct zone_span {
    int64_t from_s, to_s;  /* INT64_MIN and INT64_MAX where it has no end */
    int offset_s;          /* seconds east of UTC */
    int before_s, after_s; /* offsets of its neighbours; its own where it has none */
};

struct zone_span zone_span_at(const struct zone *zone, int64_t unix_s);
