#include "tests/unit/unit.h"

#include "common/cron.h"
#include "common/instant.h"
#include "common/mem.h"

#include <string.h>
#include <time.h>

#define FIRES_MOST 8

static const struct cron_dst usual = {CRON_GAP_RUN_AFTER, CRON_OVERLAP_FIRST};

static struct zone *open_zone(const char *name)
{
    struct zone *zone = NULL;
    struct fault fault;

    if (!zone_open(&zone, name, &fault))
        fail_msg("%s: %s", name, fault.text);
    return zone;
}

static struct cron read_cron(const char *text, enum cron_dialect dialect)
{
    struct fault fault;
    struct cron cron;

    if (!cron_read(&cron, text, dialect, "nightly", &fault))
        fail_msg("%s: %s", text, fault.text);
    assert_int_equal(cron.dialect, dialect);
    return cron;
}

static int64_t instant(const char *text)
{
    struct fault fault;
    int64_t us;

    if (!instant_read(&us, text, &fault))
        fail_msg("%s: %s", text, fault.text);
    return us;
}

/* One line a fire: "2026-03-29T01:00:00.000Z gap" */
static void check_fire(const char *text, const struct cron_fire *fire, const char *expected)
{
    char is[INSTANT_TEXT + 16], at[INSTANT_TEXT];

    snprintf(is, sizeof is, "%s%s%s", instant_write(at, fire->at_us), fire->touched ? " " : "",
             fire->touched ? cron_touched_name(fire->touched) : "");
    if (strcmp(is, expected))
        fail_msg("%s: fires at %s, not %s", text, is, expected);
}

/* The fires after an instant in order, and back again; "none": none any more. */
static void check_fires(const char *text, const struct cron *cron, const char *zone_name,
                        struct cron_dst dst, const char *after, const char *const *expected)
{
    struct zone *zone = open_zone(zone_name);
    int64_t at_us = instant(after);
    struct cron_fire fire, back;
    int count = 0;

    for (; count < FIRES_MOST && expected[count]; count++) {
        if (!strcmp(expected[count], "none")) {
            assert_false(cron_next(cron, zone, &dst, at_us, &fire));
            break;
        }
        if (!cron_next(cron, zone, &dst, at_us, &fire))
            fail_msg("%s: does not fire after %s", text, after);
        check_fire(text, &fire, expected[count]);
        at_us = fire.at_us;
        assert_true(cron_previous(cron, zone, &dst, at_us + 1, &back));
        check_fire(text, &back, expected[count]);
    }
    while (count-- > 1) {
        assert_true(cron_previous(cron, zone, &dst, at_us, &back));
        check_fire(text, &back, expected[count - 1]);
        at_us = back.at_us;
    }
    zone_close(zone);
}

/* --- Published examples ---------------------------------------------------------------------- */

