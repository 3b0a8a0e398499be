#include "tests/unit/unit.h"

#include "common/mem.h"
#include "common/tzif.h"
#include "common/tzrule.h"
#include "tests/harness/walls.h"

#include <ctype.h>
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LAST_S INT64_C(7258118399) /* of 2199 */

static struct zone *open_zone(const char *name)
{
    struct zone *zone = NULL;
    struct fault fault = {0};

    if (!zone_open(&zone, name, &fault))
        fail_msg("%s: %s", name, fault.text);
    assert_string_equal(zone_name(zone), name);
    return zone;
}

/* "2026-03-29 02:30:00" */
static struct civil civil(const char *text)
{
    struct civil civil;

    assert_int_equal(sscanf(text, "%d-%d-%d %d:%d:%d", &civil.year, &civil.month, &civil.day,
                            &civil.hour, &civil.minute, &civil.second),
                     6);
    return civil;
}

static int64_t utc(const char *text)
{
    struct civil at = civil(text);

    return civil_seconds(&at);
}

static void civil_times_count_both_ways(void **state)
{
    static const struct {
        int64_t seconds;
        struct civil civil;
        int weekday;
    } cases[] = {
        {0, {1970, 1, 1, 0, 0, 0}, 4},
        {-1, {1969, 12, 31, 23, 59, 59}, 3},
        {951782400, {2000, 2, 29, 0, 0, 0}, 2},
        {951868800, {2000, 3, 1, 0, 0, 0}, 3},
        {1795226700, {2026, 11, 21, 2, 5, 0}, 6},
        {4107542399, {2100, 2, 28, 23, 59, 59}, 0},
        {4107542400, {2100, 3, 1, 0, 0, 0}, 1},
        {LAST_S, {2199, 12, 31, 23, 59, 59}, 2},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct civil *must = &cases[i].civil;
        struct civil is = civil_of(cases[i].seconds);

        assert_memory_equal(&is, must, sizeof is);
        assert_int_equal(civil_seconds(must), cases[i].seconds);
        assert_int_equal(civil_weekday(civil_days(must->year, must->month, must->day)),
                         cases[i].weekday);
    }
    for (int64_t days = -200000; days < 200000; days++) {
        struct civil is = civil_of(days * CIVIL_DAY_S);

        assert_int_equal(civil_days(is.year, is.month, is.day), days);
        assert_in_range(is.day, 1, civil_month_days(is.year, is.month));
    }
}

/* What the C library finds with the same files and the TZ variable. */
static void check_offset(const struct zone *zone, int64_t unix_s)
{
    time_t time = (time_t)unix_s;
    struct tm parts;

    assert_non_null(localtime_r(&time, &parts));
    if (zone_offset_at(zone, unix_s) != parts.tm_gmtoff)
        fail_msg("%s at %lld: %d, not %ld", zone_name(zone), (long long)unix_s,
                 zone_offset_at(zone, unix_s), parts.tm_gmtoff);
}

static void set_tz(const char *name)
{
    if (name)
        setenv("TZ", name, 1);
    else
        unsetenv("TZ");
    tzset();
}

/* Around every transition, and every `step_s` in between. */
static void compare_with_library(const char *name, int64_t step_s)
{
    struct zone *zone = open_zone(name);
    char path[ZONE_NAME + 1];
    int64_t at_s = 0;

    snprintf(path, sizeof path, ":%s", name);
    set_tz(path);
    for (int64_t unix_s = 0; unix_s < LAST_S; unix_s += step_s)
        check_offset(zone, unix_s);
    while (walls_next_change(zone, at_s, &at_s) && at_s < LAST_S) {
        check_offset(zone, at_s - 1);
        check_offset(zone, at_s);
        assert_int_not_equal(zone_offset_at(zone, at_s - 1), zone_offset_at(zone, at_s));
    }
    set_tz(NULL);
    zone_close(zone);
}

