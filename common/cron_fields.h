/* What the files of cron share among themselves: fields, times that fit without a zone, words. */
#pragma once

#include "common/cron.h"

enum cron_warning_bit {
    CRON_WARN_SIX_FIELDS,
    CRON_WARN_WEEKDAY_NUMBERS,
    CRON_WARN_EITHER_DAY,
};

struct cron_range {
    const char *name, *allowed;
    int least, most;          /* as it is kept: Sunday is 0 alone */
    const char *const *words; /* by value; NULL where there are none */
};

extern const struct cron_range cron_ranges[CRON_FIELD_COUNT];

void cron_add(struct cron *cron, enum cron_field field, int value);
bool cron_has(const struct cron *cron, enum cron_field field, int value);
int cron_count(const struct cron *cron, enum cron_field field);

/* The values of a field at a glance; all 0 where there are none. */
struct cron_shape {
    int count, first, last;
    int step;  /* between neighbours; 0 where it differs, or where there are less than two */
    bool full; /* every value fires */
    bool even; /* a step that comes round again: every 5 of 60, not every 7 */
};

struct cron_shape cron_shape(const struct cron *cron, enum cron_field field);

/*
 * Moves `at` to the first time that fits at or after it, or back to the last one at or before it.
 * False where there is none up to and with the month of `limit`; a time found may lie beyond
 * `limit` in the same month.
 */
bool cron_seek(const struct cron *cron, struct civil *at, const struct civil *limit, bool forward);

/* Text that is cut, never overrun. */
struct cron_out {
    char *text;
    size_t room, length;
    bool cut;
};

void cron_put(struct cron_out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