/* What the manuals and test tables of other readers of cron say, as facts: rule, instant, fire. */
static const struct {
    enum cron_dialect dialect;
    const char *text, *after, *fires[FIRES_MOST];
} published[] = {
    /* crontab(5) */
    {CRON_VIXIE, "5 0 * * *", "2026-11-21T00:05:00Z", {"2026-11-22T00:05:00.000Z"}},
    {CRON_VIXIE, "15 14 1 * *", "2026-11-21T00:00:00Z", {"2026-12-01T14:15:00.000Z"}},
    {CRON_VIXIE,
     "0 22 * * 1-5",
     "2026-11-20T22:00:00Z",
     {"2026-11-23T22:00:00.000Z", "2026-11-24T22:00:00.000Z"}},
    {CRON_VIXIE,
     "23 0-23/2 * * *",
     "2026-11-21T00:00:00Z",
     {"2026-11-21T00:23:00.000Z", "2026-11-21T02:23:00.000Z"}},
    {CRON_VIXIE, "5 4 * * sun", "2026-11-21T00:00:00Z", {"2026-11-22T04:05:00.000Z"}},
    /* Both days given: either one will do. */
    {CRON_VIXIE,
     "30 4 1,15 * 5",
     "2026-11-21T00:00:00Z",
     {"2026-11-27T04:30:00.000Z", "2026-12-01T04:30:00.000Z", "2026-12-04T04:30:00.000Z"}},
    /* A field that begins with a star does not count as given: both must fit. */
    {CRON_VIXIE,
     "0 0 */2 * SUN",
     "2026-11-21T00:00:00Z",
     {"2026-11-29T00:00:00.000Z", "2026-12-13T00:00:00.000Z", "2026-12-27T00:00:00.000Z"}},
    {CRON_VIXIE, "0 0 * * 7", "2026-11-21T00:00:00Z", {"2026-11-22T00:00:00.000Z"}},
    {CRON_VIXIE, "0 0 * * 0", "2026-11-21T00:00:00Z", {"2026-11-22T00:00:00.000Z"}},

    /* robfig/cron */
    {CRON_ROTA, "0/15 * * * *", "2012-07-09T14:45:00Z", {"2012-07-09T15:00:00.000Z"}},
    {CRON_ROTA, "0/15 * * * *", "2012-07-09T14:59:59Z", {"2012-07-09T15:00:00.000Z"}},
    {CRON_ROTA, "20-35/15 * * * *", "2012-07-09T15:45:00Z", {"2012-07-09T16:20:00.000Z"}},
    {CRON_ROTA, "*/15 * * * *", "2012-07-09T23:46:00Z", {"2012-07-10T00:00:00.000Z"}},
    {CRON_ROTA, "20-35/15 * * * *", "2012-07-09T23:45:00Z", {"2012-07-10T00:20:00.000Z"}},
    {CRON_ROTA,
     "15/35 20-35/15 * * * *",
     "2012-07-09T23:35:51Z",
     {"2012-07-10T00:20:15.000Z", "2012-07-10T00:20:50.000Z", "2012-07-10T00:35:15.000Z"}},
    {CRON_ROTA, "15/35 20-35/15 1/2 * * *", "2012-07-09T23:35:51Z", {"2012-07-10T01:20:15.000Z"}},
    {CRON_ROTA, "15/35 20-35/15 10-12 * * *", "2012-07-09T23:35:51Z", {"2012-07-10T10:20:15.000Z"}},
    {CRON_ROTA, "0 0 0 9 Apr-Oct ?", "2012-07-09T23:35:00Z", {"2012-08-09T00:00:00.000Z"}},
    {CRON_ROTA, "0 0 0 * Feb Mon", "2012-07-09T23:35:00Z", {"2013-02-04T00:00:00.000Z"}},
    {CRON_ROTA, "0 0 0 * Feb Mon/2", "2012-07-09T23:35:00Z", {"2013-02-01T00:00:00.000Z"}},
    {CRON_ROTA, "0 * * * * *", "2012-12-31T23:59:45Z", {"2013-01-01T00:00:00.000Z"}},
    {CRON_ROTA, "0 0 0 29 Feb ?", "2012-07-09T23:35:00Z", {"2016-02-29T00:00:00.000Z"}},
    {CRON_ROTA, "@hourly", "2012-07-09T14:00:00Z", {"2012-07-09T15:00:00.000Z"}},

    /* gorhill/cronexpr */
    {CRON_GDTS, "* * * * * * *", "2013-01-01T00:00:00Z", {"2013-01-01T00:00:01.000Z"}},
    {CRON_GDTS, "*/5 * * * * * *", "2013-01-01T00:00:59Z", {"2013-01-01T00:01:00.000Z"}},
    {CRON_GDTS, "17-43/5 * * * * * *", "2013-01-01T00:00:42Z", {"2013-01-01T00:01:17.000Z"}},
    {CRON_GDTS, "0 0 1 1 * 2014", "2013-01-01T00:00:00Z", {"2014-01-01T00:00:00.000Z", "none"}},
    {CRON_GDTS,
     "0 0 L * *",
     "2016-01-31T00:00:00Z",
     {"2016-02-29T00:00:00.000Z", "2016-03-31T00:00:00.000Z", "2016-04-30T00:00:00.000Z"}},
    {CRON_GDTS,
     "0 0 LW * *",
     "2013-03-01T00:00:00Z",
     {"2013-03-29T00:00:00.000Z", "2013-04-30T00:00:00.000Z", "2013-05-31T00:00:00.000Z",
      "2013-06-28T00:00:00.000Z"}},
    {CRON_GDTS,
     "0 0 15W * *",
     "2013-06-01T00:00:00Z",
     {"2013-06-14T00:00:00.000Z", "2013-07-15T00:00:00.000Z", "2013-08-15T00:00:00.000Z",
      "2013-09-16T00:00:00.000Z"}},
    {CRON_GDTS, "0 0 1W * *", "2013-05-31T00:00:00Z", {"2013-06-03T00:00:00.000Z"}},
    {CRON_GDTS,
     "0 0 31W * *",
     "2013-03-01T00:00:00Z",
     {"2013-03-29T00:00:00.000Z", "2013-05-31T00:00:00.000Z"}},
    {CRON_GDTS,
     "0 0 * * 5L",
     "2013-09-01T00:00:00Z",
     {"2013-09-27T00:00:00.000Z", "2013-10-25T00:00:00.000Z"}},
    {CRON_GDTS, "0 0 * * friL", "2013-09-01T00:00:00Z", {"2013-09-27T00:00:00.000Z"}},
    {CRON_GDTS, "0 0 * * 5#3", "2013-09-01T00:00:00Z", {"2013-09-20T00:00:00.000Z"}},
    {CRON_GDTS, "0 0 * * 7#4", "2013-09-01T00:00:00Z", {"2013-09-22T00:00:00.000Z"}},
    {CRON_GDTS,
     "0 0 * * 1#5",
     "2013-09-01T00:00:00Z",
     {"2013-09-30T00:00:00.000Z", "2013-12-30T00:00:00.000Z"}},
    {CRON_GDTS, "0 0 L-3 * *", "2013-02-01T00:00:00Z", {"2013-02-25T00:00:00.000Z"}},

    /* Quartz */
    {CRON_QUARTZ, "0 0 12 * * ?", "2005-01-01T00:00:00Z", {"2005-01-01T12:00:00.000Z"}},
    {CRON_QUARTZ, "0 15 10 ? * *", "2005-01-01T10:15:00Z", {"2005-01-02T10:15:00.000Z"}},
    {CRON_QUARTZ,
     "0 15 10 * * ? 2005",
     "2005-12-30T10:15:00Z",
     {"2005-12-31T10:15:00.000Z", "none"}},
    {CRON_QUARTZ,
     "0 * 14 * * ?",
     "2005-01-01T14:58:00Z",
     {"2005-01-01T14:59:00.000Z", "2005-01-02T14:00:00.000Z"}},
    {CRON_QUARTZ,
     "0 0/5 14,18 * * ?",
     "2005-01-01T14:50:00Z",
     {"2005-01-01T14:55:00.000Z", "2005-01-01T18:00:00.000Z"}},
    {CRON_QUARTZ,
     "0 0-5 14 * * ?",
     "2005-01-01T14:04:00Z",
     {"2005-01-01T14:05:00.000Z", "2005-01-02T14:00:00.000Z"}},
    {CRON_QUARTZ,
     "0 10,44 14 ? 3 WED",
     "2005-01-01T00:00:00Z",
     {"2005-03-02T14:10:00.000Z", "2005-03-02T14:44:00.000Z", "2005-03-09T14:10:00.000Z"}},
    {CRON_QUARTZ, "0 15 10 ? * MON-FRI", "2005-01-01T00:00:00Z", {"2005-01-03T10:15:00.000Z"}},
    {CRON_QUARTZ, "0 15 10 ? * 2-6", "2005-01-01T00:00:00Z", {"2005-01-03T10:15:00.000Z"}},
    {CRON_QUARTZ, "0 15 10 15 * ?", "2005-01-01T00:00:00Z", {"2005-01-15T10:15:00.000Z"}},
    {CRON_QUARTZ, "0 15 10 L * ?", "2005-01-01T00:00:00Z", {"2005-01-31T10:15:00.000Z"}},
    {CRON_QUARTZ, "0 15 10 L-2 * ?", "2005-01-01T00:00:00Z", {"2005-01-29T10:15:00.000Z"}},
    {CRON_QUARTZ, "0 15 10 ? * 6L", "2005-01-01T00:00:00Z", {"2005-01-28T10:15:00.000Z"}},
    {CRON_QUARTZ,
     "0 15 10 ? * 6L 2002-2005",
     "2005-11-26T00:00:00Z",
     {"2005-12-30T10:15:00.000Z", "none"}},
    {CRON_QUARTZ, "0 15 10 ? * 6#3", "2005-01-01T00:00:00Z", {"2005-01-21T10:15:00.000Z"}},
    {CRON_QUARTZ,
     "0 0 12 1/5 * ?",
     "2005-01-01T00:00:00Z",
     {"2005-01-01T12:00:00.000Z", "2005-01-06T12:00:00.000Z"}},
    {CRON_QUARTZ, "0 11 11 11 11 ?", "2005-01-01T00:00:00Z", {"2005-11-11T11:11:00.000Z"}},
    {CRON_QUARTZ, "0 0 0 ? * L", "2005-01-02T00:00:00Z", {"2005-01-08T00:00:00.000Z"}},
    {CRON_QUARTZ, "0 0 0 ? * 1", "2005-01-01T00:00:00Z", {"2005-01-02T00:00:00.000Z"}},

    /* Our own */
    {CRON_ROTA,
     "0 0 * * FRI-SUN",
     "2026-11-19T00:00:00Z",
     {"2026-11-20T00:00:00.000Z", "2026-11-21T00:00:00.000Z", "2026-11-22T00:00:00.000Z",
      "2026-11-27T00:00:00.000Z"}},
    {CRON_ROTA, "\t 0  0 * *\tMON ", "2026-11-21T00:00:00Z", {"2026-11-23T00:00:00.000Z"}},
    {CRON_ROTA, "@weekly", "2026-11-21T00:00:00Z", {"2026-11-22T00:00:00.000Z"}},
    {CRON_ROTA, "@Monthly", "2026-11-21T00:00:00Z", {"2026-12-01T00:00:00.000Z"}},
    {CRON_QUARTZ, "@yearly", "2026-11-21T00:00:00Z", {"2027-01-01T00:00:00.000Z"}},
    {CRON_VIXIE, "@annually", "2026-11-21T00:00:00Z", {"2027-01-01T00:00:00.000Z"}},
    {CRON_GDTS, "@minutely", "2026-11-21T00:00:00Z", {"2026-11-21T00:01:00.000Z"}},
    {CRON_ROTA, "@midnight", "2026-11-21T00:00:00Z", {"2026-11-22T00:00:00.000Z"}},
    {CRON_ROTA, "0 0 29 2 *", "2096-02-29T00:00:00Z", {"2104-02-29T00:00:00.000Z"}},
    {CRON_ROTA,
     "59 59 23 31 12 * 2199",
     "1970-01-01T00:00:00Z",
     {"2199-12-31T23:59:59.000Z", "none"}},
    {CRON_ROTA,
     "0 0 0 1 1 * 1970-1971",
     "1970-01-01T00:00:00Z",
     {"1971-01-01T00:00:00.000Z", "none"}},
};