static void agrees_with_the_library(void **state)
{
    static const char *const names[] = {
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Africa/Cairo",
        "America/Santiago",
        "Asia/Beirut",
        "Pacific/Apia",
        "Asia/Kathmandu",
        "Africa/Casablanca",
        "Europe/Dublin",
        "America/Nuuk",
        "Asia/Gaza",
        "Africa/Monrovia",
        "Antarctica/Troll",
        "America/Sao_Paulo",
        "Etc/GMT+5",
        "Asia/Tehran",
        "Pacific/Kwajalein",
        "UTC",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        compare_with_library(names[i], 86400 * 3 + 12345);
}

/* Every zone that is installed can be read, and agrees. */
static int compare_folder(const char *folder, const char *prefix)
{
    char path[512], name[ZONE_NAME + 256];
    struct dirent *entry;
    DIR *directory = opendir(folder);
    int zones = 0;

    if (!directory)
        return 0;
    while ((entry = readdir(directory))) {
        if (!isupper((unsigned char)*entry->d_name) || !strcmp(entry->d_name, "Factory"))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        snprintf(name, sizeof name, "%s%s", prefix, entry->d_name);
        struct stat stat_of;
        struct zone *zone = NULL;
        struct fault fault;

        assert_int_equal(stat(path, &stat_of), 0);
        if (S_ISDIR(stat_of.st_mode)) {
            strcat(name, "/");
            zones += compare_folder(path, name);
        } else if (zone_open(&zone, name, &fault)) {
            zone_close(zone);
            compare_with_library(name, 86400 * 91 + 4321);
            zones++;
        } else if (!strstr(fault.text, "abbreviates")) {
            fail_msg("%s: %s", name, fault.text);
        }
    }
    closedir(directory);
    return zones;
}

static void reads_every_zone_that_is_installed(void **state)
{
    const char *folder = getenv("TZDIR");

    (void)state;
    assert_true(compare_folder(folder ? folder : "/usr/share/zoneinfo", "") > 300);
}

/* Facts from the tz database, told in local time. */
static const struct {
    const char *zone, *local;
    enum walls_match match;
    const char *first, *last, *change; /* UTC */
} local_times[] = {
    {"Europe/Berlin", "2026-06-01 12:00:00", WALLS_UNIQUE, "2026-06-01 10:00:00",
     "2026-06-01 10:00:00", NULL},
    {"Europe/Berlin", "2026-03-29 01:59:59", WALLS_UNIQUE, "2026-03-29 00:59:59",
     "2026-03-29 00:59:59", NULL},
    {"Europe/Berlin", "2026-03-29 02:00:00", WALLS_GAP, "2026-03-29 01:00:00",
     "2026-03-29 00:00:00", "2026-03-29 01:00:00"},
    {"Europe/Berlin", "2026-03-29 02:59:59", WALLS_GAP, "2026-03-29 01:59:59",
     "2026-03-29 00:59:59", "2026-03-29 01:00:00"},
    {"Europe/Berlin", "2026-03-29 03:00:00", WALLS_UNIQUE, "2026-03-29 01:00:00",
     "2026-03-29 01:00:00", NULL},
    {"Europe/Berlin", "2026-10-25 01:59:59", WALLS_UNIQUE, "2026-10-24 23:59:59",
     "2026-10-24 23:59:59", NULL},
    {"Europe/Berlin", "2026-10-25 02:30:00", WALLS_OVERLAP, "2026-10-25 00:30:00",
     "2026-10-25 01:30:00", NULL},
    {"Europe/Berlin", "2026-10-25 03:00:00", WALLS_UNIQUE, "2026-10-25 02:00:00",
     "2026-10-25 02:00:00", NULL},
    {"Europe/Berlin", "2198-03-25 02:30:00", WALLS_GAP, "2198-03-25 01:30:00",
     "2198-03-25 00:30:00", "2198-03-25 01:00:00"},
    {"America/New_York", "2026-03-08 02:30:00", WALLS_GAP, "2026-03-08 07:30:00",
     "2026-03-08 06:30:00", "2026-03-08 07:00:00"},
    {"America/New_York", "2026-11-01 01:30:00", WALLS_OVERLAP, "2026-11-01 05:30:00",
     "2026-11-01 06:30:00", NULL},
    {"Australia/Lord_Howe", "2026-10-04 02:15:00", WALLS_GAP, "2026-10-03 15:45:00",
     "2026-10-03 15:15:00", "2026-10-03 15:30:00"},
    {"Australia/Lord_Howe", "2026-04-05 01:45:00", WALLS_OVERLAP, "2026-04-04 14:45:00",
     "2026-04-04 15:15:00", NULL},
    {"Africa/Cairo", "2026-04-24 00:30:00", WALLS_GAP, "2026-04-23 22:30:00", "2026-04-23 21:30:00",
     "2026-04-23 22:00:00"},
    {"Africa/Cairo", "2026-10-29 23:30:00", WALLS_OVERLAP, "2026-10-29 20:30:00",
     "2026-10-29 21:30:00", NULL},
    {"America/Santiago", "2026-09-06 00:00:00", WALLS_GAP, "2026-09-06 04:00:00",
     "2026-09-06 03:00:00", "2026-09-06 04:00:00"},
    {"Asia/Beirut", "2026-03-29 00:00:00", WALLS_GAP, "2026-03-28 22:00:00", "2026-03-28 21:00:00",
     "2026-03-28 22:00:00"},
    {"Asia/Beirut", "2026-10-24 23:59:59", WALLS_OVERLAP, "2026-10-24 20:59:59",
     "2026-10-24 21:59:59", NULL},
    {"Pacific/Apia", "2011-12-29 23:59:59", WALLS_UNIQUE, "2011-12-30 09:59:59",
     "2011-12-30 09:59:59", NULL},
    {"Pacific/Apia", "2011-12-30 12:00:00", WALLS_GAP, "2011-12-30 22:00:00", "2011-12-29 22:00:00",
     "2011-12-30 10:00:00"},
    {"Pacific/Apia", "2011-12-31 00:00:00", WALLS_UNIQUE, "2011-12-30 10:00:00",
     "2011-12-30 10:00:00", NULL},
    {"Pacific/Kwajalein", "1993-08-21 12:00:00", WALLS_GAP, "1993-08-22 00:00:00",
     "1993-08-21 00:00:00", "1993-08-21 12:00:00"},
    {"Asia/Kathmandu", "1986-01-01 00:10:00", WALLS_GAP, "1985-12-31 18:40:00",
     "1985-12-31 18:25:00", "1985-12-31 18:30:00"},
    {"Africa/Casablanca", "2026-02-15 02:30:00", WALLS_OVERLAP, "2026-02-15 01:30:00",
     "2026-02-15 02:30:00", NULL},
    {"Africa/Casablanca", "2026-03-22 02:30:00", WALLS_GAP, "2026-03-22 02:30:00",
     "2026-03-22 01:30:00", "2026-03-22 02:00:00"},
    {"UTC", "2026-03-29 02:30:00", WALLS_UNIQUE, "2026-03-29 02:30:00", "2026-03-29 02:30:00",
     NULL},
};

static void resolves_local_times(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(local_times); i++) {
        struct zone *zone = open_zone(local_times[i].zone);
        struct civil local = civil(local_times[i].local);
        struct walls found = walls_of(zone, &local);

        if (found.match != local_times[i].match || found.first_s != utc(local_times[i].first) ||
            found.last_s != utc(local_times[i].last) ||
            found.change_s != (local_times[i].change ? utc(local_times[i].change) : 0))
            fail_msg("%s %s: match %d, first %lld, last %lld, change %lld", local_times[i].zone,
                     local_times[i].local, (int)found.match, (long long)found.first_s,
                     (long long)found.last_s, (long long)found.change_s);
        zone_close(zone);
    }
}

