/*
 * When a schedule fires: its spec, read from JSON and asked for instants.
 *
 * Exactly one of
 *     "cron": an expression (cron.h), with "cron_dialect" and "dst": {"gap", "overlap"}
 *     "every": a duration from PT1S, on the grid of "anchor" (otherwise of start_at, otherwise of
 *              1970-01-01T00:00:00Z), whatever clocks do
 *     "at": an instant, or a list of them
 * with "timezone" (an IANA name; UTC where none is given), "start_at" (the first instant that may
 * fire), "end_at" (the first that may not), "max_runs", "jitter" (a run is due up to so much after
 * its fire, by the schedule's name and the fire and always the same), and "exclude": days of that
 * zone, "2026-12-25" or "2026-12-31/2027-01-02", both included.
 *
 * A pure function of its text and the zone files: the same on every machine.
 */
#pragma once

#include "common/cron.h"
#include "common/field.h"

#define SPEC_AT_MOST 1000     /* instants in a list */
#define SPEC_EXCLUDE_MOST 400 /* days and ranges */
#define SPEC_RUNS_MOST INT64_C(1000000000)
#define SPEC_JITTER_MOST_MS (INT64_C(86400) * 1000)
#define SPEC_SENTENCE (CRON_SENTENCE + 160)

struct spec;

struct spec_fire {
    int64_t at_us;
    enum cron_touched touched; /* by a change of the clock */
    bool excluded;
};

/* `seed` is the schedule's name. False: `at->problems` says all that is wrong. */
bool spec_read(struct spec **ret, struct json_object *value, const struct field *at,
               const char *seed, bool strict);

/* Takes NULL. */
void spec_free(struct spec *spec);

/* The first fire after an instant, within start_at and end_at; excluded ones are told as such. */
bool spec_next(const struct spec *spec, int64_t after_us, struct spec_fire *ret);

/* The last fire before an instant, likewise. */
bool spec_previous(const struct spec *spec, int64_t before_us, struct spec_fire *ret);

/* When the run of a fire is due: the fire, and its jitter. */
int64_t spec_due_us(const struct spec *spec, int64_t fire_us);

int64_t spec_max_runs(const struct spec *spec); /* 0: as many as there are */
const struct zone *spec_zone(const struct spec *spec);
const struct cron_dst *spec_dst(const struct spec *spec);
const struct cron *spec_cron(const struct spec *spec); /* NULL: not by cron */

/* The same spec with its defaults written out; reading it back gives the same. */
struct json_object *spec_json(const struct spec *spec);

/* "At 02:30, Monday to Friday, Europe/Berlin" */
char *spec_sentence(char text[static SPEC_SENTENCE], const struct spec *spec);