static void fires_as_published(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(published); i++) {
        if (!published[i].fires[0])
            continue;
        struct cron cron = read_cron(published[i].text, published[i].dialect);

        check_fires(published[i].text, &cron, "UTC", usual, published[i].after, published[i].fires);
    }
}

static void ends_with_the_years(void **state)
{
    struct zone *zone = open_zone("UTC");
    struct cron once = read_cron("0 0 0 1 1 * 2014", CRON_ROTA);
    struct cron always = read_cron("* * * * * *", CRON_ROTA);
    struct cron_fire fire = {.at_us = 42};

    (void)state;
    assert_false(cron_next(&once, zone, &usual, instant("2014-01-01T00:00:00Z"), &fire));
    assert_false(cron_previous(&once, zone, &usual, instant("2014-01-01T00:00:00Z"), &fire));
    assert_false(cron_next(&always, zone, &usual, INSTANT_MOST_US, &fire));
    assert_false(cron_next(&always, zone, &usual, INT64_MAX, &fire));
    assert_false(cron_previous(&always, zone, &usual, 0, &fire));
    assert_false(cron_previous(&always, zone, &usual, INT64_MIN, &fire));
    assert_int_equal(fire.at_us, 42);

    assert_true(cron_next(&always, zone, &usual, INT64_MIN, &fire));
    assert_int_equal(fire.at_us, 0);
    assert_true(cron_previous(&always, zone, &usual, INT64_MAX, &fire));
    assert_int_equal(fire.at_us, INSTANT_MOST_US / 1000000 * 1000000);
    /* Between two seconds, the later and the earlier one. */
    assert_true(cron_next(&always, zone, &usual, 1500000, &fire));
    assert_int_equal(fire.at_us, 2000000);
    assert_true(cron_previous(&always, zone, &usual, 1500000, &fire));
    assert_int_equal(fire.at_us, 1000000);
    zone_close(zone);
}

/* --- Changes of the clock -------------------------------------------------------------------- */

#define AFTER CRON_GAP_RUN_AFTER
#define SKIP CRON_GAP_SKIP
#define BEFORE CRON_GAP_RUN_BEFORE
#define FIRST CRON_OVERLAP_FIRST
#define SECOND CRON_OVERLAP_SECOND
#define BOTH CRON_OVERLAP_BOTH

