/*
 * A second opinion on cron_next and cron_previous: it reads the expressions in its own, naive way
 * and walks through time, in whole days, hours or minutes where nothing of them fits, otherwise
 * second by second.
 *
 * CRON_ORACLE_CASES and CRON_ORACLE_SEED ask for more than the usual cases, or for others.
 */
#include "tests/unit/unit.h"

#include "common/cron.h"
#include "common/instant.h"
#include "common/mem.h"
#include "tests/harness/walls.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define CASES 40000
#define FIRES 3 /* in a row, of each case */
#define DAY_S INT64_C(86400)
#define LAST_S INT64_C(7258118399)
#define US 1000000

/* --- Numbers --------------------------------------------------------------------------------- */

static uint64_t seed = 20261121;

static uint64_t number(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * UINT64_C(0x2545F4914F6CDD1D) >> 11;
}

static int64_t between(int64_t least, int64_t most)
{
    return least + (int64_t)(number() % (uint64_t)(most - least + 1));
}

static bool one_in(int count)
{
    return between(1, count) == 1;
}

/* --- The naive reading ----------------------------------------------------------------------- */

static const struct {
    int least, most;
} limits[CRON_FIELD_COUNT] = {{0, 59}, {0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 6}, {1970, 2199}};

struct naive {
    enum cron_dialect dialect;
    char fields[CRON_FIELD_COUNT][96];
    bool fits[CRON_FIELD_COUNT][2200]; /* by value, but for the days */
};

