#include "producer/schedule_render.h"

#include "common/cleanup.h"
#include "common/instant.h"
#include "common/json.h"
#include "common/mem.h"

#define US 1000000
#define LOCAL_TEXT 48
#define EXCLUDED_MOST 1000 /* fires in a row that are passed over */

struct schedule *schedule_of(const char *name, const char *definition)
{
    SCOPED(scoped_json) struct json_object *object = NULL;
    struct problems problems = {0};
    struct field at = {.problems = &problems};
    struct schedule *schedule = NULL;
    struct fault fault;

    if (json_read(&object, definition, strlen(definition), &fault))
        schedule_read(&schedule, object, name, false, &at);
    return schedule;
}

/* 2026-03-29T03:00:00+02:00; seconds of an offset are kept where there are any (RFC 9557 has none,
 * and only instants before 1972 need them). */
static void write_local(char text[static LOCAL_TEXT], const struct zone *zone, int64_t at_us)
{
    int64_t unix_s = at_us / US;
    int offset = zone_offset_at(zone, unix_s), size = abs(offset);
    struct civil civil = civil_of(unix_s + offset);
    int used = snprintf(text, LOCAL_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d", civil.year, civil.month,
                        civil.day, civil.hour, civil.minute, civil.second);

    if (at_us % US)
        used +=
            snprintf(text + used, (size_t)(LOCAL_TEXT - used), ".%03d", (int)(at_us % US / 1000));
    used += snprintf(text + used, (size_t)(LOCAL_TEXT - used), "%c%02d:%02d",
                     offset < 0 ? '-' : '+', size / 3600, size / 60 % 60);
    if (size % 60)
        snprintf(text + used, (size_t)(LOCAL_TEXT - used), ":%02d", size % 60);
}

struct json_object *render_fire(const struct spec *spec, const struct spec_fire *fire)
{
    struct json_object *to = json_object_new_object();
    char local[LOCAL_TEXT];

    write_local(local, spec_zone(spec), fire->at_us);
    put_time(to, "at", fire->at_us);
    put_text(to, "local", local);
    put_text(to, "dst",
             fire->touched == CRON_TOUCHED_NONE ? NULL : cron_touched_name(fire->touched));
    put_bool(to, "excluded", fire->excluded);
    return to;
}

struct json_object *render_fires(const struct spec *spec, int64_t after_us, int64_t before_us,
                                 int count)
{
    struct json_object *list = json_object_new_array();
    struct spec_fire fire;

    while (count-- > 0 && spec_next(spec, after_us, &fire) && fire.at_us < before_us) {
        json_object_array_add(list, render_fire(spec, &fire));
        after_us = fire.at_us;
    }
    return list;
}

struct json_object *render_warnings(const struct spec *spec)
{
    const struct cron_warning *warnings[CRON_WARNINGS_MOST];
    struct json_object *list = json_object_new_array();
    const struct cron *cron = spec_cron(spec);
    size_t count = cron ? cron_warnings(warnings, cron) : 0;

    for (size_t i = 0; i < count; i++) {
        struct json_object *one = json_object_new_object();

        put_text(one, "name", warnings[i]->name);
        put_text(one, "detail", warnings[i]->text);
        json_object_array_add(list, one);
    }
    return list;
}

static void put_definition(struct json_object *to, const char *definition)
{
    SCOPED(scoped_json) struct json_object *object = NULL;
    struct fault fault;

    if (!json_read(&object, definition, strlen(definition), &fault) ||
        !json_object_is_type(object, json_type_object))
        return;
    json_object_object_foreach(object, name, value)
    {
        json_object_object_add(to, name, json_object_get(value));
    }
}

static void put_pause(struct json_object *to, const PGresult *rows, int row)
{
    struct json_object *paused = NULL;

    if (!strcmp(rows_text(rows, row, SCHEDULE_STATUS), "paused")) {
        paused = json_object_new_object();
        put_time_of(paused, "at", rows, row, SCHEDULE_PAUSED_AT);
        put_text_of(paused, "reason", rows, row, SCHEDULE_PAUSE_REASON);
        put_time_of(paused, "until", rows, row, SCHEDULE_PAUSED_UNTIL);
    }
    json_object_object_add(to, "paused", paused);
}

/* The next fire that is not excluded; INT64_MIN where there is none near. */
static int64_t next_run(const struct spec *spec, int64_t after_us)
{
    struct spec_fire next;

    for (int i = 0; i < EXCLUDED_MOST && spec_next(spec, after_us, &next); i++) {
        if (!next.excluded)
            return next.at_us;
        after_us = next.at_us;
    }
    return INT64_MIN;
}

static void put_coming(struct json_object *to, const char *name, bool active, int64_t now_us)
{
    struct json_object *when = json_object_object_get(to, "spec");
    struct problems problems = {0};
    struct field at = {.problems = &problems};
    char sentence[SPEC_SENTENCE];
    struct spec *spec = NULL;

    if (!spec_read(&spec, when, &at, name, false))
        return;
    put_text(to, "describe", spec_sentence(sentence, spec));
    json_object_object_add(to, "warnings", render_warnings(spec));
    put_time(to, "next_run_at", active ? next_run(spec, now_us) : INT64_MIN);
    json_object_object_add(to, "next_runs",
                           active ? render_fires(spec, now_us, INT64_MAX, RENDER_RUNS)
                                  : json_object_new_array());
    spec_free(spec);
}

static struct json_object *links_of(const char *name)
{
    static const char *const actions[] = {"pause",    "resume",   "trigger",
                                          "backfill", "upcoming", "fires"};
    struct json_object *links = json_object_new_object();
    char path[SCHEDULE_NAME_MOST + 64];

    snprintf(path, sizeof path, "/api/v1/schedules/%s", name);
    put_text(links, "self", path);
    for (size_t i = 0; i < COUNT(actions); i++) {
        snprintf(path, sizeof path, "/api/v1/schedules/%s/%s", name, actions[i]);
        put_text(links, actions[i], path);
    }
    return links;
}

struct json_object *render_schedule(const PGresult *rows, int row, int64_t now_us)
{
    struct json_object *to = json_object_new_object(), *streak = json_object_new_object();
    const char *name = rows_text(rows, row, SCHEDULE_NAME);
    bool active = !strcmp(rows_text(rows, row, SCHEDULE_STATUS), "active");

    put_text(to, "name", name);
    put_text_of(to, "status", rows, row, SCHEDULE_STATUS);
    put_int_of(to, "version", rows, row, SCHEDULE_VERSION);
    put_time_of(to, "created_at", rows, row, SCHEDULE_CREATED_AT);
    put_time_of(to, "updated_at", rows, row, SCHEDULE_UPDATED_AT);
    put_pause(to, rows, row);
    put_definition(to, rows_text(rows, row, SCHEDULE_DEFINITION));
    put_coming(to, name, active, now_us);
    put_int_of(to, "runs", rows, row, SCHEDULE_RUNS);
    put_int_of(streak, "failed", rows, row, SCHEDULE_STREAK);
    json_object_object_add(to, "streak", streak);
    json_object_object_add(to, "links", links_of(name));
    return to;
}