static const struct {
    const char *zone, *text;
    struct cron_dst dst;
    const char *after, *fires[FIRES_MOST];
} changes[] = {
    /* Berlin, 2026-03-29 02:00 to 03:00 */
    {"Europe/Berlin",
     "30 2 * * *",
     {AFTER, FIRST},
     "2026-03-28T00:00:00Z",
     {"2026-03-28T01:30:00.000Z", "2026-03-29T01:00:00.000Z gap", "2026-03-30T00:30:00.000Z"}},
    {"Europe/Berlin",
     "30 2 * * *",
     {SKIP, FIRST},
     "2026-03-28T00:00:00Z",
     {"2026-03-28T01:30:00.000Z", "2026-03-30T00:30:00.000Z"}},
    {"Europe/Berlin",
     "30 2 * * *",
     {BEFORE, FIRST},
     "2026-03-28T00:00:00Z",
     {"2026-03-28T01:30:00.000Z", "2026-03-29T00:59:59.000Z gap", "2026-03-30T00:30:00.000Z"}},
    /* Many times in one gap are made up for once. */
    {"Europe/Berlin",
     "*/20 2 * * *",
     {AFTER, FIRST},
     "2026-03-28T12:00:00Z",
     {"2026-03-29T01:00:00.000Z gap", "2026-03-30T00:00:00.000Z"}},
    {"Europe/Berlin",
     "* * 2 * * *",
     {BEFORE, FIRST},
     "2026-03-28T12:00:00Z",
     {"2026-03-29T00:59:59.000Z gap", "2026-03-30T00:00:00.000Z"}},
    /* What is due in that same second anyway is the same fire. */
    {"Europe/Berlin",
     "0 2,3 * * *",
     {AFTER, FIRST},
     "2026-03-28T12:00:00Z",
     {"2026-03-29T01:00:00.000Z gap", "2026-03-30T00:00:00.000Z", "2026-03-30T01:00:00.000Z"}},
    {"Europe/Berlin",
     "59 59 1,2 * * *",
     {BEFORE, FIRST},
     "2026-03-28T12:00:00Z",
     {"2026-03-29T00:59:59.000Z gap", "2026-03-29T23:59:59.000Z"}},
    {"Europe/Berlin",
     "0 2,3 * * *",
     {SKIP, FIRST},
     "2026-03-28T12:00:00Z",
     {"2026-03-29T01:00:00.000Z", "2026-03-30T00:00:00.000Z"}},
    /* Hours that follow elapsed time have nothing to make up for. */
    {"Europe/Berlin",
     "30 * * * *",
     {AFTER, FIRST},
     "2026-03-29T00:00:00Z",
     {"2026-03-29T00:30:00.000Z", "2026-03-29T01:30:00.000Z", "2026-03-29T02:30:00.000Z"}},
    {"Europe/Berlin",
     "0 */2 * * *",
     {AFTER, FIRST},
     "2026-03-28T22:30:00Z",
     {"2026-03-28T23:00:00.000Z", "2026-03-29T02:00:00.000Z"}},
    /* The same hours as a list are times of day. */
    {"Europe/Berlin",
     "0 0-22/2 * * *",
     {AFTER, FIRST},
     "2026-03-28T22:30:00Z",
     {"2026-03-28T23:00:00.000Z", "2026-03-29T01:00:00.000Z gap", "2026-03-29T02:00:00.000Z"}},
    /* Berlin, 2026-10-25 03:00 back to 02:00 */
    {"Europe/Berlin",
     "30 2 * * *",
     {AFTER, FIRST},
     "2026-10-24T12:00:00Z",
     {"2026-10-25T00:30:00.000Z overlap", "2026-10-26T01:30:00.000Z"}},
    {"Europe/Berlin",
     "30 2 * * *",
     {AFTER, SECOND},
     "2026-10-24T12:00:00Z",
     {"2026-10-25T01:30:00.000Z overlap", "2026-10-26T01:30:00.000Z"}},
    {"Europe/Berlin",
     "30 2 * * *",
     {AFTER, BOTH},
     "2026-10-24T12:00:00Z",
     {"2026-10-25T00:30:00.000Z overlap", "2026-10-25T01:30:00.000Z overlap",
      "2026-10-26T01:30:00.000Z"}},
    {"Europe/Berlin",
     "0 1-3 * * *",
     {AFTER, SECOND},
     "2026-10-24T12:00:00Z",
     {"2026-10-24T23:00:00.000Z", "2026-10-25T01:00:00.000Z overlap", "2026-10-25T02:00:00.000Z"}},
    {"Europe/Berlin",
     "30 * * * *",
     {AFTER, FIRST},
     "2026-10-24T23:00:00Z",
     {"2026-10-24T23:30:00.000Z", "2026-10-25T00:30:00.000Z overlap",
      "2026-10-25T01:30:00.000Z overlap", "2026-10-25T02:30:00.000Z"}},
    /* Far beyond what the zone's file writes out. */
    {"Europe/Berlin",
     "30 2 25 3 *",
     {AFTER, FIRST},
     "2198-01-01T00:00:00Z",
     {"2198-03-25T01:00:00.000Z gap", "2199-03-25T01:30:00.000Z", "none"}},

    {"America/New_York",
     "30 2 * * *",
     {AFTER, FIRST},
     "2026-03-07T12:00:00Z",
     {"2026-03-08T07:00:00.000Z gap", "2026-03-09T06:30:00.000Z"}},
    {"America/New_York",
     "30 2 11 3 ?",
     {SKIP, FIRST},
     "2012-03-11T05:00:00Z",
     {"2013-03-11T06:30:00.000Z"}},
    {"America/New_York",
     "0 * * * *",
     {AFTER, FIRST},
     "2012-03-11T05:00:00Z",
     {"2012-03-11T06:00:00.000Z", "2012-03-11T07:00:00.000Z"}},
    {"America/New_York",
     "0 1 * * *",
     {AFTER, BOTH},
     "2012-11-04T04:00:00Z",
     {"2012-11-04T05:00:00.000Z overlap", "2012-11-04T06:00:00.000Z overlap",
      "2012-11-05T06:00:00.000Z"}},

    /* Lord Howe, half an hour: 02:00 to 02:30, and 02:00 back to 01:30 */
    {"Australia/Lord_Howe",
     "15 2 * * *",
     {AFTER, FIRST},
     "2026-10-03T00:00:00Z",
     {"2026-10-03T15:30:00.000Z gap", "2026-10-04T15:15:00.000Z"}},
    {"Australia/Lord_Howe",
     "45 2 * * *",
     {AFTER, FIRST},
     "2026-10-03T00:00:00Z",
     {"2026-10-03T15:45:00.000Z"}},
    {"Australia/Lord_Howe",
     "45 1 * * *",
     {AFTER, BOTH},
     "2026-04-04T00:00:00Z",
     {"2026-04-04T14:45:00.000Z overlap", "2026-04-04T15:15:00.000Z overlap",
      "2026-04-05T15:15:00.000Z"}},
    {"Australia/Lord_Howe",
     "*/30 * * * *",
     {AFTER, FIRST},
     "2026-04-04T14:00:00Z",
     {"2026-04-04T14:30:00.000Z overlap", "2026-04-04T15:00:00.000Z overlap",
      "2026-04-04T15:30:00.000Z"}},

    /* Midnights that are not shown */
    {"Africa/Cairo",
     "0 0 * * *",
     {AFTER, FIRST},
     "2026-04-23T12:00:00Z",
     {"2026-04-23T22:00:00.000Z gap", "2026-04-24T21:00:00.000Z"}},
    {"Africa/Cairo",
     "0 0 * * FRI",
     {BEFORE, FIRST},
     "2026-04-23T12:00:00Z",
     {"2026-04-23T21:59:59.000Z gap", "2026-04-30T21:00:00.000Z"}},
    {"Africa/Cairo",
     "30 23 * * THU",
     {AFTER, BOTH},
     "2026-10-29T00:00:00Z",
     {"2026-10-29T20:30:00.000Z overlap", "2026-10-29T21:30:00.000Z overlap",
      "2026-11-05T21:30:00.000Z"}},
    {"America/Santiago",
     "0 0 * * SUN",
     {AFTER, FIRST},
     "2026-09-05T12:00:00Z",
     {"2026-09-06T04:00:00.000Z gap", "2026-09-13T03:00:00.000Z"}},
    {"Asia/Beirut",
     "0 0 29 3 *",
     {AFTER, FIRST},
     "2026-03-01T00:00:00Z",
     {"2026-03-28T22:00:00.000Z gap", "2027-03-28T21:00:00.000Z"}},

    /* Apia had no 2011-12-30. */
    {"Pacific/Apia",
     "0 12 30 12 *",
     {AFTER, FIRST},
     "2011-12-01T00:00:00Z",
     {"2011-12-30T10:00:00.000Z gap", "2012-12-29T22:00:00.000Z"}},
    {"Pacific/Apia",
     "0 12 30 12 *",
     {SKIP, FIRST},
     "2011-12-01T00:00:00Z",
     {"2012-12-29T22:00:00.000Z"}},
    {"Pacific/Apia",
     "0 12 * * *",
     {BEFORE, FIRST},
     "2011-12-29T00:00:00Z",
     {"2011-12-29T22:00:00.000Z", "2011-12-30T09:59:59.000Z gap", "2011-12-30T22:00:00.000Z"}},
    {"Pacific/Apia",
     "0 * * * *",
     {AFTER, FIRST},
     "2011-12-30T08:00:00Z",
     {"2011-12-30T09:00:00.000Z", "2011-12-30T10:00:00.000Z"}},

    /* A quarter of an hour, once */
    {"Asia/Kathmandu",
     "10 0 1 1 *",
     {AFTER, FIRST},
     "1985-06-01T00:00:00Z",
     {"1985-12-31T18:30:00.000Z gap", "1986-12-31T18:25:00.000Z"}},
    {"Asia/Kathmandu",
     "0 6 * * *",
     {AFTER, FIRST},
     "2026-11-21T00:00:00Z",
     {"2026-11-21T00:15:00.000Z", "2026-11-22T00:15:00.000Z"}},

    /* Back and forth around Ramadan */
    {"Africa/Casablanca",
     "30 2 * * *",
     {AFTER, FIRST},
     "2026-02-14T12:00:00Z",
     {"2026-02-15T01:30:00.000Z overlap", "2026-02-16T02:30:00.000Z"}},
    {"Africa/Casablanca",
     "30 2 * * *",
     {AFTER, SECOND},
     "2026-02-14T12:00:00Z",
     {"2026-02-15T02:30:00.000Z overlap", "2026-02-16T02:30:00.000Z"}},
    {"Africa/Casablanca",
     "30 2 * * *",
     {AFTER, FIRST},
     "2026-03-21T12:00:00Z",
     {"2026-03-22T02:00:00.000Z gap", "2026-03-23T01:30:00.000Z"}},

    {"UTC",
     "30 2 * * *",
     {AFTER, BOTH},
     "2026-03-28T12:00:00Z",
     {"2026-03-29T02:30:00.000Z", "2026-03-30T02:30:00.000Z"}},
};

static void follows_the_clock_when_it_is_changed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(changes); i++) {
        struct cron cron = read_cron(changes[i].text, CRON_ROTA);
        char what[128];

        snprintf(what, sizeof what, "case %zu, %s in %s", i, changes[i].text, changes[i].zone);
        check_fires(what, &cron, changes[i].zone, changes[i].dst, changes[i].after,
                    changes[i].fires);
    }
}

static void says_the_local_time_that_was_meant(void **state)
{
    struct zone *zone = open_zone("Asia/Beirut");
    struct cron cron = read_cron("0,30 0 * * *", CRON_ROTA);
    const struct civil skipped = {2026, 3, 29, 0, 0, 0}, shown = {2026, 3, 30, 0, 0, 0};
    struct cron_fire fire;

    (void)state;
    assert_true(cron_next(&cron, zone, &usual, instant("2026-03-28T12:00:00Z"), &fire));
    assert_int_equal(fire.touched, CRON_TOUCHED_GAP);
    assert_memory_equal(&fire.nominal, &skipped, sizeof skipped);
    assert_true(cron_next(&cron, zone, &usual, fire.at_us, &fire));
    assert_memory_equal(&fire.nominal, &shown, sizeof shown);
    zone_close(zone);
}

