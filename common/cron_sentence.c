#include "common/cron.h"

#include "common/cron_fields.h"
#include "common/mem.h"

#define CLOCK_MOST 6    /* times of day that are told one by one */
#define PIECES_MOST 120 /* runs and single values of a field: at most every second year */

static const char *const months[] = {NULL,      "January",  "February", "March",  "April",
                                     "May",     "June",     "July",     "August", "September",
                                     "October", "November", "December"};
static const char *const weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
static const char *const nths[] = {"1st", "2nd", "3rd", "4th", "5th"};

/* --- Lists ----------------------------------------------------------------------------------- */

static void put_between(struct cron_out *out, int index, int count)
{
    if (index > 0)
        cron_put(out, index + 1 < count ? ", " : " and ");
}

/* One value, or a run of three and more. */
struct piece {
    int first, last;
};

/* Weeks begin on Monday here, so that Saturday and Sunday are neighbours. */
static int pieces_of(const struct cron *cron, enum cron_field field,
                     struct piece pieces[static PIECES_MOST])
{
    int shift = field == CRON_WEEKDAY, most = cron_ranges[field].most + shift, count = 0;
    int least = cron_ranges[field].least + shift;

    for (int first = least, last; first <= most && count < PIECES_MOST; first = last + 1) {
        last = first;
        if (!cron_has(cron, field, first))
            continue;
        while (last < most && cron_has(cron, field, last + 1))
            last++;
        if (last - first < 2)
            last = first;
        pieces[count++] = (struct piece){first, last};
    }
    return count;
}

static void put_value(struct cron_out *out, enum cron_field field, int value)
{
    if (field == CRON_MONTH)
        cron_put(out, "%s", months[value]);
    else if (field == CRON_WEEKDAY)
        cron_put(out, "%s", weekdays[value % 7]);
    else
        cron_put(out, "%d", value);
}

static void put_values(struct cron_out *out, const struct cron *cron, enum cron_field field)
{
    struct piece pieces[PIECES_MOST];
    int count = pieces_of(cron, field, pieces);

    for (int i = 0; i < count; i++) {
        put_between(out, i, count);
        put_value(out, field, pieces[i].first);
        if (pieces[i].last == pieces[i].first)
            continue;
        cron_put(out, " to ");
        put_value(out, field, pieces[i].last);
    }
}

/* "minute 5", "minutes 5 and 10" */
static void put_named(struct cron_out *out, const struct cron *cron, enum cron_field field,
                      const char *name)
{
    cron_put(out, "%s%s ", name, cron_count(cron, field) > 1 ? "s" : "");
    put_values(out, cron, field);
}

/* --- Time of day ----------------------------------------------------------------------------- */

struct shapes {
    struct cron_shape second, minute, hour;
};

static bool is_zero(const struct cron_shape *shape)
{
    return shape->count == 1 && shape->first == 0;
}

/* "Every minute", "Every 5 minutes" */
static bool put_every(struct cron_out *out, const struct cron_shape *shape, const char *unit)
{
    if (shape->full)
        cron_put(out, "Every %s", unit);
    else if (shape->even)
        cron_put(out, "Every %d %ss", shape->step, unit);
    return shape->full || shape->even;
}

static bool is_clock(const struct shapes *shapes)
{
    return shapes->hour.count * shapes->minute.count * shapes->second.count <= CLOCK_MOST;
}

static void put_clock(struct cron_out *out, const struct cron *cron, const struct shapes *shapes)
{
    int count = shapes->hour.count * shapes->minute.count * shapes->second.count, index = 0;

    cron_put(out, "At ");
    for (int of_day = 0; index < count; of_day++) {
        struct civil at = civil_of(of_day);

        if (!cron_has(cron, CRON_HOUR, at.hour)) {
            of_day += 3599; /* the next hour */
            continue;
        }
        if (!cron_has(cron, CRON_MINUTE, at.minute) || !cron_has(cron, CRON_SECOND, at.second))
            continue;
        put_between(out, index++, count);
        cron_put(out, "%02d:%02d", at.hour, at.minute);
        if (!is_zero(&shapes->second))
            cron_put(out, ":%02d", at.second);
    }
}

/* `listed`: the hours follow as "of hours 1 and 3". */
static void put_minutes(struct cron_out *out, const struct cron *cron,
                        const struct cron_shape *minute, bool listed)
{
    if (put_every(out, minute, "minute"))
        return;
    if (!listed && is_zero(minute)) {
        cron_put(out, "Every hour");
        return;
    }
    if (!listed && minute->count == 1) {
        cron_put(out, "At %d minute%s past every hour", minute->first,
                 minute->first > 1 ? "s" : "");
        return;
    }
    put_named(out, cron, CRON_MINUTE, "At minute");
    if (!listed)
        cron_put(out, " of every hour");
}

static void put_seconds(struct cron_out *out, const struct cron *cron, const struct shapes *shapes,
                        bool listed)
{
    bool every = put_every(out, &shapes->second, "second");

    if (!every)
        put_named(out, cron, CRON_SECOND, "At second");
    if (!shapes->minute.full)
        put_named(out, cron, CRON_MINUTE, " of minute");
    else if (!every)
        cron_put(out, " of every minute");
    if (!shapes->minute.full && !listed)
        cron_put(out, " of every hour");
}

static void put_hours(struct cron_out *out, const struct cron *cron, const struct shapes *shapes,
                      bool listed)
{
    if (listed)
        put_named(out, cron, CRON_HOUR, " of hour");
    else if (!shapes->hour.full)
        cron_put(out, ", from %02d:%02d to %02d:%02d", shapes->hour.first, shapes->minute.first,
                 shapes->hour.last, shapes->minute.last);
}

