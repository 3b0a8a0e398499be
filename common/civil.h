/*
 * Dates and times of day as a calendar and a clock on the wall show them, without a zone.
 *
 * The Gregorian calendar, backwards and forwards without end; every day has 86,400 s. A civil time
 * is also counted in seconds since 1970-01-01 00:00:00 of the same wall clock, which is the Unix
 * time only where the zone is UTC.
 */
#pragma once

#include <stdint.h>

struct civil {
    int year, month, day; /* month and day from 1 */
    int hour, minute, second;
};

#define CIVIL_DAY_S 86400

/* Days since 1970-01-01. */
int64_t civil_days(int year, int month, int day);
int64_t civil_seconds(const struct civil *civil);
struct civil civil_of(int64_t seconds);

/* 0 is Sunday, as of a count of days since 1970-01-01. */
int civil_weekday(int64_t days);
int civil_month_days(int year, int month);