//* --- Refusals -------------------------------------------------------------------------------- */
static const struct {
    enum cron_dialect dialect;
    const char *text, *says;
} refused[] = {
    {CRON_ROTA, "", "column 1: an expression is missing"},
    {CRON_ROTA, "   ", "column 4: an expression is missing"},
    {CRON_ROTA, "* * * *", "column 8: the dialect rota takes 5, 6 or 7 fields, not 4"},
    {CRON_ROTA, "* * * * * * * *",
     "column 15: the dialect rota takes 5, 6 or 7 fields, not 8 or more"},
    {CRON_VIXIE, "0 0 0 * * *", "column 11: the dialect vixie takes 5 fields, not 6"},
    {CRON_QUARTZ, "0 0 * * ?", "column 10: the dialect quartz takes 6 or 7 fields, not 5"},
    {CRON_GDTS, "0", "column 2: the dialect gdts takes 5, 6 or 7 fields, not 1"},

    {CRON_ROTA, "60 * * * *", "column 1, minute: 60 is not within 0 to 59"},
    {CRON_ROTA, "5,60 * * * *", "column 3, minute: 60 is not within 0 to 59"},
    {CRON_ROTA, "5-60 * * * *", "column 3, minute: 60 is not within 0 to 59"},
    {CRON_ROTA, "99999999999 * * * *", "column 1, minute: 99999999999 is not within"},
    {CRON_ROTA, "* 24 * * *", "column 3, hour: 24 is not within 0 to 23"},
    {CRON_ROTA, "* * 0 * *", "column 5, day of month: 0 is not within 1 to 31"},
    {CRON_ROTA, "* * 32 * *", "column 5, day of month: 32 is not within 1 to 31"},
    {CRON_ROTA, "* * * 0 *", "column 7, month: 0 is not within 1 to 12 or JAN to DEC"},
    {CRON_ROTA, "* * * 13 *", "column 7, month: 13 is not within 1 to 12 or JAN to DEC"},
    {CRON_ROTA, "* * * FOO *", "column 7, month: FOO is not within 1 to 12"},
    {CRON_ROTA, "* * * MON *", "column 7, month: MON is not within 1 to 12"},
    {CRON_ROTA, "* * * JAN-FOO,2 *", "column 11, month: FOO is not within 1 to 12"},
    {CRON_ROTA, "* * * L *", "column 7, month: L is not within 1 to 12"},
    {CRON_ROTA, "* * * * 8", "column 9, day of week: 8 is not within 0 to 7 (Sunday is 0"},
    {CRON_QUARTZ, "0 0 0 ? * 0", "column 11, day of week: 0 is not within 1 to 7 (Sunday is 1"},
    {CRON_QUARTZ, "0 0 0 ? * 8", "column 11, day of week: 8 is not within 1 to 7 (Sunday is 1"},
    {CRON_GDTS, "0 0 1 1 * 1969", "column 11, year: 1969 is not within 1970 to 2199"},
    {CRON_ROTA, "60 * * * * *", "column 1, second: 60 is not within 0 to 59"},
    {CRON_ROTA, "* * * * * * 2200", "column 13, year: 2200 is not within 1970 to 2199"},
    {CRON_ROTA, "-1 * * * *", "column 1, minute: -1 is not within"},
    {CRON_ROTA, "1.5 * * * *", "column 2, minute: .5 cannot stand here"},

    {CRON_ROTA, "5-1 * * * *", "column 1, minute: 5-1 runs backwards"},
    {CRON_ROTA, "0 1,22-2/3 * * *", "column 5, hour: 22-2/3 runs backwards"},
    {CRON_ROTA, "* * * * FRI-MON", "column 9, day of week: FRI-MON runs backwards"},
    {CRON_QUARTZ, "0 0 0 ? * 6-1", "column 11, day of week: 6-1 runs backwards"},
    {CRON_ROTA, "5~1 * * * *", "column 1, minute: 5~1 runs backwards"},

    {CRON_ROTA, "*/0 * * * *", "column 3, minute: a step must be 1 to 60"},
    {CRON_ROTA, "*/61 * * * *", "column 3, minute: a step must be 1 to 60"},
    {CRON_ROTA, "1/ * * * *", "column 3, minute: a step must be 1 to 60"},
    {CRON_ROTA, "1-5/x * * * *", "column 5, minute: a step must be 1 to 60"},
    {CRON_ROTA, "* */25 * * *", "column 5, hour: a step must be 1 to 24"},
    {CRON_ROTA, "* * * * */8", "column 11, day of week: a step must be 1 to 7"},
    {CRON_ROTA, "*/-5 * * * *", "column 3, minute: a step must be 1 to 60"},
    {CRON_ROTA, "1/2/3 * * * *", "column 4, minute: /3 cannot stand here"},

    {CRON_ROTA, "1,,2 * * * *", "column 3, minute: a value is missing: 0 to 59"},
    {CRON_ROTA, ",1 * * * *", "column 1, minute: a value is missing: 0 to 59"},
    {CRON_ROTA, "1, * * * *", "column 3, minute: a value is missing: 0 to 59"},
    {CRON_ROTA, "1- * * * *", "column 3, minute: a value is missing: 0 to 59"},
    {CRON_ROTA, "1-,2 * * * *", "column 3, minute: a value is missing: 0 to 59"},
    {CRON_ROTA, "* * * * 1,", "column 11, day of week: a value is missing"},
    {CRON_ROTA, "*1 * * * *", "column 2, minute: 1 cannot stand here"},
    {CRON_ROTA, "1* * * * *", "column 2, minute: * cannot stand here"},
    {CRON_ROTA, "*-5 * * * *", "column 2, minute: -5 cannot stand here"},
    {CRON_ROTA, "5-* * * * *", "column 3, minute: * is not within 0 to 59"},
    {CRON_ROTA, "~~ * * * *", "column 2, minute: ~ is not within 0 to 59"},
    {CRON_ROTA, "1~5/2 * * * *", "column 4, minute: /2 cannot stand here"},
    {CRON_ROTA, "* * * * MONDAY", "column 12, day of week: DAY cannot stand here"},

    {CRON_ROTA, "? * * * *", "column 1, minute: ? is for the day of month or the day of week"},
    {CRON_ROTA, "* * ?,1 * *", "column 5, day of month: ? must stand alone"},
    {CRON_ROTA, "* * 1,? * *", "column 7, day of month: ? must stand alone"},
    {CRON_ROTA, "* * ?/2 * *", "column 5, day of month: ? must stand alone"},
    {CRON_QUARTZ, "0 0 0 * * *", "column 7, day of month: the dialect quartz wants ?"},
    {CRON_QUARTZ, "0 0 0 ? * ?", "column 7, day of month: the dialect quartz wants ?"},
    {CRON_QUARTZ, "0 0 0 1 * MON", "column 7, day of month: the dialect quartz wants ?"},

    {CRON_ROTA, "* * L-0 * *", "column 7, day of month: the days before the last one"},
    {CRON_ROTA, "* * L-31 * *", "column 7, day of month: the days before the last one"},
    {CRON_ROTA, "* * L- * *", "column 7, day of month: the days before the last one"},
    {CRON_ROTA, "* * L3 * *", "column 6, day of month: 3 cannot stand here"},
    {CRON_ROTA, "* * 1-15W * *", "column 9, day of month: W cannot stand here"},
    {CRON_ROTA, "* * W * *", "column 5, day of month: W is not within"},
    {CRON_ROTA, "* * 5L * *", "column 6, day of month: L cannot stand here"},
    {CRON_ROTA, "5W * * * *", "column 2, minute: W cannot stand here"},
    {CRON_ROTA, "* * * * L", "column 9, day of week: L needs a day before it, such as FRIL"},
    {CRON_ROTA, "* * * * 5#6", "column 11, day of week: which one of the month must be 1 to 5"},
    {CRON_ROTA, "* * * * FRI#", "column 13, day of week: which one of the month"},
    {CRON_ROTA, "* * * * FRI#0", "column 13, day of week: which one of the month"},
    {CRON_ROTA, "* * * * 1-5L", "column 12, day of week: L cannot stand here"},

    {CRON_ROTA, "0 0 31 2 *", "column 5, day of month: never fires"},
    {CRON_ROTA, "0 0 30 FEB ?", "column 5, day of month: never fires"},
    {CRON_ROTA, "0 0 31 APR,JUN *", "column 5, day of month: never fires"},
    {CRON_ROTA, "0 0 L-29 2 *", "column 5, day of month: never fires"},
    {CRON_ROTA, "0 0 30W 2 *", "column 5, day of month: never fires"},
    {CRON_ROTA, "0 0 0 29 2 * 2100", "column 7, day of month: never fires"},
    {CRON_GDTS, "0 0 29 2 * 2025-2027", "column 5, day of month: never fires"},
    {CRON_ROTA, "0 0 */16 2 FRI#5", "column 5, day of month: never fires"},

    {CRON_ROTA, "@reboot", "column 1: @reboot is not taken: a cluster has no boot"},
    {CRON_ROTA, "@at 2026-11-21T00:00:00Z", "column 1: @at is not taken"},
    {CRON_ROTA, " @fortnightly", "column 2: @fortnightly is not one of @yearly"},
    {CRON_ROTA, "@", "column 1: @ is not one of @yearly"},
    {CRON_ROTA, "@daily x", "column 8: nothing may follow @daily"},
    {CRON_ROTA, "@every", "column 7: @every needs a duration"},
    {CRON_ROTA, "@every 90", "column 8: must be a duration"},
    {CRON_ROTA, "@every 1m 2m", "column 11: nothing may follow the duration"},
    {CRON_ROTA, "@every 0s", "column 8: the duration must be 1s to 36500d"},
    {CRON_ROTA, "@every 999ms", "column 8: the duration must be 1s to 36500d"},
    {CRON_ROTA, "@every 36501d", "column 8: the duration must be 1s to 36500d"},
    {CRON_ROTA, "@every 1111111111111111111111111111111111111111s",
     "column 8: the duration is too"},

    {CRON_ROTA, "CRON_TZ= 0 0 * * *", "column 9: a time zone must stand here"},
    {CRON_ROTA, "TZ=Asia/Tokyo", "column 14: an expression is missing"},
    {CRON_ROTA, "TZ=UTC TZ=UTC 0 0 * * *", "column 8, second: TZ=UTC is not within 0 to 59"},
    {CRON_ROTA, "0 0 * * \x01", "column 9: only printable ASCII"},
    {CRON_ROTA, "0 0\n* * *", "column 4: only printable ASCII"},
    {CRON_ROTA, "0 0 * * \xc3\xa9", "column 9: only printable ASCII"},
};

