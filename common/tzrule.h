/*
 * The rule by which a zone goes on after its last known transition: the last line of a TZif file.
 *
 * POSIX's TZ variable (XBD 8.3), such as CET-1CEST,M3.5.0,M10.5.0/3, with what RFC 9636 section
 * 3.3.1 adds: hours of a change from -167 to 167. A summer time without its two dates is refused,
 * since POSIX leaves open when it would begin.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum tzrule_form {
    TZRULE_WEEKDAY, /* Mm.w.d: the w-th day d of month m, 5 the last; 0 is Sunday */
    TZRULE_JULIAN,  /* Jn: day 1 to 365, February 29 not counted */
    TZRULE_ORDINAL, /* n: day 0 to 365, February 29 counted */
};

struct tzrule_date {
    enum tzrule_form form;
    int month, week, weekday;
    int day;    /* of the year, in the other two forms */
    int time_s; /* after the midnight that begins the day */
};

struct tzrule {
    int standard_s, summer_s; /* seconds east of UTC */
    bool has_summer;
    struct tzrule_date start, end; /* of summer time */
};

/* False where it is not such a text. */
bool tzrule_read(struct tzrule *ret, const char *text);

/* The Unix times of a year's two changes. Only where there is a summer time. */
int64_t tzrule_start(const struct tzrule *rule, int year);
int64_t tzrule_end(const struct tzrule *rule, int year);
