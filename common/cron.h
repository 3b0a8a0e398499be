/*
 * Cron expressions: read with their place of error, the next and the previous fire in a zone, and a
 * sentence that says what they mean.
 *
 * Rules are those of crontab(5) (POSIX, vixie cron) with the additions of Quartz's manual (L, W, #,
 * ?, seconds, years). Where the two differ the dialect decides; it is chosen by the caller and
 * never guessed. Nothing is random and nothing is remembered: the same text, name and zone fire at
 * the same instants on every machine.
 *
 * Fields, lists of items between commas:
 *     * for every value, A, A-B, and each of them with a step: A-B/5; A/5 goes on to the greatest
 *     JAN to DEC, SUN to SAT, in any case; a range may end with SUN (FRI-SUN)
 *     A~B one value of the range, chosen by the schedule's name and always the same; either end may
 *     be left out, and the last day of month is then the 28th
 *     day of month: L the last day, L-3 three days before it, 15W the workday (Monday to Friday)
 *     nearest to the 15th within the month, LW the last workday
 *     day of week: FRIL or 5L the last Friday, FRI#3 or 5#3 the third
 *     ? in place of * in both of them
 * Both day fields: where neither begins with * or ?, a day needs to fit only one of them, otherwise
 * both (vixie cron's rule). Quartz wants ? in exactly one.
 *
 * Refused are reversed ranges, steps of 0 or longer than the field, values out of range, more than
 * CRON_TEXT_MOST bytes, and what fires never from 1970 to 2199. Every call ends within a few
 * thousand steps, whatever the expression: fields are carried like digits, from the year down.
 *
 * When the clock is changed: expressions whose hours are a star, with or without a step, or 0/N
 * follow elapsed time. They fire where the changed clock shows what fits: twice in an hour that is
 * shown twice, and with nothing to make up for in an hour that is not shown. All others mean a time
 * of day, and the two policies of struct cron_dst say what becomes of one that is not shown, or
 * shown twice.
 */
#pragma once

#include "common/civil.h"
#include "common/fault.h"
#include "common/zone.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRON_TEXT_MOST 512
#define CRON_YEAR_LEAST 1970
#define CRON_YEAR_MOST 2199
#define CRON_EVERY_LEAST_MS INT64_C(1000)
#define CRON_EVERY_MOST_MS INT64_C(3153600000000) /* 36,500 days */

enum cron_dialect {
    CRON_ROTA,   /* 5 fields from the minute, 6 from the second, 7 from the second to the year */
    CRON_VIXIE,  /* 5 fields */
    CRON_QUARTZ, /* 6 or 7 from the second; Sunday is 1; L alone among the weekdays is Saturday */
    CRON_GDTS,   /* 5, 6 from the minute to the year (at second 0), or 7 from the second */
    CRON_DIALECT_COUNT,
};

enum cron_kind {
    CRON_CALENDAR, /* fires where the calendar and the clock show what fits */
    CRON_EVERY,    /* @every: fires on a grid of elapsed time, see cron_every_next */
};

enum cron_field {
    CRON_SECOND,
    CRON_MINUTE,
    CRON_HOUR,
    CRON_DAY,
    CRON_MONTH,
    CRON_WEEKDAY,
    CRON_YEAR,
    CRON_FIELD_COUNT,
};

/* To be looked at through the functions below; it holds no memory. */
struct cron {
    enum cron_kind kind;
    enum cron_dialect dialect;
    char zone[ZONE_NAME]; /* of CRON_TZ= or TZ=, not looked up; empty where none was named */
    int64_t every_ms;     /* of CRON_EVERY */

    uint64_t sets[CRON_YEAR]; /* bit v: value v fires; SUN is 0 */
    uint64_t years[4];        /* bit 0: CRON_YEAR_LEAST */
    uint32_t before_last;     /* bit n: n days before the last day of the month */
    uint32_t nearest;         /* bit n: the workday nearest to day n */
    bool last_workday;
    uint8_t last_weekdays;       /* bit of a weekday: the last one of the month */
    uint8_t nth_weekdays[5];     /* the same, first to fifth */
    bool open[CRON_FIELD_COUNT]; /* begins with * or ?, or 0/n for the hours */
    unsigned warnings;           /* bits, see cron_warnings */
};