/* Returns whether it is times of day, each of which comes once a day. */
static bool put_time(struct cron_out *out, const struct cron *cron)
{
    struct shapes shapes = {cron_shape(cron, CRON_SECOND), cron_shape(cron, CRON_MINUTE),
                            cron_shape(cron, CRON_HOUR)};
    bool at_full_hours = is_zero(&shapes.second) && is_zero(&shapes.minute);
    bool run = shapes.hour.last - shapes.hour.first + 1 == shapes.hour.count &&
               shapes.hour.count * shapes.minute.count > 1;

    if (at_full_hours && cron->open[CRON_HOUR] && shapes.hour.even) {
        put_every(out, &shapes.hour, "hour");
        return false;
    }
    if (is_clock(&shapes)) {
        put_clock(out, cron, &shapes);
        return true;
    }
    if (is_zero(&shapes.second))
        put_minutes(out, cron, &shapes.minute, !run);
    else
        put_seconds(out, cron, &shapes, !run);
    put_hours(out, cron, &shapes, !run);
    return false;
}

/* --- Days ------------------------------------------------------------------------------------ */

/* Phrases of one day field, with "and" between them. */
struct phrases {
    struct cron_out *out;
    int count;
};

static struct cron_out *next(struct phrases *phrases)
{
    if (phrases->count++)
        cron_put(phrases->out, " and ");
    return phrases->out;
}

static void put_month_days(struct cron_out *out, const struct cron *cron)
{
    struct phrases phrases = {.out = out};

    if (cron_count(cron, CRON_DAY)) {
        put_named(next(&phrases), cron, CRON_DAY, "on day");
        cron_put(out, " of the month");
    }
    if (cron->before_last & 1)
        cron_put(next(&phrases), "on the last day of the month");
    for (int n = 1; n <= 30; n++)
        if (cron->before_last >> n & 1)
            cron_put(next(&phrases), "%d day%s before the last day of the month", n,
                     n > 1 ? "s" : "");
    for (int n = 1; n <= 31; n++)
        if (cron->nearest >> n & 1)
            cron_put(next(&phrases), "on the workday nearest to day %d of the month", n);
    if (cron->last_workday)
        cron_put(next(&phrases), "on the last workday of the month");
}

/* "Monday to Friday", "on Friday", "on the last Friday of the month" */
static void put_weekdays(struct cron_out *out, const struct cron *cron)
{
    struct phrases phrases = {.out = out};
    struct piece pieces[PIECES_MOST];
    int count = pieces_of(cron, CRON_WEEKDAY, pieces);

    if (count) {
        bool one_run = count == 1 && pieces[0].last > pieces[0].first;

        cron_put(next(&phrases), "%s", one_run ? "" : "on ");
        put_values(out, cron, CRON_WEEKDAY);
    }
    for (int day = 1; day <= 7; day++) {
        for (size_t nth = 0; nth < COUNT(nths); nth++)
            if (cron->nth_weekdays[nth] >> day % 7 & 1)
                cron_put(next(&phrases), "on the %s %s of the month", nths[nth], weekdays[day % 7]);
        if (cron->last_weekdays >> day % 7 & 1)
            cron_put(next(&phrases), "on the last %s of the month", weekdays[day % 7]);
    }
}

/* Returns whether there was anything to say. */
static bool put_days(struct cron_out *out, const struct cron *cron)
{
    bool day = !cron_shape(cron, CRON_DAY).full, weekday = !cron_shape(cron, CRON_WEEKDAY).full;
    bool either = !cron->open[CRON_DAY] && !cron->open[CRON_WEEKDAY];

    if ((!day && !weekday) || (either && (!day || !weekday)))
        return false;
    cron_put(out, ", ");
    if (day)
        put_month_days(out, cron);
    if (day && weekday)
        cron_put(out, either ? " or " : ", but only ");
    if (weekday)
        put_weekdays(out, cron);
    return true;
}

static bool put_months(struct cron_out *out, const struct cron *cron, enum cron_field field)
{
    if (cron_shape(cron, field).full)
        return false;
    cron_put(out, ", in ");
    put_values(out, cron, field);
    return true;
}

/* --- The whole ------------------------------------------------------------------------------- */

static void put_grid(struct cron_out *out, int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{86400000, "day"},
                 {3600000, "hour"},
                 {60000, "minute"},
                 {1000, "second"},
                 {1, "millisecond"}};
    size_t i = 0;

    while (ms % units[i].ms)
        i++;
    if (ms == units[i].ms)
        cron_put(out, "Every %s", units[i].name);
    else
        cron_put(out, "Every %lld %ss", (long long)(ms / units[i].ms), units[i].name);
}

static void put_calendar(struct cron_out *out, const struct cron *cron)
{
    bool clock = put_time(out, cron);

    if (!put_days(out, cron) && clock)
        cron_put(out, ", every day");
    put_months(out, cron, CRON_MONTH);
    put_months(out, cron, CRON_YEAR);
}

char *cron_sentence(char text[static CRON_SENTENCE], const struct cron *cron)
{
    struct cron_out out = {.text = text, .room = CRON_SENTENCE};

    *text = '\0';
    if (cron->kind == CRON_EVERY)
        put_grid(&out, cron->every_ms);
    else
        put_calendar(&out, cron);
    if (out.cut)
        strcpy(text + CRON_SENTENCE - 4, "...");
    return text;
}