/* An instant is one of those that its own local time stands for. */
static void local_times_lead_back(void **state)
{
    static const char *const names[] = {"Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia",
                                        "America/Santiago", "UTC"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct zone *zone = open_zone(names[i]);

        for (int64_t at_s = 0; at_s < LAST_S; at_s += 1234567) {
            struct civil local = civil_of(at_s + zone_offset_at(zone, at_s));
            struct walls found = walls_of(zone, &local);

            assert_int_not_equal(found.match, WALLS_GAP);
            assert_true(found.first_s == at_s || found.last_s == at_s);
            assert_int_equal(found.first_s != found.last_s, found.match == WALLS_OVERLAP);
        }
        zone_close(zone);
    }
}

static void spans_join(void **state)
{
    struct zone *zone = open_zone("America/New_York");
    int64_t at_s = 0, next_s;

    (void)state;
    while (walls_next_change(zone, at_s, &next_s)) {
        struct zone_span here = zone_span_at(zone, at_s), there = zone_span_at(zone, next_s);

        assert_int_equal(here.to_s, next_s);
        assert_int_equal(there.from_s, next_s);
        assert_int_equal(here.after_s, there.offset_s);
        assert_int_equal(there.before_s, here.offset_s);
        at_s = next_s;
    }
    assert_true(at_s > LAST_S);
    assert_true(zone_span_at(zone, INT64_MIN).from_s == INT64_MIN);
    assert_int_equal(zone_span_at(zone, INT64_MIN).before_s,
                     zone_span_at(zone, INT64_MIN).offset_s);
    zone_close(zone);
    zone_close(NULL);
}

