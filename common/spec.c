#include "common/spec.h"

#include "common/cleanup.h"
#include "common/instant.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/uuid.h"
#include "common/zones.h"

#define US 1000000
#define TEXT_MOST 64
#define UTC "UTC"

enum kind { KIND_NONE, KIND_CRON, KIND_EVERY, KIND_AT };

/* Days since 1970-01-01 of the schedule's zone, both included. */
struct days {
    int64_t first, last;
};

struct spec {
    enum kind kind;
    char *seed, *expression;
    struct cron cron;
    struct cron_dst dst;
    const struct zone *zone;
    int64_t every_ms, anchor_us;
    int64_t *at;
    size_t at_count;
    int64_t start_us, end_us; /* INT64_MIN, INT64_MAX: no bound */
    int64_t max_runs, jitter_ms;
    struct days *exclude;
    size_t exclude_count;
};

/* --- Reading --------------------------------------------------------------------------------- */

struct reading {
    struct spec *spec;
    struct field whole;
    bool strict;
    struct json_object *cron, *every, *at; /* as given */
    const char *timezone;
    bool has_anchor, has_dialect, has_dst;
};

static void read_cron(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    const char *text;

    reading->cron = value;
    if (field_text(&text, at, value, 1, CRON_TEXT_MOST))
        reading->spec->expression = mem_text(text);
}

static void read_every(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    reading->every = value;
    field_duration(&reading->spec->every_ms, at, value, CRON_EVERY_LEAST_MS, CRON_EVERY_MOST_MS);
}

static int by_instant(const void *one, const void *other)
{
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;

    return (a > b) - (a < b);
}

/* Whole milliseconds, as they are written again. */
static void read_instant(int64_t *ret_us, struct json_object *value, const struct field *at)
{
    if (field_instant(ret_us, at, value))
        *ret_us -= *ret_us % 1000;
}

static void add_instant(struct spec *spec, struct json_object *value, const struct field *at)
{
    read_instant(&spec->at[spec->at_count++], value, at);
}

static void read_at(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    struct spec *spec = reading->spec;

    reading->at = value;
    if (!json_object_is_type(value, json_type_array)) {
        spec->at = mem_array(int64_t, 1);
        add_instant(spec, value, at);
        return;
    }
    if (!field_array(at, value, SPEC_AT_MOST))
        return;
    size_t count = json_object_array_length(value);

    if (!count)
        field_refuse(at, "must hold at least one instant");
    spec->at = mem_array(int64_t, count);
    for (size_t i = 0; i < count; i++) {
        struct field item = field_item(at, i);

        add_instant(spec, json_object_array_get_idx(value, i), &item);
    }
}

static void read_dialect(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    const char *name;

    reading->has_dialect = true;
    if (field_text(&name, at, value, 0, TEXT_MOST) &&
        !cron_dialect_read(&reading->spec->cron.dialect, name))
        field_refuse(at, "must be one of rota, vixie, quartz, gdts");
}

static void read_timezone(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    field_text(&reading->timezone, at, value, 1, ZONE_NAME - 1);
}

static void read_anchor(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    reading->has_anchor = true;
    read_instant(&reading->spec->anchor_us, value, at);
}

static void read_start(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    read_instant(&reading->spec->start_us, value, at);
}

static void read_end(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    read_instant(&reading->spec->end_us, value, at);
}

static void read_max_runs(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    field_int(&reading->spec->max_runs, at, value, 1, SPEC_RUNS_MOST);
}

static void read_jitter(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    field_duration(&reading->spec->jitter_ms, at, value, 0, SPEC_JITTER_MOST_MS);
}

static void read_gap(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    const char *name;

    if (field_text(&name, at, value, 0, TEXT_MOST) && !cron_gap_read(&reading->spec->dst.gap, name))
        field_refuse(at, "must be one of run_after, skip, run_before");
}

static void read_overlap(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    const char *name;

    if (field_text(&name, at, value, 0, TEXT_MOST) &&
        !cron_overlap_read(&reading->spec->dst.overlap, name))
        field_refuse(at, "must be one of first, second, both");
}

