#include "common/instant.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY_US INT64_C(86400000000)

/* Days since 1970-01-01 of a date in the Gregorian calendar, counted in years that begin in March.
 */
static int64_t days_from_date(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400, of_era = y % 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

/* Reads exactly `count` digits and moves on; -1 where there are fewer. */
static int digits(const char **at, int count)
{
    int number = 0;

    for (int i = 0; i < count; i++) {
        if (!isdigit((unsigned char)(*at)[i]))
            return -1;
        number = number * 10 + ((*at)[i] - '0');
    }
    *at += count;
    return number;
}

static bool character(const char **at, const char *allowed)
{
    if (!**at || !strchr(allowed, **at))
        return false;
    ++*at;
    return true;
}

/* Microseconds of a fraction; digits beyond the sixth are cut. */
static bool fraction(const char **at, int64_t *ret_us)
{
    int64_t unit = 100000;

    *ret_us = 0;
    if (!isdigit((unsigned char)**at))
        return false;
    for (; isdigit((unsigned char)**at); ++*at, unit /= 10)
        *ret_us += (**at - '0') * unit;
    return true;
}

static bool offset_read(const char **at, int64_t *ret_us)
{
    if (character(at, "Zz")) {
        *ret_us = 0;
        return true;
    }
    int sign = **at == '-' ? -1 : 1;

    if (!character(at, "+-"))
        return false;
    int hours = digits(at, 2);
    bool colon = hours >= 0 && character(at, ":");
    int minutes = colon ? digits(at, 2) : -1;

    if (minutes < 0 || hours > 23 || minutes > 59)
        return false;
    *ret_us = sign * (hours * INT64_C(3600) + minutes * INT64_C(60)) * 1000000;
    return true;
}

static bool malformed(struct fault *fault)
{
    return fault_set(
        fault, FAULT_REJECTED,
        "must be an RFC 3339 instant with an offset, such as 2026-11-21T09:00:00+01:00");
}

bool instant_read(int64_t *ret_us, const char *text, struct fault *fault)
{
    const char *at = text;
    int64_t part_us = 0, offset_us;
    int year = digits(&at, 4), month = -1, day = -1, hour = -1, minute = -1, second = -1;

    if (year < 0 || !character(&at, "-") || (month = digits(&at, 2)) < 0 || !character(&at, "-") ||
        (day = digits(&at, 2)) < 0 || !character(&at, "Tt ") || (hour = digits(&at, 2)) < 0 ||
        !character(&at, ":") || (minute = digits(&at, 2)) < 0 || !character(&at, ":") ||
        (second = digits(&at, 2)) < 0)
        return malformed(fault);
    if (character(&at, ".") && !fraction(&at, &part_us))
        return malformed(fault);
    if (!*at)
        return fault_set(fault, FAULT_REJECTED,
                         "has no offset: end it with Z or with one such as +01:00");
    if (!offset_read(&at, &offset_us) || *at)
        return malformed(fault);
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 ||
        minute > 59)
        return fault_set(fault, FAULT_REJECTED, "is not a date and time that exists");
    if (second > 59)
        return fault_set(fault, FAULT_REJECTED, "must have a second of 00 to 59 (no leap seconds)");

    int64_t us = days_from_date(year, month, day) * DAY_US +
                 (hour * INT64_C(3600) + minute * INT64_C(60) + second) * 1000000 + part_us -
                 offset_us;

    if (us < INSTANT_LEAST_US || us > INSTANT_MOST_US)
        return fault_set(fault, FAULT_REJECTED, "must be within the years 1970 to 2199");
    *ret_us = us;
    return true;
}

/* `count` digits of the number, and what stands behind them. */
static char *put_digits(char *at, int number, int count, char behind)
{
    for (int i = count; i-- > 0; number /= 10)
        at[i] = (char)('0' + number % 10);
    at[count] = behind;
    return at + count + 1;
}