static void refuses_names(void **state)
{
    static const struct {
        const char *name, *says;
    } cases[] = {
        {"", "is not the name of a time zone"},
        {"Europe/Berlni", "did you mean Europe/Berlin?"},
        {"europe/berlin", "did you mean Europe/Berlin?"},
        {"America/New York", "America/New_York"},
        {"Berlin", "Europe/Berlin"},
        {"America/Berlin", "Europe/Berlin"},
        {"Asia/Tokio", "Asia/Tokyo"},
        {"utc", "UTC"},
        {"Nowhere/Atall", "is not the name of a time zone such as Europe/Berlin"},
        {"EST5EDT", "America/New_York"},
        {"CET", "Europe/Paris"},
        {"+01:00", "is not the name"},
        {"-0100", "is not the name"},
        {"../../../etc/passwd", "is not the name"},
        {"Europe/../Europe/Berlin", "is not the name"},
        {"/usr/share/zoneinfo/UTC", "is not the name"},
        {"/Europe/Berlin", "is not the name"},
        {"Europe//Berlin", "is not the name"},
        {"Europe/Berlin/", "is not the name"},
        {"Europe", "is not the name"},
        {"Europe/", "is not the name"},
        {"zone.tab", "is not the name"},
        {"tzdata.zi", "is not the name"},
        {"leapseconds", "is not the name"},
        {"localtime", "is not the name"},
        {"posixrules", "is not the name"},
        {"Factory", "is not the name"},
        {"posix/Europe/Berlin", "is not the name"},
        {"right/Europe/Berlin", "is not the name"},
        {"Europe/Berlin\n", "did you mean Europe/Berlin?"},
        {"Europe/Berlin/Europe/Berlin/Europe/Berlin/Europe/Berlin/Europe/Ber", "at most 63 bytes"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct zone *zone = NULL;
        struct fault fault;

        assert_false(zone_open(&zone, cases[i].name, &fault));
        assert_null(zone);
        assert_int_equal(fault.kind, FAULT_REJECTED);
        if (!strstr(fault.text, cases[i].says))
            fail_msg("%s: %s", cases[i].name, fault.text);
    }
}

static void reads_from_the_folder_that_is_set(void **state)
{
    struct zone *zone = NULL;
    struct fault fault;

    (void)state;
    setenv("TZDIR", "/nonexistent", 1);
    assert_false(zone_open(&zone, "Europe/Berlin", &fault));
    assert_int_equal(fault.kind, FAULT_BROKEN);
    assert_true(zone_open(&zone, "UTC", &fault));
    assert_int_equal(zone_offset_at(zone, 0), 0);
    zone_close(zone);
    assert_true(zone_open(&zone, "Etc/UTC", &fault));
    zone_close(zone);
    unsetenv("TZDIR");
}

/* --- Rules and files ------------------------------------------------------------------------- */

static void reads_rules(void **state)
{
    static const struct {
        const char *text;
        int year;
        const char *start, *end; /* UTC */
    } cases[] = {
        {"CET-1CEST,M3.5.0,M10.5.0/3", 2026, "2026-03-29 01:00:00", "2026-10-25 01:00:00"},
        {"EST5EDT,M3.2.0,M11.1.0", 2026, "2026-03-08 07:00:00", "2026-11-01 06:00:00"},
        {"IST-1GMT0,M10.5.0,M3.5.0/1", 2026, "2026-10-25 01:00:00", "2026-03-29 01:00:00"},
        {"<-04>4<-03>,M9.1.6/24,M4.1.6/24", 2026, "2026-09-06 04:00:00", "2026-04-05 03:00:00"},
        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 2026, "2026-03-29 01:00:00", "2026-10-25 01:00:00"},
        {"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 2026, "2026-10-03 15:30:00",
         "2026-04-04 15:00:00"},
        {"AAA3BBB,J60/0,J300/0", 2024, "2024-03-01 03:00:00", "2024-10-27 02:00:00"},
        {"AAA3BBB,J60/0,J300/0", 2025, "2025-03-01 03:00:00", "2025-10-27 02:00:00"},
        {"AAA3BBB,59/0,299/0", 2024, "2024-02-29 03:00:00", "2024-10-26 02:00:00"},
        {"AAA3BBB,59/0,299/0", 2025, "2025-03-01 03:00:00", "2025-10-27 02:00:00"},
        {"AAA0:30:15BBB,M1.1.1/1:2:3,M12.5.4/-167", 2026, "2026-01-05 01:32:18",
         "2026-12-24 00:30:15"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tzrule rule;

        assert_true(tzrule_read(&rule, cases[i].text));
        assert_true(rule.has_summer);
        assert_int_equal(tzrule_start(&rule, cases[i].year), utc(cases[i].start));
        if (strcmp(cases[i].text, "AAA0:30:15BBB,M1.1.1/1:2:3,M12.5.4/-167"))
            assert_int_equal(tzrule_end(&rule, cases[i].year), utc(cases[i].end));
    }
}

static void refuses_rules(void **state)
{
    static const char *const cases[] = {
        "",
        "CET",
        "CE-1",
        "CET-25",
        "CET-1 ",
        "CET-1CEST",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M3.5.0,",
        "<+01-1",
        "<>-1",
        "CET-1:60",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,J0,J300",
        "CET-1CEST,1,366",
        "CET-1CEST,M3.5.0/168,M10.5.0",
        "CET-1CEST,M3.5.0,M10.5.0/3x",
        "CET0001",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tzrule rule;

        if (tzrule_read(&rule, cases[i]))
            fail_msg("%s was taken", cases[i]);
    }
}

struct file {
    uint8_t bytes[1024];
    size_t size;
};

static void put(struct file *file, const void *bytes, size_t size)
{
    memcpy(file->bytes + file->size, bytes, size);
    file->size += size;
}

static void put_number(struct file *file, int64_t number, int size)
{
    while (size-- > 0)
        file->bytes[file->size++] = (uint8_t)((uint64_t)number >> (size * 8));
}

static void put_header(struct file *file, char version, int leaps, int times, int types)
{
    put(file, "TZif", 4);
    put_number(file, version, 1);
    for (int i = 0; i < 15; i++)
        put_number(file, 0, 1);
    put_number(file, 0, 4);
    put_number(file, 0, 4);
    put_number(file, leaps, 4);
    put_number(file, times, 4);
    put_number(file, types, 4);
    put_number(file, 4, 4); /* characters */
}

static void put_type(struct file *file, int offset_s)
{
    put_number(file, offset_s, 4);
    put_number(file, 0, 2);
}

/* An empty first part, then two transitions at 100 and `second`, then the rule. */
static struct file make_file(char version, int leaps, int64_t second, int offset_s, int kind,
                             const char *rule)
{
    struct file file = {.size = 0};

    put_header(&file, version, 0, 0, 1);
    put_type(&file, 0);
    put(&file, "ABC", 4);
    put_header(&file, version, leaps, 2, 2);
    put_number(&file, 100, 8);
    put_number(&file, second, 8);
    put_number(&file, 1, 1);
    put_number(&file, kind, 1);
    put_type(&file, 0);
    put_type(&file, offset_s);
    put(&file, "ABC", 4);
    for (int i = 0; i < leaps; i++) {
        put_number(&file, 1, 8);
        put_number(&file, 1, 4);
    }
    put(&file, rule, strlen(rule));
    return file;
}

static void reads_files(void **state)
{
    struct file file = make_file('2', 0, 200, 3600, 0, "\nABC0\n");
    struct fault fault;
    struct tzif tzif;

    (void)state;
    assert_true(tzif_read(&tzif, file.bytes, file.size, &fault));
    assert_int_equal(tzif.count, 3);
    assert_int_equal(tzif.spans[1].from_s, 100);
    assert_int_equal(tzif.spans[1].offset_s, 3600);
    assert_int_equal(tzif.spans[2].from_s, 200);
    assert_int_equal(tzif.spans[2].offset_s, 0);
    tzif_done(&tzif);

    /* The second transition changes no offset; no rule. */
    file = make_file('4', 0, 200, 3600, 1, "\n\n");
    assert_true(tzif_read(&tzif, file.bytes, file.size, &fault));
    assert_int_equal(tzif.count, 2);
    tzif_done(&tzif);

    /* Summer time all the year, as RFC 9636 writes it. */
    file = make_file('3', 0, 200, -14400, 1, "\nXXX3EDT4,0/0,J365/23\n");
    assert_true(tzif_read(&tzif, file.bytes, file.size, &fault));
    assert_int_equal(tzif.spans[tzif.count - 2].offset_s, -14400);
    assert_true(tzif.spans[tzif.count - 1].from_s > LAST_S);
    assert_true(tzif.count < 6);
    tzif_done(&tzif);
}

static void refuses_files(void **state)
{
    const struct {
        struct file file;
        const char *says;
    } cases[] = {
        {make_file('\0', 0, 200, 3600, 0, "\nABC0\n"), "version 2"},
        {make_file('2', 1, 200, 3600, 0, "\nABC0\n"), "leap seconds"},
        {make_file('2', 0, 100, 3600, 0, "\nABC0\n"), "out of order"},
        {make_file('2', 0, 200, 3600, 2, "\nABC0\n"), "out of order"},
        {make_file('2', 0, 200, 100000, 0, "\nABC0\n"), "range"},
        {make_file('2', 0, 200, -100000, 0, "\nABC0\n"), "range"},
        {make_file('2', 0, 200, 3600, 0, "\nABC\n"), "last line"},
        {make_file('2', 0, 200, 3600, 0, "\nABC0"), "last line"},
        {make_file('2', 0, 200, 3600, 0, "ABC0\n"), "last line"},
        {make_file('2', 0, 200, 3600, 0, ""), "last line"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault;
        struct tzif tzif;

        assert_false(tzif_read(&tzif, cases[i].file.bytes, cases[i].file.size, &fault));
        if (!strstr(fault.text, cases[i].says))
            fail_msg("case %zu: %s", i, fault.text);
    }
    struct file whole = make_file('2', 0, 200, 3600, 0, "\nABC0\n");

    for (size_t size = 0; size < whole.size; size++) {
        struct fault fault;
        struct tzif tzif;

        assert_false(tzif_read(&tzif, whole.bytes, size, &fault));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(civil_times_count_both_ways),
        cmocka_unit_test(agrees_with_the_library),
        cmocka_unit_test(reads_every_zone_that_is_installed),
        cmocka_unit_test(resolves_local_times),
        cmocka_unit_test(local_times_lead_back),
        cmocka_unit_test(spans_join),
        cmocka_unit_test(refuses_names),
        cmocka_unit_test(reads_from_the_folder_that_is_set),
        cmocka_unit_test(reads_rules),
        cmocka_unit_test(refuses_rules),
        cmocka_unit_test(reads_files),
        cmocka_unit_test(refuses_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
