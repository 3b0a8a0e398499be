#include "common/cron_fields.h"

#include "common/mem.h"

/* The parts of a time from the year down, each carried into the one before it. */
enum level {
    YEAR,
    MONTH,
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    LEVELS,
};

/* --- Days of a month ------------------------------------------------------------------------- */

struct month {
    int days;
    int first; /* weekday of its first day */
};

/* Bit 0 is the weekday of the first day of the month. */
static uint64_t from_first(const struct month *month, unsigned weekdays)
{
    return (weekdays >> month->first | weekdays << (7 - month->first)) & 0x7f;
}

/* Never leaves the month: a Saturday 1st goes to the 3rd, a Sunday 31st to the 29th. */
static int nearest_workday(const struct month *month, int day)
{
    int weekday = (month->first + day - 1) % 7;

    if (weekday == 6)
        return day == 1 ? 3 : day - 1;
    if (weekday == 0)
        return day == month->days ? day - 2 : day + 1;
    return day;
}

static uint64_t by_day(const struct cron *cron, const struct month *month)
{
    uint64_t days = cron->sets[CRON_DAY];

    for (int n = 0; cron->before_last >> n; n++)
        if (cron->before_last >> n & 1 && n < month->days)
            days |= UINT64_C(1) << (month->days - n);
    for (int n = 1; n <= month->days && cron->nearest >> n; n++)
        if (cron->nearest >> n & 1)
            days |= UINT64_C(1) << nearest_workday(month, n);
    if (cron->last_workday)
        days |= UINT64_C(1) << nearest_workday(month, month->days);
    return days;
}

static uint64_t by_weekday(const struct cron *cron, const struct month *month)
{
    unsigned every = (unsigned)cron->sets[CRON_WEEKDAY];
    uint64_t days = 0, last = 0;

    for (unsigned week = 0; week < COUNT(cron->nth_weekdays); week++) {
        days |= from_first(month, every | cron->nth_weekdays[week]) << (week * 7);
        last |= from_first(month, cron->last_weekdays) << (week * 7);
    }
    return (days | (last & UINT64_C(0x7f) << (month->days - 7))) << 1;
}

static uint64_t days_of(const struct cron *cron, int year, int number)
{
    struct month month = {civil_month_days(year, number),
                          civil_weekday(civil_days(year, number, 1))};
    uint64_t all = (UINT64_C(2) << month.days) - 2;
    uint64_t days = by_day(cron, &month), weekdays = by_weekday(cron, &month);
    bool either = !cron->open[CRON_DAY] && !cron->open[CRON_WEEKDAY];

    return all & (either ? days | weekdays : days & weekdays);
}

/* --- The carry ------------------------------------------------------------------------------- */

/* The nearest bit at `from` or beyond it; -1 where there is none. */
static int find_bit(uint64_t set, int from, bool forward)
{
    if (from < 0 || from > 63)
        return -1;
    set &= forward ? UINT64_MAX << from : UINT64_MAX >> (63 - from);
    if (!set)
        return -1;
    return forward ? __builtin_ctzll(set) : 63 - __builtin_clzll(set);
}

static int find_year(const struct cron *cron, int from, bool forward)
{
    int year = from;

    if (forward && year < CRON_YEAR_LEAST)
        year = CRON_YEAR_LEAST;
    if (!forward && year > CRON_YEAR_MOST)
        year = CRON_YEAR_MOST;
    for (; year >= CRON_YEAR_LEAST && year <= CRON_YEAR_MOST; year += forward ? 1 : -1)
        if (cron_has(cron, CRON_YEAR, year))
            return year;
    return -1;
}

static int find(const struct cron *cron, const int *parts, enum level level, bool forward)
{
    static const enum cron_field fields[LEVELS] = {
        [MONTH] = CRON_MONTH, [HOUR] = CRON_HOUR, [MINUTE] = CRON_MINUTE, [SECOND] = CRON_SECOND};

    if (level == YEAR)
        return find_year(cron, parts[YEAR], forward);
    return find_bit(level == DAY ? days_of(cron, parts[YEAR], parts[MONTH])
                                 : cron->sets[fields[level]],
                    parts[level], forward);
}

/* All parts below `level` begin again where the direction begins. */
static void reset_below(int *parts, enum level level, bool forward)
{
    static const int least[LEVELS] = {0, 1, 1, 0, 0, 0}, most[LEVELS] = {0, 12, 31, 23, 59, 59};

    for (int i = (int)level + 1; i < LEVELS; i++)
        parts[i] = forward ? least[i] : most[i];
}

static bool is_beyond(const int *parts, const struct civil *limit, bool forward)
{
    int month = parts[YEAR] * 12 + parts[MONTH], last = limit->year * 12 + limit->month;

    return forward ? month > last : month < last;
}

/*
 * Each part is set to the nearest value that fits; where there is none the part above moves on by
 * one. Only days can be missing altogether, so that a month is the most that is tried in vain.
 */
bool cron_seek(const struct cron *cron, struct civil *at, const struct civil *limit, bool forward)
{
    int parts[LEVELS] = {at->year, at->month, at->day, at->hour, at->minute, at->second};
    int level = YEAR;

    while (level < LEVELS) {
        int value = find(cron, parts, (enum level)level, forward);

        if (value < 0) {
            if (level-- == YEAR)
                return false;
            parts[level] += forward ? 1 : -1;
            reset_below(parts, (enum level)level, forward);
            continue;
        }
        if (value != parts[level]) {
            parts[level] = value;
            reset_below(parts, (enum level)level, forward);
        }
        if (level++ == MONTH && is_beyond(parts, limit, forward))
            return false;
    }
    *at = (struct civil){parts[YEAR], parts[MONTH],  parts[DAY],
                         parts[HOUR], parts[MINUTE], parts[SECOND]};
    return true;
}