char *instant_write(char text[static INSTANT_TEXT], int64_t unix_us)
{
    int64_t second = unix_us / 1000000, us = unix_us % 1000000;
    struct tm parts;
    time_t time = (time_t)(us < 0 ? second - 1 : second);

    if (us < 0)
        us += 1000000;
    if (!gmtime_r(&time, &parts) || parts.tm_year < -1900 || parts.tm_year > 9999 - 1900)
        return strcpy(text, "infinity");
    char *at = put_digits(text, parts.tm_year + 1900, 4, '-');

    at = put_digits(at, parts.tm_mon + 1, 2, '-');
    at = put_digits(at, parts.tm_mday, 2, 'T');
    at = put_digits(at, parts.tm_hour, 2, ':');
    at = put_digits(at, parts.tm_min, 2, ':');
    at = put_digits(at, parts.tm_sec, 2, '.');
    *put_digits(at, (int)(us / 1000), 3, 'Z') = '\0';
    return text;
}

struct unit {
    const char *name;
    int64_t ms;
};

/* Number and unit pairs, each unit at most once and in the order of the table. */
static bool units_read(const char **at, const struct unit *units, size_t count, int64_t *ret_ms,
                       bool *any)
{
    size_t next = 0;

    while (isdigit((unsigned char)**at)) {
        int64_t number = 0, part_us = 0;
        size_t length = strspn(*at, "0123456789");
        bool broken = false;

        if (length > 12)
            return false;
        for (size_t i = 0; i < length; i++)
            number = number * 10 + ((*at)[i] - '0');
        *at += length;
        if (character(at, ".,") && !(broken = !fraction(at, &part_us)))
            broken = units[count - 1].ms != 1000 || **at != *units[count - 1].name;
        while (next < count && (strncmp(*at, units[next].name, strlen(units[next].name)) ||
                                (!strcmp(units[next].name, "m") && (*at)[1] == 's')))
            next++;
        if (broken || next == count)
            return false;
        *at += strlen(units[next].name);
        if (__builtin_mul_overflow(number, units[next].ms, &number) ||
            __builtin_add_overflow(*ret_ms, number + part_us * units[next].ms / 1000000, ret_ms))
            return false;
        next++;
        *any = true;
    }
    return true;
}

bool duration_read(int64_t *ret_ms, const char *text, struct fault *fault)
{
    static const struct unit weeks[] = {{"W", 604800000}}, days[] = {{"D", 86400000}},
                             times[] = {{"H", 3600000}, {"M", 60000}, {"S", 1000}};
    const char *at = text;
    int64_t ms = 0;
    bool any = false, any_time = false, ok = character(&at, "P");

    if (ok && strchr(at, 'W'))
        ok = units_read(&at, weeks, 1, &ms, &any);
    else if (ok)
        ok = units_read(&at, days, 1, &ms, &any);
    if (ok && character(&at, "T"))
        ok = units_read(&at, times, 3, &ms, &any_time) && any_time;
    if (ok && (any || any_time) && !*at) {
        *ret_ms = ms;
        return true;
    }
    return fault_set(fault, FAULT_REJECTED,
                     "must be an ISO 8601 duration of weeks, days, hours, minutes and seconds, "
                     "such as PT30S or P1DT2H (no years, no months, not negative)");
}

bool duration_read_setting(int64_t *ret_ms, const char *text, struct fault *fault)
{
    static const struct unit units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}},
                             milli[] = {{"ms", 1}};
    const char *at = text;
    int64_t ms = 0;
    bool any = false;

    if (*text == 'P')
        return duration_read(ret_ms, text, fault);
    size_t length = strspn(text, "0123456789");
    bool ok = length && !strcmp(text + length, "ms") ? units_read(&at, milli, 1, &ms, &any)
                                                     : units_read(&at, units, 4, &ms, &any);

    if (!ok || !any || *at)
        return fault_set(fault, FAULT_REJECTED,
                         "must be a duration such as 500ms, 30s, 5m, 1h30m, 7d or PT30S");
    *ret_ms = ms;
    return true;
}

char *duration_write(char text[static INSTANT_TEXT], int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *before, *after;
    } units[] = {{86400000, "P", "D"}, {3600000, "PT", "H"}, {60000, "PT", "M"}, {1000, "PT", "S"}};

    if (!ms)
        return strcpy(text, "PT0S");
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (ms % units[i].ms)
            continue;
        snprintf(text, INSTANT_TEXT, "%s%lld%s", units[i].before, (long long)(ms / units[i].ms),
                 units[i].after);
        return text;
    }
    snprintf(text, INSTANT_TEXT, "PT%lld.%03dS", (long long)(ms / 1000), (int)(ms % 1000));
    return text;
}
