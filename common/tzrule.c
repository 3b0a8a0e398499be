#include "common/tzrule.h"

#include "common/civil.h"

#include <ctype.h>
#include <string.h>

#define NAME_LEAST 3
#define OFFSET_HOURS_MOST 24
#define TIME_HOURS_MOST 167

static bool take(const char **at, char wanted)
{
    if (**at != wanted)
        return false;
    ++*at;
    return true;
}

static bool number(const char **at, int least, int most, int *ret)
{
    size_t length = strspn(*at, "0123456789");
    int value = 0;

    if (length < 1 || length > 3)
        return false;
    for (size_t i = 0; i < length; i++)
        value = value * 10 + ((*at)[i] - '0');
    *at += length;
    *ret = value;
    return value >= least && value <= most;
}

/* [+-]hh[:mm[:ss]] */
static bool clock_time(const char **at, int hours_most, int *ret_s)
{
    int sign = take(at, '-') ? -1 : 1, hours, minutes = 0, seconds = 0;

    if (sign > 0)
        take(at, '+');
    if (!number(at, 0, hours_most, &hours))
        return false;
    if (take(at, ':') && !number(at, 0, 59, &minutes))
        return false;
    if (take(at, ':') && !number(at, 0, 59, &seconds))
        return false;
    *ret_s = sign * (hours * 3600 + minutes * 60 + seconds);
    return true;
}

/* Three letters or more, or nearly anything between < and >. */
static bool name(const char **at)
{
    bool quoted = take(at, '<');
    size_t length = 0;

    while (isalpha((unsigned char)(*at)[length]) ||
           (quoted && (*at)[length] && strchr("0123456789+-", (*at)[length])))
        length++;
    *at += length;
    return length >= NAME_LEAST && (!quoted || take(at, '>'));
}

/* POSIX counts offsets west of Greenwich. */
static bool offset(const char **at, int *ret_s)
{
    int west_s;

    if (!clock_time(at, OFFSET_HOURS_MOST, &west_s))
        return false;
    *ret_s = -west_s;
    return true;
}

static bool weekday_form(const char **at, struct tzrule_date *date)
{
    date->form = TZRULE_WEEKDAY;
    return number(at, 1, 12, &date->month) && take(at, '.') && number(at, 1, 5, &date->week) &&
           take(at, '.') && number(at, 0, 6, &date->weekday);
}

static bool read_date(const char **at, struct tzrule_date *date)
{
    bool ok;

    date->time_s = 2 * 3600;
    if (take(at, 'M')) {
        ok = weekday_form(at, date);
    } else if (take(at, 'J')) {
        date->form = TZRULE_JULIAN;
        ok = number(at, 1, 365, &date->day);
    } else {
        date->form = TZRULE_ORDINAL;
        ok = number(at, 0, 365, &date->day);
    }
    return ok && (!take(at, '/') || clock_time(at, TIME_HOURS_MOST, &date->time_s));
}

static bool read_summer(const char **at, struct tzrule *rule)
{
    rule->has_summer = true;
    rule->summer_s = rule->standard_s + 3600;
    if (!name(at) || (**at != ',' && !offset(at, &rule->summer_s)))
        return false;
    return take(at, ',') && read_date(at, &rule->start) && take(at, ',') &&
           read_date(at, &rule->end);
}

bool tzrule_read(struct tzrule *ret, const char *text)
{
    struct tzrule rule = {0};
    const char *at = text;

    if (!name(&at) || !offset(&at, &rule.standard_s))
        return false;
    if (*at && !read_summer(&at, &rule))
        return false;
    if (*at)
        return false;
    *ret = rule;
    return true;
}

static int64_t weekday_of_month(const struct tzrule_date *date, int year)
{
    int64_t first = civil_days(year, date->month, 1);
    int day = (date->weekday - civil_weekday(first) + 7) % 7 + (date->week - 1) * 7;

    if (day >= civil_month_days(year, date->month))
        day -= 7;
    return first + day;
}

static int64_t days_of(const struct tzrule_date *date, int year)
{
    int64_t new_year = civil_days(year, 1, 1);
    bool after_leap_day = civil_month_days(year, 2) == 29 && date->day >= 60;

    switch (date->form) {
    case TZRULE_WEEKDAY:
        return weekday_of_month(date, year);
    case TZRULE_JULIAN:
        return new_year + date->day - 1 + after_leap_day;
    case TZRULE_ORDINAL:
        break;
    }
    return new_year + date->day;
}

/* The clock that is changed shows the time of the offset that ends. */
static int64_t change(const struct tzrule_date *date, int year, int offset_s)
{
    return days_of(date, year) * CIVIL_DAY_S + date->time_s - offset_s;
}

int64_t tzrule_start(const struct tzrule *rule, int year)
{
    return change(&rule->start, year, rule->standard_s);
}

int64_t tzrule_end(const struct tzrule *rule, int year)
{
    return change(&rule->end, year, rule->summer_s);
}