static void read_dst(void *data, struct json_object *value, const struct field *at)
{
    static const struct field_row rows[] = {{"gap", read_gap}, {"overlap", read_overlap}};
    struct reading *reading = data;

    reading->has_dst = true;
    if (field_object(at, value))
        field_read_all(at, value, rows, COUNT(rows), reading->strict, data);
}

/* "2026-12-25" */
static bool read_day(int64_t *ret, const char *text, size_t size)
{
    int year, month, day, used = 0;
    char copy[11];

    if (size != sizeof copy - 1)
        return false;
    snprintf(copy, sizeof copy, "%s", text);
    if (strspn(copy, "0123456789-") != size || copy[0] == '-' ||
        sscanf(copy, "%4d-%2d-%2d%n", &year, &month, &day, &used) != 3 || used != (int)size)
        return false;
    if (year < CRON_YEAR_LEAST || year > CRON_YEAR_MOST || month < 1 || month > 12 || day < 1 ||
        day > civil_month_days(year, month))
        return false;
    *ret = civil_days(year, month, day);
    return true;
}

static void read_excluded(struct days *days, struct json_object *value, const struct field *at)
{
    const char *text, *slash;

    if (!field_text(&text, at, value, 1, TEXT_MOST))
        return;
    slash = strchr(text, '/');
    if (!read_day(&days->first, text, slash ? (size_t)(slash - text) : strlen(text)) ||
        !read_day(&days->last, slash ? slash + 1 : text, strlen(slash ? slash + 1 : text)))
        field_refuse(at, "must be a day such as 2026-12-25, or a range of days such as "
                         "2026-12-31/2027-01-02");
    else if (days->last < days->first)
        field_refuse(at, "ends before it begins");
}

static void read_exclude(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    struct spec *spec = reading->spec;

    if (!field_array(at, value, SPEC_EXCLUDE_MOST))
        return;
    spec->exclude_count = json_object_array_length(value);
    spec->exclude = mem_array(struct days, spec->exclude_count);
    for (size_t i = 0; i < spec->exclude_count; i++) {
        struct field item = field_item(at, i);

        read_excluded(&spec->exclude[i], json_object_array_get_idx(value, i), &item);
    }
}

static const struct field_row rows[] = {
    {"cron", read_cron},         {"every", read_every},          {"at", read_at},
    {"timezone", read_timezone}, {"cron_dialect", read_dialect}, {"anchor", read_anchor},
    {"start_at", read_start},    {"end_at", read_end},           {"max_runs", read_max_runs},
    {"jitter", read_jitter},     {"exclude", read_exclude},      {"dst", read_dst},
};

static bool refuse_member(const struct reading *reading, const char *name, const char *why)
{
    struct field at = field_member(&reading->whole, name);

    return field_refuse(&at, "%s", why);
}

static bool take_kind(struct reading *reading)
{
    int given = !!reading->cron + !!reading->every + !!reading->at;

    if (!given)
        return field_refuse(&reading->whole, "needs one of cron, every, at");
    if (given > 1)
        return field_refuse(&reading->whole, "takes only one of cron, every, at");
    reading->spec->kind = reading->cron ? KIND_CRON : reading->every ? KIND_EVERY : KIND_AT;
    return true;
}

/* CRON_TZ= within the expression, or the member; both only where they agree. */
static void take_zone(struct reading *reading)
{
    struct spec *spec = reading->spec;
    const char *within = spec->cron.zone;
    const char *name = reading->timezone ? reading->timezone : *within ? within : UTC;
    struct fault fault;

    if (reading->timezone && *within && strcmp(reading->timezone, within) != 0)
        refuse_member(reading, "timezone", "differs from the one in the expression");
    else if (!zones_get(&spec->zone, name, &fault))
        refuse_member(reading, reading->timezone ? "timezone" : "cron", fault.text);
}

static void take_cron(struct reading *reading)
{
    struct spec *spec = reading->spec;
    enum cron_dialect dialect = spec->cron.dialect;
    struct fault fault;

    if (spec->kind != KIND_CRON) {
        if (reading->has_dialect)
            refuse_member(reading, "cron_dialect", "belongs to cron");
        if (reading->has_dst)
            refuse_member(reading, "dst",
                          "belongs to cron: other fires do not follow the clock "
                          "on the wall");
        return;
    }
    if (spec->expression && !cron_read(&spec->cron, spec->expression, dialect, spec->seed, &fault))
        refuse_member(reading, "cron", fault.text);
}