static void refuses_and_says_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct cron cron, untouched;
        struct fault fault;

        memset(&cron, 0x5a, sizeof cron);
        untouched = cron;
        if (cron_read(&cron, refused[i].text, refused[i].dialect, "nightly", &fault))
            fail_msg("%s was taken", refused[i].text);
        assert_int_equal(fault.kind, FAULT_REJECTED);
        if (strncmp(fault.text, refused[i].says, strlen(refused[i].says)))
            fail_msg("%s: %s, not %s", refused[i].text, fault.text, refused[i].says);
        assert_memory_equal(&cron, &untouched, sizeof cron);
    }
}

static void refuses_what_is_too_long(void **state)
{
    char text[CRON_TEXT_MOST + 2];
    struct fault fault;
    struct cron cron;

    (void)state;
    memset(text, ' ', sizeof text);
    memcpy(text, "0 0 * * *", 9);
    text[CRON_TEXT_MOST] = '\0';
    assert_true(cron_read(&cron, text, CRON_ROTA, NULL, &fault));
    text[CRON_TEXT_MOST] = ' ';
    text[CRON_TEXT_MOST + 1] = '\0';
    assert_false(cron_read(&cron, text, CRON_ROTA, NULL, &fault));
    assert_string_equal(fault.text, "column 513: longer than 512 bytes");
}

/* --- Zones, grids and names ------------------------------------------------------------------ */

static void hands_on_the_zone_of_the_text(void **state)
{
    (void)state;
    assert_string_equal(read_cron("CRON_TZ=Asia/Tokyo 0 4 * * *", CRON_ROTA).zone, "Asia/Tokyo");
    assert_string_equal(read_cron(" TZ=UTC  @daily", CRON_ROTA).zone, "UTC");
    assert_string_equal(read_cron("TZ=Europe/Berlin @every 1h", CRON_ROTA).zone, "Europe/Berlin");
    assert_string_equal(read_cron("0 4 * * *", CRON_ROTA).zone, "");
}

static void counts_elapsed_time(void **state)
{
    static const struct {
        int64_t anchor_us, at_us, next_us, previous_us; /* -1: none */
    } cases[] = {
        {1000, 0, 1000, -1},
        {1000, 999, 1000, -1},
        {1000, 1000, 90001000, -1},
        {1000, 1001, 90001000, 1000},
        {1000, 90001000, 180001000, 1000},
        {1000, 90001001, 180001000, 90001000},
        {0, INSTANT_MOST_US, -1, INT64_C(7258118310000000)},
        {0, INT64_MAX, -1, INT64_C(7258118310000000)},
        {5, INT64_MIN, 5, -1},
        {-1, 0, -1, -1},
    };
    struct cron cron = read_cron("@every 1m30s", CRON_ROTA);

    (void)state;
    assert_int_equal(cron.kind, CRON_EVERY);
    assert_int_equal(cron.every_ms, 90000);
    assert_int_equal(read_cron("@EVERY PT1H", CRON_QUARTZ).every_ms, 3600000);
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t next_us = -1, previous_us = -1;

        assert_int_equal(cron_every_next(90000, cases[i].anchor_us, cases[i].at_us, &next_us),
                         cases[i].next_us >= 0);
        assert_int_equal(next_us, cases[i].next_us);
        assert_int_equal(
            cron_every_previous(90000, cases[i].anchor_us, cases[i].at_us, &previous_us),
            cases[i].previous_us >= 0);
        assert_int_equal(previous_us, cases[i].previous_us);
    }
    int64_t at_us = 42;

    assert_false(cron_every_next(0, 0, 0, &at_us));
    assert_false(cron_every_next(INT64_MAX / 1000, 0, 0, &at_us));
    assert_int_equal(at_us, 42);
}

static void names_lead_back(void **state)
{
    (void)state;
    for (int i = 0; i < CRON_DIALECT_COUNT; i++) {
        enum cron_dialect dialect;

        assert_true(cron_dialect_read(&dialect, cron_dialect_name((enum cron_dialect)i)));
        assert_int_equal(dialect, i);
    }
    for (int i = 0; i < CRON_GAP_COUNT; i++) {
        enum cron_gap gap;

        assert_true(cron_gap_read(&gap, cron_gap_name((enum cron_gap)i)));
        assert_int_equal(gap, i);
    }
    for (int i = 0; i < CRON_OVERLAP_COUNT; i++) {
        enum cron_overlap overlap;

        assert_true(cron_overlap_read(&overlap, cron_overlap_name((enum cron_overlap)i)));
        assert_int_equal(overlap, i);
    }
    enum cron_dialect dialect = CRON_GDTS;

    assert_false(cron_dialect_read(&dialect, "Rota"));
    assert_int_equal(dialect, CRON_GDTS);
}

