#include "common/civil.h"

#include <stdbool.h>

#define ERA_YEARS 400
#define ERA_DAYS 146097 /* of 400 years, after which the calendar repeats */
#define EPOCH 719468    /* days from 0000-03-01 to 1970-01-01 */

static int64_t floor_div(int64_t number, int64_t by)
{
    return number / by - (number % by < 0);
}

/* Years are counted from March here, so that the leap day is the last one of its year. */
int64_t civil_days(int year, int month, int day)
{
    int64_t from_march = month > 2 ? year : (int64_t)year - 1;
    int64_t era = floor_div(from_march, ERA_YEARS), of_era = from_march - era * ERA_YEARS;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH;
}

int64_t civil_seconds(const struct civil *civil)
{
    return civil_days(civil->year, civil->month, civil->day) * CIVIL_DAY_S + civil->hour * 3600 +
           civil->minute * 60 + civil->second;
}

static void set_date(struct civil *civil, int64_t days)
{
    int64_t era = floor_div(days + EPOCH, ERA_DAYS), of_era = days + EPOCH - era * ERA_DAYS;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153; /* from March, which is 0 */

    civil->day = (int)(of_year - (153 * month + 2) / 5 + 1);
    civil->month = (int)(month < 10 ? month + 3 : month - 9);
    civil->year = (int)(era * ERA_YEARS + year + (civil->month <= 2));
}

struct civil civil_of(int64_t seconds)
{
    int64_t days = floor_div(seconds, CIVIL_DAY_S);
    int of_day = (int)(seconds - days * CIVIL_DAY_S);
    struct civil civil = {.hour = of_day / 3600, .minute = of_day / 60 % 60, .second = of_day % 60};

    set_date(&civil, days);
    return civil;
}

int civil_weekday(int64_t days)
{
    int64_t since_sunday = days + 4; /* 1970-01-01 was a Thursday */

    return (int)(since_sunday - floor_div(since_sunday, 7) * 7);
}

int civil_month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}