/* Where intervals are counted from. */
static void take_anchor(struct reading *reading)
{
    struct spec *spec = reading->spec;
    bool counts =
        spec->kind == KIND_EVERY || (spec->kind == KIND_CRON && spec->cron.kind == CRON_EVERY);

    if (reading->has_anchor && !counts)
        refuse_member(reading, "anchor", "belongs to every");
    else if (!reading->has_anchor && spec->start_us != INT64_MIN)
        spec->anchor_us = spec->start_us;
}

static bool take_instants(const struct reading *reading)
{
    struct spec *spec = reading->spec;
    size_t kept = 0;

    if (!spec->at_count)
        return true;
    qsort(spec->at, spec->at_count, sizeof *spec->at, by_instant);
    for (size_t i = 0; i < spec->at_count; i++)
        if (!kept || spec->at[i] != spec->at[kept - 1])
            spec->at[kept++] = spec->at[i];
    spec->at_count = kept;
    for (size_t i = 1; i < kept; i++)
        if (spec->at[i] - spec->at[i - 1] < US)
            return refuse_member(reading, "at", "holds instants less than a second apart");
    return true;
}

static void take_bounds(const struct reading *reading)
{
    const struct spec *spec = reading->spec;
    struct spec_fire first;

    if (spec->end_us <= spec->start_us)
        refuse_member(reading, "end_at", "must be later than start_at");
    else if (!spec_next(spec, -1, &first))
        field_refuse(&reading->whole, "never fires%s",
                     spec->start_us != INT64_MIN || spec->end_us != INT64_MAX
                         ? " between start_at and end_at"
                         : "");
}

bool spec_read(struct spec **ret, struct json_object *value, const struct field *at,
               const char *seed, bool strict)
{
    struct spec *spec =
        mem_new(struct spec, .seed = mem_text(seed), .start_us = INT64_MIN, .end_us = INT64_MAX);
    struct reading reading = {.spec = spec, .whole = *at, .strict = strict};
    int before = at->problems->total;

    if (field_object(at, value)) {
        field_read_all(at, value, rows, COUNT(rows), strict, &reading);
        if (take_kind(&reading)) {
            take_cron(&reading);
            take_zone(&reading);
            take_anchor(&reading);
            take_instants(&reading);
        }
    }
    if (at->problems->total == before)
        take_bounds(&reading);
    if (at->problems->total != before) {
        spec_free(spec);
        return false;
    }
    *ret = spec;
    return true;
}

void spec_free(struct spec *spec)
{
    if (!spec)
        return;
    free(spec->seed);
    free(spec->expression);
    free(spec->at);
    free(spec->exclude);
    free(spec);
}

/* --- Fires ----------------------------------------------------------------------------------- */

/* How many of the list lie before an instant. */
static size_t count_before(const struct spec *spec, int64_t at_us)
{
    size_t least = 0, most = spec->at_count;

    while (least < most) {
        size_t middle = (least + most) / 2;

        if (spec->at[middle] >= at_us)
            most = middle;
        else
            least = middle + 1;
    }
    return least;
}

static bool next_instant(const struct spec *spec, int64_t after_us, int64_t *ret_us)
{
    size_t place = count_before(spec, after_us + 1);

    if (place == spec->at_count)
        return false;
    *ret_us = spec->at[place];
    return true;
}

static bool previous_instant(const struct spec *spec, int64_t before_us, int64_t *ret_us)
{
    size_t place = count_before(spec, before_us);

    if (!place)
        return false;
    *ret_us = spec->at[place - 1];
    return true;
}

/* 0 where it does not count elapsed time. */
static int64_t grid_of(const struct spec *spec)
{
    if (spec->kind == KIND_EVERY)
        return spec->every_ms;
    return spec->kind == KIND_CRON && spec->cron.kind == CRON_EVERY ? spec->cron.every_ms : 0;
}