/* --- A value by name ------------------------------------------------------------------------- */

static int lowest(uint64_t set)
{
    return set ? __builtin_ctzll(set) : -1;
}

static void derives_values_from_the_name(void **state)
{
    int hits[60] = {0};
    struct fault fault;
    struct cron cron, again;
    char one[CRON_CANONICAL], other[CRON_CANONICAL];

    (void)state;
    for (int i = 0; i < 3000; i++) {
        char name[32];

        snprintf(name, sizeof name, "schedule-%d", i);
        assert_true(cron_read(&cron, "~ 8~17 ~ ~6 ~5", CRON_ROTA, name, &fault));
        assert_true(cron_read(&again, "~ 8~17 ~ ~6 ~5", CRON_ROTA, name, &fault));
        assert_string_equal(cron_canonical(one, &cron), cron_canonical(other, &again));
        for (int field = CRON_MINUTE; field <= CRON_WEEKDAY; field++)
            assert_int_equal(__builtin_popcountll(cron.sets[field]), 1);
        hits[lowest(cron.sets[CRON_MINUTE])]++;
        assert_in_range(lowest(cron.sets[CRON_HOUR]), 8, 17);
        assert_in_range(lowest(cron.sets[CRON_DAY]), 1, 28);
        assert_in_range(lowest(cron.sets[CRON_MONTH]), 1, 6);
        assert_in_range(lowest(cron.sets[CRON_WEEKDAY]), 0, 5);
    }
    for (size_t i = 0; i < COUNT(hits); i++)
        assert_in_range(hits[i], 15, 100);
    assert_true(cron_read(&cron, "0 0 30~ * *", CRON_ROTA, "a", &fault));
    assert_in_range(lowest(cron.sets[CRON_DAY]), 30, 31);
}

/* --- Words ----------------------------------------------------------------------------------- */

static void check_same_fires(const struct cron *one, const struct cron *other)
{
    struct zone *zone = open_zone("Europe/Berlin");
    int64_t at_us = instant("2026-03-20T00:00:00Z");
    struct cron_fire fire, again;

    for (int i = 0; i < 50; i++) {
        if (!cron_next(one, zone, &usual, at_us, &fire)) {
            assert_false(cron_next(other, zone, &usual, at_us, &again));
            break;
        }
        assert_true(cron_next(other, zone, &usual, at_us, &again));
        assert_int_equal(fire.at_us, again.at_us);
        assert_int_equal(fire.touched, again.touched);
        assert_memory_equal(&fire.nominal, &again.nominal, sizeof fire.nominal);
        at_us = fire.at_us;
    }
    zone_close(zone);
}