static int days_in(int year, int month)
{
    if (month == 2)
        return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/* Zeller's congruence; 0 is Sunday. */
static int weekday_of(int year, int month, int day)
{
    int m = month < 3 ? month + 12 : month, y = month < 3 ? year - 1 : year;
    int from_saturday = (day + 13 * (m + 1) / 5 + y + y / 4 - y / 100 + y / 400) % 7;

    return (from_saturday + 6) % 7;
}

static int value_of(const struct naive *naive, enum cron_field field, const char *text)
{
    static const char *const words[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT",
                                        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL",
                                        "AUG", "SEP", "OCT", "NOV", "DEC"};

    for (size_t i = 0; isalpha((unsigned char)*text) && i < COUNT(words); i++)
        if (!strncasecmp(text, words[i], 3))
            return (int)(i < 7 ? i : i - 6);
    return atoi(text) - (field == CRON_WEEKDAY && naive->dialect == CRON_QUARTZ);
}

/* A value, a range or a star, with or without a step. */
static bool range_fits(const struct naive *naive, enum cron_field field, const char *item,
                       int value)
{
    const char *slash = strchr(item, '/'), *dash = strchr(item, '-');
    int step = slash ? atoi(slash + 1) : 1, first, last;

    if (*item == '*' || *item == '?') {
        first = limits[field].least;
        last = limits[field].most;
    } else {
        first = value_of(naive, field, item);
        last = dash ? value_of(naive, field, dash + 1) : slash ? limits[field].most : first;
        if (dash && field == CRON_WEEKDAY && last == 0 && first > 0)
            last = 7;
        if (last < first)
            last = first; /* 7/2: Sunday alone */
    }
    return value >= first && value <= last && (value - first) % step == 0;
}

/* Monday to Friday, and no other such day of the month is nearer. */
static bool is_nearest(int year, int month, int day, int wanted)
{
    int best = 0, best_distance = 100;

    if (wanted > days_in(year, month))
        return false;
    for (int i = 1; i <= days_in(year, month); i++) {
        int weekday = weekday_of(year, month, i), distance = abs(i - wanted);

        if (weekday == 0 || weekday == 6 || distance >= best_distance)
            continue;
        best = i;
        best_distance = distance;
    }
    return day == best;
}

static bool is_last_workday(int year, int month, int day)
{
    int last = days_in(year, month);

    while (weekday_of(year, month, last) == 0 || weekday_of(year, month, last) == 6)
        last--;
    return day == last;
}

static bool day_fits(const struct naive *naive, const char *item, int year, int month, int day)
{
    size_t length = strlen(item);

    if (!strcasecmp(item, "LW"))
        return is_last_workday(year, month, day);
    if (toupper((unsigned char)*item) == 'L')
        return day == days_in(year, month) - (item[1] == '-' ? atoi(item + 2) : 0);
    if (toupper((unsigned char)item[length - 1]) == 'W')
        return is_nearest(year, month, day, atoi(item));
    return range_fits(naive, CRON_DAY, item, day);
}

static bool weekday_fits(const struct naive *naive, const char *item, int year, int month, int day)
{
    int weekday = weekday_of(year, month, day);
    size_t length = strlen(item);
    const char *sharp = strchr(item, '#');

    if (!strcasecmp(item, "L"))
        return weekday == 6;
    if (sharp)
        return value_of(naive, CRON_WEEKDAY, item) % 7 == weekday &&
               (day + 6) / 7 == atoi(sharp + 1);
    if (toupper((unsigned char)item[length - 1]) == 'L')
        return value_of(naive, CRON_WEEKDAY, item) % 7 == weekday && day + 7 > days_in(year, month);
    return range_fits(naive, CRON_WEEKDAY, item, weekday) ||
           (weekday == 0 && *item != '*' && *item != '?' &&
            range_fits(naive, CRON_WEEKDAY, item, 7));
}

static bool item_fits(const struct naive *naive, enum cron_field field, const char *item,
                      const struct civil *at)
{
    return field == CRON_DAY ? day_fits(naive, item, at->year, at->month, at->day)
                             : weekday_fits(naive, item, at->year, at->month, at->day);
}

/* One of the two day fields. */
static bool days_fit(const struct naive *naive, enum cron_field field, const struct civil *at)
{
    char copy[sizeof naive->fields[0]], *rest = copy, *item;

    memcpy(copy, naive->fields[field], sizeof copy);
    while ((item = strsep(&rest, ",")))
        if (item_fits(naive, field, item, at))
            return true;
    return false;
}

static bool has_star(const struct naive *naive, enum cron_field field)
{
    return naive->fields[field][0] == '*' || naive->fields[field][0] == '?';
}

static bool compute_date(const struct naive *naive, const struct civil *at)
{
    if (!naive->fits[CRON_YEAR][at->year] || !naive->fits[CRON_MONTH][at->month])
        return false;
    bool day = days_fit(naive, CRON_DAY, at), weekday = days_fit(naive, CRON_WEEKDAY, at);

    return has_star(naive, CRON_DAY) || has_star(naive, CRON_WEEKDAY) ? day && weekday
                                                                      : day || weekday;
}

/* The last answer is kept: most questions are about the same day. */
static struct {
    int year, month, day;
    bool fits;
} asked;

static bool date_fits(const struct naive *naive, const struct civil *at)
{
    if (asked.year != at->year || asked.month != at->month || asked.day != at->day) {
        asked.year = at->year;
        asked.month = at->month;
        asked.day = at->day;
        asked.fits = at->year >= 1970 && at->year <= 2199 && compute_date(naive, at);
    }
    return asked.fits;
}

static bool fits(const struct naive *naive, const struct civil *at)
{
    return naive->fits[CRON_SECOND][at->second] && naive->fits[CRON_MINUTE][at->minute] &&
           naive->fits[CRON_HOUR][at->hour] && date_fits(naive, at);
}

static void prepare(struct naive *naive)
{
    static const enum cron_field fields[] = {CRON_SECOND, CRON_MINUTE, CRON_HOUR, CRON_MONTH,
                                             CRON_YEAR};

    asked.year = 0;
    for (size_t i = 0; i < COUNT(fields); i++) {
        char copy[sizeof naive->fields[0]], *rest = copy, *item;

        memcpy(copy, naive->fields[fields[i]], sizeof copy);
        while ((item = strsep(&rest, ",")))
            for (int value = limits[fields[i]].least; value <= limits[fields[i]].most; value++)
                if (range_fits(naive, fields[i], item, value))
                    naive->fits[fields[i]][value] = true;
    }
}

static bool is_fixed(const struct naive *naive)
{
    return !has_star(naive, CRON_HOUR) && strncmp(naive->fields[CRON_HOUR], "0/", 2);
}

/* --- The walk -------------------------------------------------------------------------------- */

static int64_t local_s(const struct zone *zone, int64_t at_s)
{
    return at_s + zone_offset_at(zone, at_s);
}

/* Whether the same local time is shown at another instant, earlier (-1) or later (1). */
static bool is_shown_again(const struct zone *zone, int64_t at_s, int direction)
{
    for (int distance_s = 900; distance_s <= 4 * 3600; distance_s += 900) {
        int64_t other_s = at_s + direction * distance_s;

        if (local_s(zone, other_s) == local_s(zone, at_s))
            return true;
    }
    return false;
}

/* Whether a time that fits was left out right before `at_s`; the first of them. */
static bool is_left_out(const struct naive *naive, const struct zone *zone, int64_t at_s,
                        struct civil *ret)
{
    for (int64_t local = local_s(zone, at_s - 1) + 1; local < local_s(zone, at_s); local++) {
        struct civil at = civil_of(local);

        if (!fits(naive, &at))
            continue;
        *ret = at;
        return true;
    }
    return false;
}

/* What an instant is to an expression, and nothing about any other instant. */
static bool fires_at(const struct naive *naive, const struct zone *zone, const struct cron_dst *dst,
                     int64_t at_s, struct cron_fire *ret)
{
    struct civil local = civil_of(local_s(zone, at_s));
    bool fixed = is_fixed(naive);

    *ret = (struct cron_fire){at_s * US, local, CRON_TOUCHED_GAP};
    if (fixed && dst->gap == CRON_GAP_RUN_AFTER && is_left_out(naive, zone, at_s, &ret->nominal))
        return true;
    if (fixed && dst->gap == CRON_GAP_RUN_BEFORE &&
        is_left_out(naive, zone, at_s + 1, &ret->nominal))
        return true;
    if (!fits(naive, &local))
        return false;
    bool before = is_shown_again(zone, at_s, -1), after = is_shown_again(zone, at_s, 1);

    ret->touched = before || after ? CRON_TOUCHED_OVERLAP : CRON_TOUCHED_NONE;
    if (fixed && dst->overlap == CRON_OVERLAP_FIRST)
        return !before;
    return !fixed || dst->overlap == CRON_OVERLAP_BOTH || !after;
}

/*
 * The next instant to look at: the last second of a day, hour or minute of which nothing fits,
 * unless the clock is changed until then; otherwise the next second.
 */
static int64_t after(const struct naive *naive, const struct zone *zone, int64_t at_s)
{
    int offset_s = zone_offset_at(zone, at_s);
    struct civil local = civil_of(at_s + offset_s);
    bool date = date_fits(naive, &local), hour = date && naive->fits[CRON_HOUR][local.hour];
    bool minute = hour && naive->fits[CRON_MINUTE][local.minute];
    int of_day_s = local.hour * 3600 + local.minute * 60 + local.second;
    const struct {
        bool fits;
        int length_s;
    } units[] = {{date, 86400}, {hour, 3600}, {minute, 60}};

    for (size_t i = 0; i < COUNT(units); i++) {
        int rest_s = units[i].length_s - 1 - of_day_s % units[i].length_s;

        if (!units[i].fits && rest_s > 0 && zone_offset_at(zone, at_s + rest_s) == offset_s)
            return at_s + rest_s;
    }
    return at_s + 1;
}

static bool walk(const struct naive *naive, const struct zone *zone, const struct cron_dst *dst,
                 int64_t from_s, int64_t to_s, struct cron_fire *ret)
{
    for (int64_t at_s = from_s; at_s <= to_s; at_s = after(naive, zone, at_s))
        if (fires_at(naive, zone, dst, at_s, ret))
            return true;
    return false;
}

/* --- Random expressions ---------------------------------------------------------------------- */

static int any_value(enum cron_field field)
{
    if (field == CRON_YEAR)
        return (int)between(1970, 2199);
    return (int)between(limits[field].least, limits[field].most);
}

static void put_value(const struct naive *naive, enum cron_field field, int value, char *item)
{
    static const char *const months[] = {NULL,  "JAN", "feb", "Mar", "APR", "MAY", "JUN",
                                         "JUL", "aug", "SEP", "OCT", "NOV", "dec"};
    static const char *const weekdays[] = {"SUN", "mon", "TUE", "Wed", "THU", "FRI", "SAT"};
    bool weekday = field == CRON_WEEKDAY, quartz = naive->dialect == CRON_QUARTZ;

    if (field == CRON_MONTH && one_in(2))
        strcat(item, months[value]);
    else if (weekday && one_in(2))
        strcat(item, weekdays[value]);
    else if (weekday && !quartz && value == 0 && one_in(2))
        strcat(item, "7");
    else
        sprintf(item + strlen(item), "%d", value + (weekday && quartz));
}

static void put_step(enum cron_field field, char *item)
{
    int most = limits[field].most - limits[field].least + 1;

    sprintf(item + strlen(item), "/%d", (int)between(1, one_in(3) ? most : (most + 4) / 5));
}

static void put_range(const struct naive *naive, enum cron_field field, char *item)
{
    int first = any_value(field), last = any_value(field);

    if (first > last) {
        int kept = first;

        first = last;
        last = kept;
    }
    if (field == CRON_WEEKDAY && first == 0 && last == 0)
        last = 1;
    /* SUN in front is 0, and 7 in front would run backwards. */
    if (field == CRON_WEEKDAY && first == 0)
        strcat(item, naive->dialect == CRON_QUARTZ ? "1" : "SUN");
    else
        put_value(naive, field, first, item);
    strcat(item, "-");
    if (field == CRON_WEEKDAY && one_in(5))
        strcat(item, first > 0 ? "SUN" : "SAT");
    else
        put_value(naive, field, last, item);
}

/* L, L-3, LW, 15W */
static void put_special_day(char *item)
{
    static const char *const fixed[] = {"L", "l", "LW", "lw"};

    if (one_in(2))
        strcat(item, fixed[between(0, 3)]);
    else if (one_in(2))
        sprintf(item, "L-%d", (int)between(1, 30));
    else
        sprintf(item, "%dW", (int)between(1, 31));
}

static void put_special_weekday(const struct naive *naive, char *item)
{
    if (naive->dialect == CRON_QUARTZ && one_in(5)) {
        strcat(item, "L");
        return;
    }
    put_value(naive, CRON_WEEKDAY, (int)between(0, 6), item);
    if (one_in(2))
        strcat(item, "L");
    else
        sprintf(item + strlen(item), "#%d", (int)between(1, 5));
}

static void put_item(const struct naive *naive, enum cron_field field, char *item)
{
    int64_t kind = between(1, 10);

    *item = '\0';
    if (field == CRON_DAY && kind > 7) {
        put_special_day(item);
    } else if (field == CRON_WEEKDAY && kind > 7) {
        put_special_weekday(naive, item);
    } else if (kind == 1) {
        strcat(item, "*");
        put_step(field, item);
    } else if (kind <= 3) {
        put_range(naive, field, item);
        if (one_in(2))
            put_step(field, item);
    } else {
        put_value(naive, field, any_value(field), item);
        if (kind == 4)
            put_step(field, item);
    }
}

/* In how many of ten expressions a field is only a star. */
static const int64_t stars[CRON_FIELD_COUNT] = {0, 3, 3, 6, 6, 6, 8};

static void make_field(struct naive *naive, enum cron_field field)
{
    char item[48];

    naive->fields[field][0] = '\0';
    if (between(1, 10) <= stars[field] || (field == CRON_SECOND && one_in(20))) {
        strcpy(naive->fields[field], "*");
        return;
    }
    do {
        if (naive->fields[field][0])
            strcat(naive->fields[field], ",");
        put_item(naive, field, item);
        strcat(naive->fields[field], item);
    } while (one_in(3) && strlen(naive->fields[field]) < 40);
    /* Most are at one second, so that the walk comes far. */
    if (field == CRON_SECOND && !one_in(4))
        sprintf(naive->fields[field], "%d", one_in(2) ? 0 : (int)between(0, 59));
}

/* The field's second and year are what they are where the text leaves them out. */
static void write_fields(struct naive *naive, char *text)
{
    bool quartz = naive->dialect == CRON_QUARTZ, gdts = naive->dialect == CRON_GDTS;
    bool second = quartz || (naive->dialect != CRON_VIXIE && one_in(2));
    bool year = (second && one_in(2)) || (gdts && one_in(2));

    if (gdts && second)
        year = true;
    if (!second)
        strcpy(naive->fields[CRON_SECOND], "0");
    if (!year)
        strcpy(naive->fields[CRON_YEAR], "*");
    *text = '\0';
    for (int field = second ? CRON_SECOND : CRON_MINUTE; field <= (year ? CRON_YEAR : CRON_WEEKDAY);
         field++) {
        strcat(text, naive->fields[field]);
        strcat(text, one_in(10) ? "  " : " ");
    }
}

static void make(struct naive *naive, char *text)
{
    naive->dialect = (enum cron_dialect)between(0, CRON_DIALECT_COUNT - 1);
    for (int field = 0; field < CRON_FIELD_COUNT; field++)
        make_field(naive, (enum cron_field)field);
    enum cron_field either = one_in(2) ? CRON_DAY : CRON_WEEKDAY;

    if (naive->dialect == CRON_QUARTZ || one_in(10))
        strcpy(naive->fields[either], "?");
    write_fields(naive, text);
    prepare(naive);
}

/* --- The comparison -------------------------------------------------------------------------- */

static const char *const zone_names[] = {
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
    "Africa/Cairo",  "America/Santiago", "Asia/Beirut",
    "Pacific/Apia",  "Asia/Kathmandu",   "Africa/Casablanca",
    "UTC",
};

struct question {
    struct naive naive;
    char text[CRON_TEXT_MOST + 1];
    struct cron cron;
    const struct zone *zone;
    struct cron_dst dst;
};

static void fail_on(const struct question *question, int64_t after_us, bool is,
                    const struct cron_fire *is_fire, bool must, const struct cron_fire *must_fire)
{
    char at[INSTANT_TEXT], one[INSTANT_TEXT], other[INSTANT_TEXT];

    fail_msg("\"%s\" (%s) in %s, %s, %s, after %s: is %s %s, must be %s %s", question->text,
             cron_dialect_name(question->naive.dialect), zone_name(question->zone),
             cron_gap_name(question->dst.gap), cron_overlap_name(question->dst.overlap),
             instant_write(at, after_us),
             is && is_fire ? instant_write(one, is_fire->at_us) : "none",
             is && is_fire ? cron_touched_name(is_fire->touched) : "",
             must && must_fire ? instant_write(other, must_fire->at_us) : "none",
             must && must_fire ? cron_touched_name(must_fire->touched) : "");
}

static bool same(const struct cron_fire *one, const struct cron_fire *other)
{
    return one->at_us == other->at_us && one->touched == other->touched &&
           !memcmp(&one->nominal, &other->nominal, sizeof one->nominal);
}

/* The last fire before one is where the next one is that one, and not before what was asked. */
static void check_back(const struct question *question, int64_t after_us,
                       const struct cron_fire *fire)
{
    struct cron_fire again = {0}, before = {0}, next = {0};
    bool any =
        cron_previous(&question->cron, question->zone, &question->dst, fire->at_us + 1, &again);

    if (!any || !same(&again, fire))
        fail_on(question, fire->at_us + 1, any, &again, true, fire);
    if (!cron_previous(&question->cron, question->zone, &question->dst, fire->at_us, &before))
        return;
    if (before.at_us > after_us)
        fail_on(question, fire->at_us, true, &before, false, NULL);
    any = cron_next(&question->cron, question->zone, &question->dst, before.at_us, &next);
    if (!any || !same(&next, fire))
        fail_on(question, before.at_us, any, &next, true, fire);
}

/* Returns whether there is a fire within the horizon. */
static bool compare(const struct question *question, int64_t *after_us, int64_t horizon_s)
{
    int64_t from_s = *after_us / US + 1;
    int64_t to_s = from_s + horizon_s < LAST_S ? from_s + horizon_s : LAST_S;
    struct cron_fire is = {0}, must = {0};
    bool any = cron_next(&question->cron, question->zone, &question->dst, *after_us, &is);
    bool near = any && is.at_us <= to_s * US;
    bool walked = walk(&question->naive, question->zone, &question->dst, from_s, to_s, &must);

    if (near != walked || (near && !same(&is, &must)))
        fail_on(question, *after_us, any, &is, walked, &must);
    if (any)
        check_back(question, *after_us, &is);
    if (near)
        *after_us = is.at_us;
    return near;
}

/* Near a change of the clock, near the end of a month, or anywhere. */
static int64_t any_instant(const struct zone *zone)
{
    int64_t at_s = between(0, LAST_S - DAY_S), change_s;

    if (one_in(2) && walls_next_change(zone, at_s, &change_s) && change_s < LAST_S - DAY_S)
        at_s = change_s + between(-DAY_S - 3600, 7200);
    else if (one_in(2))
        at_s = civil_days((int)between(1970, 2199), (int)between(1, 12), 28) * DAY_S +
               between(0, 4 * DAY_S);
    return (at_s < 0 ? 0 : at_s) * US + (one_in(4) ? between(0, US - 1) : 0);
}

/* Refused is only what fits no day at all. */
static void check_refusal(const struct question *question, const struct fault *fault)
{
    if (!strstr(fault->text, "never fires"))
        fail_msg("\"%s\" (%s): %s", question->text, cron_dialect_name(question->naive.dialect),
                 fault->text);
    if (!one_in(8))
        return; /* it takes long */
    for (int64_t day = 0; day <= LAST_S / DAY_S; day++) {
        struct civil at = civil_of(day * DAY_S);

        if (date_fits(&question->naive, &at))
            fail_msg("\"%s\" fits %d-%02d-%02d", question->text, at.year, at.month, at.day);
    }
}

static int64_t setting(const char *name, int64_t usual)
{
    const char *value = getenv(name);

    return value ? atoll(value) : usual;
}

static void agrees_with_a_walk_through_time(void **state)
{
    struct zone *zones[COUNT(zone_names)] = {0};
    int64_t cases = setting("CRON_ORACLE_CASES", CASES), fires = 0, refused = 0;
    struct fault fault;

    (void)state;
    seed = (uint64_t)setting("CRON_ORACLE_SEED", (int64_t)seed);
    for (size_t i = 0; i < COUNT(zones); i++)
        assert_true(zone_open(&zones[i], zone_names[i], &fault));
    for (int64_t i = 0; i < cases; i++) {
        struct question question = {.zone = zones[between(0, COUNT(zones) - 1)],
                                    .dst = {(enum cron_gap)between(0, CRON_GAP_COUNT - 1),
                                            (enum cron_overlap)between(0, CRON_OVERLAP_COUNT - 1)}};

        make(&question.naive, question.text);
        if (!cron_read(&question.cron, question.text, question.naive.dialect, "", &fault)) {
            check_refusal(&question, &fault);
            refused++;
            continue;
        }
        int64_t after_us = any_instant(question.zone);
        int64_t horizon_s = (one_in(50) ? 3000 : 100) * DAY_S;

        for (int j = 0; j < FIRES && compare(&question, &after_us, horizon_s); j++)
            fires++;
    }
    for (size_t i = 0; i < COUNT(zones); i++)
        zone_close(zones[i]);
    print_message("%lld cases, %lld fires, %lld refused\n", (long long)cases, (long long)fires,
                  (long long)refused);
    assert_true(fires > cases / 2 && refused < cases / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_walk_through_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
