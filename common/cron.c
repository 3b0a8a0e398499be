#include "common/cron.h"

#include "common/cron_fields.h"
#include "common/instant.h"
#include "common/mem.h"

#include <stdarg.h>

static const char *const months[] = {NULL,  "JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                     "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
static const char *const weekdays[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

const struct cron_range cron_ranges[CRON_FIELD_COUNT] = {
    [CRON_SECOND] = {"second", "0 to 59", 0, 59, NULL},
    [CRON_MINUTE] = {"minute", "0 to 59", 0, 59, NULL},
    [CRON_HOUR] = {"hour", "0 to 23", 0, 23, NULL},
    [CRON_DAY] = {"day of month", "1 to 31, L, L-3, LW or 15W", 1, 31, NULL},
    [CRON_MONTH] = {"month", "1 to 12 or JAN to DEC", 1, 12, months},
    [CRON_WEEKDAY] = {"day of week", "0 to 7 (Sunday is 0 and 7) or SUN to SAT", 0, 6, weekdays},
    [CRON_YEAR] = {"year", "1970 to 2199", CRON_YEAR_LEAST, CRON_YEAR_MOST, NULL},
};

/* --- Sets ------------------------------------------------------------------------------------ */

/* Sunday is 0, whichever of its two numbers it has. */
static int bit_of(enum cron_field field, int value)
{
    return field == CRON_WEEKDAY ? value % 7 : value;
}

void cron_add(struct cron *cron, enum cron_field field, int value)
{
    int index = value - CRON_YEAR_LEAST;

    if (field == CRON_YEAR)
        cron->years[index / 64] |= UINT64_C(1) << (index % 64);
    else
        cron->sets[field] |= UINT64_C(1) << bit_of(field, value);
}

bool cron_has(const struct cron *cron, enum cron_field field, int value)
{
    int index = value - CRON_YEAR_LEAST;

    if (field == CRON_YEAR)
        return cron->years[index / 64] >> (index % 64) & 1;
    return cron->sets[field] >> bit_of(field, value) & 1;
}

int cron_count(const struct cron *cron, enum cron_field field)
{
    int count = 0;

    if (field != CRON_YEAR)
        return __builtin_popcountll(cron->sets[field]);
    for (size_t i = 0; i < COUNT(cron->years); i++)
        count += __builtin_popcountll(cron->years[i]);
    return count;
}

struct cron_shape cron_shape(const struct cron *cron, enum cron_field field)
{
    const struct cron_range *range = &cron_ranges[field];
    int length = range->most - range->least + 1;
    struct cron_shape shape = {0};

    for (int value = range->least; value <= range->most; value++) {
        if (!cron_has(cron, field, value))
            continue;
        if (!shape.count++)
            shape.first = value;
        else if (shape.count == 2)
            shape.step = value - shape.last;
        else if (value - shape.last != shape.step)
            shape.step = 0; /* and it stays so */
        shape.last = value;
    }
    shape.full = shape.count == length;
    shape.even = shape.step > 1 && shape.first == range->least && length % shape.step == 0 &&
                 shape.count == length / shape.step;
    return shape;
}

void cron_put(struct cron_out *out, const char *format, ...)
{
    size_t left = out->room - out->length;
    va_list args;

    va_start(args, format);
    int length = vsnprintf(out->text + out->length, left, format, args);

    va_end(args);
    if (length >= 0 && (size_t)length < left) {
        out->length += (size_t)length;
        return;
    }
    out->cut = true;
    out->length = out->room - 1;
}

/* --- Grids of elapsed time ------------------------------------------------------------------- */

/* Within these limits nothing below can overflow. */
static bool is_grid(int64_t every_ms, int64_t anchor_us)
{
    return every_ms > 0 && every_ms <= CRON_EVERY_MOST_MS && anchor_us >= INSTANT_LEAST_US &&
           anchor_us <= INSTANT_MOST_US;
}

bool cron_every_next(int64_t every_ms, int64_t anchor_us, int64_t after_us, int64_t *ret_us)
{
    int64_t next_us = anchor_us, every_us;

    if (!is_grid(every_ms, anchor_us) || after_us > INSTANT_MOST_US)
        return false;
    every_us = every_ms * 1000;
    if (after_us >= anchor_us)
        next_us += ((after_us - anchor_us) / every_us + 1) * every_us;
    if (next_us > INSTANT_MOST_US)
        return false;
    *ret_us = next_us;
    return true;
}

bool cron_every_previous(int64_t every_ms, int64_t anchor_us, int64_t before_us, int64_t *ret_us)
{
    int64_t last_us, every_us;

    if (!is_grid(every_ms, anchor_us) || before_us <= anchor_us)
        return false;
    every_us = every_ms * 1000;
    last_us = before_us > INSTANT_MOST_US ? INSTANT_MOST_US : before_us - 1;
    *ret_us = last_us - (last_us - anchor_us) % every_us;
    return true;
}

/* --- Names ----------------------------------------------------------------------------------- */

static const char *const dialects[CRON_DIALECT_COUNT] = {
    [CRON_ROTA] = "rota", [CRON_VIXIE] = "vixie", [CRON_QUARTZ] = "quartz", [CRON_GDTS] = "gdts"};

static const char *const gaps[CRON_GAP_COUNT] = {[CRON_GAP_RUN_AFTER] = "run_after",
                                                 [CRON_GAP_SKIP] = "skip",
                                                 [CRON_GAP_RUN_BEFORE] = "run_before"};

static const char *const overlaps[CRON_OVERLAP_COUNT] = {
    [CRON_OVERLAP_FIRST] = "first", [CRON_OVERLAP_SECOND] = "second", [CRON_OVERLAP_BOTH] = "both"};

static const char *const touches[CRON_TOUCHED_COUNT] = {
    [CRON_TOUCHED_NONE] = "none", [CRON_TOUCHED_GAP] = "gap", [CRON_TOUCHED_OVERLAP] = "overlap"};

static int index_of(const char *const *names, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

bool cron_dialect_read(enum cron_dialect *ret, const char *name)
{
    int index = index_of(dialects, CRON_DIALECT_COUNT, name);

    if (index >= 0)
        *ret = (enum cron_dialect)index;
    return index >= 0;
}

bool cron_gap_read(enum cron_gap *ret, const char *name)
{
    int index = index_of(gaps, CRON_GAP_COUNT, name);

    if (index >= 0)
        *ret = (enum cron_gap)index;
    return index >= 0;
}

bool cron_overlap_read(enum cron_overlap *ret, const char *name)
{
    int index = index_of(overlaps, CRON_OVERLAP_COUNT, name);

    if (index >= 0)
        *ret = (enum cron_overlap)index;
    return index >= 0;
}

const char *cron_dialect_name(enum cron_dialect dialect)
{
    return dialects[dialect];
}

const char *cron_gap_name(enum cron_gap gap)
{
    return gaps[gap];
}

const char *cron_overlap_name(enum cron_overlap overlap)
{
    return overlaps[overlap];
}

const char *cron_touched_name(enum cron_touched touched)
{
    return touches[touched];
}

/* --- Warnings -------------------------------------------------------------------------------- */

static const struct cron_warning warnings[CRON_WARNINGS_MOST] = {
    [CRON_WARN_SIX_FIELDS] = {"six-fields",
                              "six fields begin with the second in the dialects rota and quartz, "
                              "but in gdts with the minute, and there they end with the year"},
    [CRON_WARN_WEEKDAY_NUMBERS] = {"dow-numbering",
                                   "numbers of weekdays differ: 1 is Sunday in the dialect quartz "
                                   "and Monday in all others; names such as MON are the same"},
    [CRON_WARN_EITHER_DAY] = {"either-day",
                              "day of month and day of week are both given, and a day needs to fit "
                              "only one of them; the dialect quartz refuses that"},
};

size_t cron_warnings(const struct cron_warning *ret[static CRON_WARNINGS_MOST],
                     const struct cron *cron)
{
    size_t count = 0;

    for (size_t i = 0; i < COUNT(warnings); i++)
        if (cron->warnings >> i & 1)
            ret[count++] = &warnings[i];
    return count;
}