static void writes_one_form(void **state)
{
    static const struct {
        enum cron_dialect dialect;
        const char *text, *canonical;
    } cases[] = {
        {CRON_ROTA, "30 2 * * 1-5", "0 30 2 * * MON-FRI *"},
        {CRON_ROTA, "*/15 * * * *", "0 */15 * * * * *"},
        {CRON_ROTA, "0/15 0/6 ? * ?", "0 */15 */6 * * * *"},
        {CRON_ROTA, "1,2,3,5,8,9 * * * *", "0 1-3,5,8,9 * * * * *"},
        {CRON_ROTA, "5-59/10 * * * *", "0 5-55/10 * * * * *"},
        {CRON_ROTA, "0,30 * * * *", "0 0,30 * * * * *"},
        {CRON_ROTA, "0 0,12 * * *", "0 0 0,12 * * * *"},
        {CRON_ROTA, "0 0-23 * * *", "0 0 0-23 * * * *"},
        {CRON_ROTA, "0 0-23/4 * * *", "0 0 0-20/4 * * * *"},
        {CRON_ROTA, "0 */24 * * *", "0 0 */24 * * * *"},
        {CRON_ROTA, "0 */12,7 * * *", "0 0 */24,0,7,12 * * * *"},
        {CRON_ROTA, "0 *,7 * * *", "0 0 * * * * *"},
        {CRON_ROTA, "0 0 1-31 * *", "0 0 0 1-31 * * *"},
        {CRON_ROTA, "0 0 1-31/2 * *", "0 0 0 1-31/2 * * *"},
        {CRON_VIXIE, "0 0 */2 * 7", "0 0 0 */2 * SUN *"},
        {CRON_ROTA, "0 0 * 6-8,12 *", "0 0 0 * JUN-AUG,DEC * *"},
        {CRON_ROTA, "0 0 * * 5-7", "0 0 0 * * SUN,FRI,SAT *"},
        {CRON_ROTA, "0 0 L,15W,LW,L-3 * MON#1,FRIL", "0 0 0 L,L-3,15W,LW * MON#1,FRIL *"},
        {CRON_ROTA, "0 0 L,5,*/10 * *", "0 0 0 1,5,11,21,31,L * * *"},
        {CRON_QUARTZ, "0 15 10 ? * 6L 2002-2005", "0 15 10 * * FRIL 2002-2005"},
        {CRON_QUARTZ, "0 15 10 ? * 1", "0 15 10 * * SUN *"},
        {CRON_GDTS, "0 0 1 1 * 2030/10", "0 0 0 1 JAN * 2030-2190/10"},
        {CRON_ROTA, "@weekly", "0 0 0 * * SUN *"},
        {CRON_ROTA, "@every 90m", "@every PT90M"},
        {CRON_ROTA, "TZ=Asia/Tokyo @hourly", "0 0 * * * * *"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cron cron = read_cron(cases[i].text, cases[i].dialect), again;
        char canonical[CRON_CANONICAL], twice[CRON_CANONICAL];

        assert_string_equal(cron_canonical(canonical, &cron), cases[i].canonical);
        again = read_cron(canonical, CRON_ROTA);
        assert_string_equal(cron_canonical(twice, &again), canonical);
        if (cron.kind == CRON_CALENDAR)
            check_same_fires(&cron, &again);
    }
}

static void says_it_in_english(void **state)
{
    static const struct {
        enum cron_dialect dialect;
        const char *text, *sentence;
    } cases[] = {
        {CRON_ROTA, "30 2 * * MON-FRI", "At 02:30, Monday to Friday"},
        {CRON_ROTA, "30 2 * * *", "At 02:30, every day"},
        {CRON_ROTA, "30 15 10 * * *", "At 10:15:30, every day"},
        {CRON_ROTA, "0,30 8,12 * * *", "At 08:00, 08:30, 12:00 and 12:30, every day"},
        {CRON_ROTA, "0 0 1 * *", "At 00:00, on day 1 of the month"},
        {CRON_ROTA, "@yearly", "At 00:00, on day 1 of the month, in January"},
        {CRON_ROTA, "* * * * * *", "Every second"},
        {CRON_ROTA, "*/10 * * * * *", "Every 10 seconds"},
        {CRON_ROTA, "15 * * * * *", "At second 15 of every minute"},
        {CRON_ROTA, "15,45 */10 * * * *",
         "At seconds 15 and 45 of minutes 0, 10, 20, 30, 40 and 50 "
         "of every hour"},
        {CRON_ROTA, "* 5 3 * * *", "Every second of minute 5 of hour 3"},
        {CRON_ROTA, "* * * * *", "Every minute"},
        {CRON_ROTA, "*/5 * * * *", "Every 5 minutes"},
        {CRON_ROTA, "*/7 * * * *", "At minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour"},
        {CRON_ROTA, "0 * * * *", "Every hour"},
        {CRON_ROTA, "15 * * * *", "At 15 minutes past every hour"},
        {CRON_ROTA, "1 * * * *", "At 1 minute past every hour"},
        {CRON_ROTA, "0 */2 * * *", "Every 2 hours"},
        {CRON_ROTA, "0 9-17 * * *", "Every hour, from 09:00 to 17:00"},
        {CRON_ROTA, "*/15 9-17 * * MON-FRI",
         "Every 15 minutes, from 09:00 to 17:45, Monday to Friday"},
        {CRON_ROTA, "*/5 2 * * *", "Every 5 minutes, from 02:00 to 02:55"},
        {CRON_ROTA, "5,10 1,3,5,7 * * *", "At minutes 5 and 10 of hours 1, 3, 5 and 7"},
        {CRON_ROTA, "* 1,3 * * *", "Every minute of hours 1 and 3"},
        {CRON_ROTA, "0 0 13 * FRI", "At 00:00, on day 13 of the month or on Friday"},
        {CRON_VIXIE, "30 4 1,15 * 5", "At 04:30, on days 1 and 15 of the month or on Friday"},
        {CRON_ROTA, "0 0 */10 * MON",
         "At 00:00, on days 1, 11, 21 and 31 of the month, but only on Monday"},
        {CRON_ROTA, "0 0 1-31 * MON", "At 00:00, every day"},
        {CRON_ROTA, "0 0 L * *", "At 00:00, on the last day of the month"},
        {CRON_ROTA, "0 0 L-3 * *", "At 00:00, 3 days before the last day of the month"},
        {CRON_ROTA, "0 0 L-1,LW * *",
         "At 00:00, 1 day before the last day of the month and on the last workday of the month"},
        {CRON_ROTA, "0 0 15W * *", "At 00:00, on the workday nearest to day 15 of the month"},
        {CRON_ROTA, "0 0 * * FRIL", "At 00:00, on the last Friday of the month"},
        {CRON_ROTA, "0 0 * * MON,FRI#3", "At 00:00, on Monday and on the 3rd Friday of the month"},
        {CRON_ROTA, "0 12 * 6-8 SAT,SUN", "At 12:00, on Saturday and Sunday, in June to August"},
        {CRON_ROTA, "0 12 * * FRI-SUN", "At 12:00, Friday to Sunday"},
        {CRON_ROTA, "0 12 * 1,3 0-2,4",
         "At 12:00, on Monday, Tuesday, Thursday and Sunday, in January and March"},
        {CRON_GDTS, "0 0 1 1 * 2030", "At 00:00, on day 1 of the month, in January, in 2030"},
        {CRON_QUARTZ, "0 15 10 ? * 6L 2002-2005",
         "At 10:15, on the last Friday of the month, in 2002 to 2005"},
        {CRON_ROTA, "@every 90s", "Every 90 seconds"},
        {CRON_ROTA, "@every 2h", "Every 2 hours"},
        {CRON_ROTA, "@every 24h", "Every day"},
        {CRON_ROTA, "@every 1.5s", "Every 1500 milliseconds"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cron cron = read_cron(cases[i].text, cases[i].dialect);
        char sentence[CRON_SENTENCE];

        assert_string_equal(cron_sentence(sentence, &cron), cases[i].sentence);
    }
}

static void cuts_long_sentences(void **state)
{
    char text[CRON_TEXT_MOST + 1] = "0 0 1W", sentence[CRON_SENTENCE];

    (void)state;
    for (int day = 2; day <= 31; day++)
        snprintf(text + strlen(text), sizeof text - strlen(text), ",%dW", day);
    strcat(text, " * *");
    struct cron cron = read_cron(text, CRON_ROTA);

    assert_int_equal(strlen(cron_sentence(sentence, &cron)), sizeof sentence - 1);
    assert_string_equal(sentence + sizeof sentence - 4, "...");
}

static void warns(void **state)
{
    static const struct {
        enum cron_dialect dialect;
        const char *text, *names;
    } cases[] = {
        {CRON_ROTA, "0 0 * * 1", ""},
        {CRON_ROTA, "0 0 0 * * MON", "six-fields "},
        {CRON_ROTA, "0 0 0 * * 1", "six-fields dow-numbering "},
        {CRON_QUARTZ, "0 0 0 ? * 2-6", "six-fields dow-numbering "},
        {CRON_GDTS, "0 0 1 1 * 2030", "six-fields "},
        {CRON_ROTA, "0 0 0 * * 5L *", "dow-numbering "},
        {CRON_ROTA, "0 0 0 * * FRIL *", ""},
        {CRON_ROTA, "0 0 0 * * */2 *", ""},
        {CRON_VIXIE, "0 0 13 * FRI", "either-day "},
        {CRON_ROTA, "0 0 0 13 * 5", "six-fields dow-numbering either-day "},
        {CRON_QUARTZ, "@weekly", ""},
        {CRON_ROTA, "@every 1h", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cron cron = read_cron(cases[i].text, cases[i].dialect);
        const struct cron_warning *found[CRON_WARNINGS_MOST];
        size_t count = cron_warnings(found, &cron);
        char names[128] = "";

        for (size_t j = 0; j < count; j++) {
            strcat(strcat(names, found[j]->name), " ");
            assert_true(strlen(found[j]->text) > 20);
        }
        assert_string_equal(names, cases[i].names);
    }
}

/* --- Cost ------------------------------------------------------------------------------------ */

/* The worst that was found: all of the years are gone through, in a zone with many changes. */
static void answers_soon_whatever_is_asked(void **state)
{
    static const char *const texts[] = {
        "0 0 0 29 2 * 2196",    "59 59 23 31 12 * 2199", "0 0 0 1 1 * 1970",
        "0 0 0 29W 2 * 2196/4", "0 0 0 */31 2 MON#5 *",  "* * 2 */16 2 SUN#5 2000/4",
    };
    struct zone *zone = open_zone("America/New_York");
    clock_t start = clock();
    struct cron_fire fire;
    struct fault fault;
    struct cron cron;

    (void)state;
    for (int i = 0; i < 100; i++)
        for (size_t j = 0; j < COUNT(texts); j++) {
            if (!cron_read(&cron, texts[j], CRON_ROTA, "", &fault))
                continue;
            cron_next(&cron, zone, &usual, 0, &fire);
            cron_next(&cron, zone, &usual, instant("2196-03-01T00:00:00Z"), &fire);
            cron_previous(&cron, zone, &usual, INSTANT_MOST_US, &fire);
            cron_previous(&cron, zone, &usual, instant("2000-02-01T00:00:00Z"), &fire);
        }
    /* 600 readings and 2,400 answers: 1 ms each would be far too slow. */
    assert_true(clock() - start < 3 * CLOCKS_PER_SEC);
    zone_close(zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_as_published),
        cmocka_unit_test(ends_with_the_years),
        cmocka_unit_test(follows_the_clock_when_it_is_changed),
        cmocka_unit_test(says_the_local_time_that_was_meant),
        cmocka_unit_test(refuses_and_says_where),
        cmocka_unit_test(refuses_what_is_too_long),
        cmocka_unit_test(hands_on_the_zone_of_the_text),
        cmocka_unit_test(counts_elapsed_time),
        cmocka_unit_test(names_lead_back),
        cmocka_unit_test(derives_values_from_the_name),
        cmocka_unit_test(writes_one_form),
        cmocka_unit_test(says_it_in_english),
        cmocka_unit_test(cuts_long_sentences),
        cmocka_unit_test(warns),
        cmocka_unit_test(answers_soon_whatever_is_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