static bool next_of_kind(const struct spec *spec, int64_t after_us, struct cron_fire *ret)
{
    int64_t grid_ms = grid_of(spec);

    if (spec->kind == KIND_AT)
        return next_instant(spec, after_us, &ret->at_us);
    if (grid_ms)
        return cron_every_next(grid_ms, spec->anchor_us, after_us, &ret->at_us);
    return cron_next(&spec->cron, spec->zone, &spec->dst, after_us, ret);
}

static bool previous_of_kind(const struct spec *spec, int64_t before_us, struct cron_fire *ret)
{
    int64_t grid_ms = grid_of(spec);

    if (spec->kind == KIND_AT)
        return previous_instant(spec, before_us, &ret->at_us);
    if (grid_ms)
        return cron_every_previous(grid_ms, spec->anchor_us, before_us, &ret->at_us);
    return cron_previous(&spec->cron, spec->zone, &spec->dst, before_us, ret);
}

static bool is_excluded(const struct spec *spec, int64_t fire_us)
{
    int64_t unix_s = fire_us / US, local_s = unix_s + zone_offset_at(spec->zone, unix_s);
    int64_t day = local_s / CIVIL_DAY_S - (local_s % CIVIL_DAY_S < 0);

    for (size_t i = 0; i < spec->exclude_count; i++)
        if (day >= spec->exclude[i].first && day <= spec->exclude[i].last)
            return true;
    return false;
}

static struct spec_fire fire_of(const struct spec *spec, const struct cron_fire *fire)
{
    return (struct spec_fire){.at_us = fire->at_us,
                              .touched = fire->touched,
                              .excluded = spec->exclude_count && is_excluded(spec, fire->at_us)};
}

bool spec_next(const struct spec *spec, int64_t after_us, struct spec_fire *ret)
{
    struct cron_fire fire = {0};

    if (spec->start_us != INT64_MIN && after_us < spec->start_us)
        after_us = spec->start_us - 1;
    if (!next_of_kind(spec, after_us, &fire) || fire.at_us >= spec->end_us)
        return false;
    *ret = fire_of(spec, &fire);
    return true;
}

bool spec_previous(const struct spec *spec, int64_t before_us, struct spec_fire *ret)
{
    struct cron_fire fire = {0};

    if (before_us > spec->end_us)
        before_us = spec->end_us;
    if (!previous_of_kind(spec, before_us, &fire) || fire.at_us < spec->start_us)
        return false;
    *ret = fire_of(spec, &fire);
    return true;
}

int64_t spec_due_us(const struct spec *spec, int64_t fire_us)
{
    char text[TEXT_MOST * 4];
    uint8_t hash[DIGEST_SIZE];
    uint64_t number;
    int size;

    if (!spec->jitter_ms)
        return fire_us;
    size = snprintf(text, sizeof text, "%lld/%.200s", (long long)fire_us, spec->seed);
    digest(hash, text, (size_t)size);
    memcpy(&number, hash, sizeof number);
    return fire_us + (int64_t)(number % (uint64_t)(spec->jitter_ms + 1)) * 1000;
}

int64_t spec_max_runs(const struct spec *spec)
{
    return spec->max_runs;
}

const struct zone *spec_zone(const struct spec *spec)
{
    return spec->zone;
}

const struct cron_dst *spec_dst(const struct spec *spec)
{
    return &spec->dst;
}

const struct cron *spec_cron(const struct spec *spec)
{
    return spec->kind == KIND_CRON ? &spec->cron : NULL;
}

/* --- Words ----------------------------------------------------------------------------------- */

static void add_text(struct json_object *to, const char *name, const char *text)
{
    json_object_object_add(to, name, json_object_new_string(text));
}

static void add_time(struct json_object *to, const char *name, int64_t unix_us)
{
    char text[INSTANT_TEXT];

    add_text(to, name, instant_write(text, unix_us));
}

static void add_span(struct json_object *to, const char *name, int64_t ms)
{
    char text[INSTANT_TEXT];

    add_text(to, name, duration_write(text, ms));
}