/*
 * `seed` is what A~B is derived from: the schedule's name. A fault says "column 7, hour: 25 is not
 * within 0 to 23"; columns begin at 1. @yearly @annually @monthly @weekly @daily @midnight @hourly
 * @minutely and @every 1h30m stand for a whole expression, in every dialect.
 */
bool cron_read(struct cron *ret, const char *text, enum cron_dialect dialect, const char *seed,
               struct fault *fault);

/* --- Fires ----------------------------------------------------------------------------------- */

enum cron_gap {
    CRON_GAP_RUN_AFTER,  /* once at the first instant after the gap, however many it skipped */
    CRON_GAP_SKIP,       /* not at all */
    CRON_GAP_RUN_BEFORE, /* once in the last second before it */
    CRON_GAP_COUNT,
};

enum cron_overlap {
    CRON_OVERLAP_FIRST,
    CRON_OVERLAP_SECOND,
    CRON_OVERLAP_BOTH,
    CRON_OVERLAP_COUNT,
};

struct cron_dst {
    enum cron_gap gap;
    enum cron_overlap overlap;
};

enum cron_touched {
    CRON_TOUCHED_NONE,
    CRON_TOUCHED_GAP,     /* its time was not shown, it runs beside it */
    CRON_TOUCHED_OVERLAP, /* its time is shown twice */
    CRON_TOUCHED_COUNT,
};

struct cron_fire {
    int64_t at_us;        /* Unix time, always a whole second */
    struct civil nominal; /* the local time that fits; of a gap the first that was not shown */
    enum cron_touched touched;
};

/*
 * The first fire after an instant and the last one before it, neither of them at it; only of
 * CRON_CALENDAR. False where there is none from 1970 to 2199.
 */
bool cron_next(const struct cron *cron, const struct zone *zone, const struct cron_dst *dst,
               int64_t after_us, struct cron_fire *ret);
bool cron_previous(const struct cron *cron, const struct zone *zone, const struct cron_dst *dst,
                   int64_t before_us, struct cron_fire *ret);

/*
 * The same on a grid: the anchor itself and every `every_ms` after it, whatever clocks do. False
 * where there is none up to the end of 2199, or from the anchor on.
 */
bool cron_every_next(int64_t every_ms, int64_t anchor_us, int64_t after_us, int64_t *ret_us);
bool cron_every_previous(int64_t every_ms, int64_t anchor_us, int64_t before_us, int64_t *ret_us);

/* --- Words ----------------------------------------------------------------------------------- */

#define CRON_CANONICAL 4096
#define CRON_SENTENCE 1024

/*
 * Seven fields of the dialect rota that fire at the same instants, weekdays by name; of @every that
 * itself. Of an expression with many lists it can be longer than what is read.
 */
char *cron_canonical(char text[static CRON_CANONICAL], const struct cron *cron);

/* "At 02:30, Monday to Friday"; the zone is the caller's to add. Cut with ... where too long. */
char *cron_sentence(char text[static CRON_SENTENCE], const struct cron *cron);

struct cron_warning {
    const char *name, *text;
};

#define CRON_WARNINGS_MOST 3

/* What the same text means elsewhere, or may not mean as thought; how many were filled in. */
size_t cron_warnings(const struct cron_warning *ret[static CRON_WARNINGS_MOST],
                     const struct cron *cron);

/* False where the name is not known. */
bool cron_dialect_read(enum cron_dialect *ret, const char *name);
bool cron_gap_read(enum cron_gap *ret, const char *name);
bool cron_overlap_read(enum cron_overlap *ret, const char *name);

const char *cron_dialect_name(enum cron_dialect dialect);
const char *cron_gap_name(enum cron_gap gap);
const char *cron_overlap_name(enum cron_overlap overlap);
const char *cron_touched_name(enum cron_touched touched);