static void add_kind(struct json_object *to, const struct spec *spec)
{
    struct json_object *list, *dst;
    char text[INSTANT_TEXT];

    switch (spec->kind) {
    case KIND_EVERY:
        add_span(to, "every", spec->every_ms);
        add_time(to, "anchor", spec->anchor_us);
        return;
    case KIND_AT:
        list = json_object_new_array();
        for (size_t i = 0; i < spec->at_count; i++)
            json_object_array_add(list, json_object_new_string(instant_write(text, spec->at[i])));
        json_object_object_add(to, "at", list);
        return;
    default:
        add_text(to, "cron", spec->expression);
        add_text(to, "cron_dialect", cron_dialect_name(spec->cron.dialect));
        if (spec->cron.kind == CRON_EVERY) {
            add_time(to, "anchor", spec->anchor_us);
            return;
        }
        dst = json_object_new_object();
        add_text(dst, "gap", cron_gap_name(spec->dst.gap));
        add_text(dst, "overlap", cron_overlap_name(spec->dst.overlap));
        json_object_object_add(to, "dst", dst);
    }
}

static void write_day(char text[static 32], int64_t day)
{
    struct civil civil = civil_of(day * CIVIL_DAY_S);

    snprintf(text, 32, "%04d-%02d-%02d", civil.year, civil.month, civil.day);
}

static void add_exclude(struct json_object *to, const struct spec *spec)
{
    struct json_object *list = json_object_new_array();
    char first[32], last[32], both[65];

    for (size_t i = 0; i < spec->exclude_count; i++) {
        write_day(first, spec->exclude[i].first);
        write_day(last, spec->exclude[i].last);
        snprintf(both, sizeof both, "%s/%s", first, last);
        json_object_array_add(list,
                              json_object_new_string(strcmp(first, last) != 0 ? both : first));
    }
    json_object_object_add(to, "exclude", list);
}

struct json_object *spec_json(const struct spec *spec)
{
    struct json_object *to = json_object_new_object();

    add_kind(to, spec);
    add_text(to, "timezone", zone_name(spec->zone));
    if (spec->start_us != INT64_MIN)
        add_time(to, "start_at", spec->start_us);
    if (spec->end_us != INT64_MAX)
        add_time(to, "end_at", spec->end_us);
    if (spec->max_runs)
        json_object_object_add(to, "max_runs", json_object_new_int64(spec->max_runs));
    add_span(to, "jitter", spec->jitter_ms);
    add_exclude(to, spec);
    return to;
}

/* 90 s is "90 seconds", 5,400 s "90 minutes", 7,200 s "2 hours". */
static void say_span(char text[static TEXT_MOST], int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {
        {INT64_C(86400000), "day"}, {3600000, "hour"}, {60000, "minute"}, {1000, "second"}};

    for (size_t i = 0; i < COUNT(units); i++) {
        if (ms % units[i].ms)
            continue;
        if (ms == units[i].ms)
            snprintf(text, TEXT_MOST, "%s", units[i].name);
        else
            snprintf(text, TEXT_MOST, "%lld %ss", (long long)(ms / units[i].ms), units[i].name);
        return;
    }
    snprintf(text, TEXT_MOST, "%lld.%03d seconds", (long long)(ms / 1000), (int)(ms % 1000));
}

char *spec_sentence(char text[static SPEC_SENTENCE], const struct spec *spec)
{
    char words[CRON_SENTENCE], span[TEXT_MOST], first[INSTANT_TEXT], last[INSTANT_TEXT];

    switch (spec->kind) {
    case KIND_EVERY:
        say_span(span, spec->every_ms);
        snprintf(text, SPEC_SENTENCE, "Every %s", span);
        return text;
    case KIND_AT:
        instant_write(first, spec->at[0]);
        instant_write(last, spec->at[spec->at_count - 1]);
        if (spec->at_count == 1)
            snprintf(text, SPEC_SENTENCE, "Once, at %s", first);
        else
            snprintf(text, SPEC_SENTENCE, "At %zu instants, from %s to %s", spec->at_count, first,
                     last);
        return text;
    default:
        cron_sentence(words, &spec->cron);
        if (spec->cron.kind == CRON_EVERY)
            snprintf(text, SPEC_SENTENCE, "%s", words);
        else
            snprintf(text, SPEC_SENTENCE, "%s, %s", words, zone_name(spec->zone));
        return text;
    }
}
