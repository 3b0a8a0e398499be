/*
 * When something fires: GET /api/v1/schedules/{name}/upcoming of a schedule, and POST
 * /api/v1/cron/explain of an expression, which needs no database.
 */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/instant.h"
#include "common/json.h"
#include "common/mem.h"
#include "producer/accept.h"
#include "producer/schedule_ask.h"
#include "producer/schedule_render.h"

#define COUNT_MOST 1000
#define COUNT_USUAL 20

struct span {
    int64_t from_us, until_us; /* from INT64_MIN: now */
    int count;
};

/* --- upcoming -------------------------------------------------------------------------------- */

static void answer_upcoming(struct schedule_asked *asked, struct schedule *schedule, int64_t now_us)
{
    const struct span *span = asked->data;
    struct json_object *body = json_object_new_object();
    char sentence[SPEC_SENTENCE];
    int64_t from_us = span->from_us == INT64_MIN ? now_us : span->from_us;

    put_text(body, "describe", spec_sentence(sentence, schedule->spec));
    put_text(body, "timezone", zone_name(spec_zone(schedule->spec)));
    json_object_object_add(body, "items",
                           render_fires(schedule->spec, from_us - 1, span->until_us, span->count));
    answer_json(asked->request, 200, body);
}

static bool read_instant(int64_t *ret, struct web_request *request, const char *name)
{
    const char *text = web_query(request, name);
    struct fault fault;

    if (!text || instant_read(ret, text, &fault))
        return true;
    answer_parameter(request, PROBLEM_INVALID_PARAMETER, name, fault.text);
    return false;
}

void schedule_upcoming(struct web_request *request, void *data)
{
    static const char *const known[] = {"count", "from", "until"};
    struct schedule_asked asked = {.producer = data, .request = request, .answer = answer_upcoming};
    struct span span = {.from_us = INT64_MIN, .until_us = INT64_MAX, .count = COUNT_USUAL};

    if (!answer_knows_parameters(request, known, COUNT(known)) ||
        !schedule_read_name(asked.name, request) ||
        !answer_read_count(&span.count, request, "count", COUNT_MOST) ||
        !read_instant(&span.from_us, request, "from") ||
        !read_instant(&span.until_us, request, "until") || !answer_has_database(data, request))
        return;
    asked.data = memcpy(mem_new(struct span, .count = 0), &span, sizeof span);
    schedule_ask(&asked);
}

/* --- explain --------------------------------------------------------------------------------- */

struct explaining {
    struct json_object *spec;
    int64_t from_us, count;
};

static void take(struct explaining *explaining, const char *name, struct json_object *value)
{
    json_object_object_add(explaining->spec, name, json_object_get(value));
}

static void read_expression(void *data, struct json_object *value, const struct field *at)
{
    (void)at;
    take(data, "cron", value);
}

static void read_dialect(void *data, struct json_object *value, const struct field *at)
{
    (void)at;
    take(data, "cron_dialect", value);
}

static void read_timezone(void *data, struct json_object *value, const struct field *at)
{
    (void)at;
    take(data, "timezone", value);
}

static void read_dst(void *data, struct json_object *value, const struct field *at)
{
    (void)at;
    take(data, "dst", value);
}

static void read_from(void *data, struct json_object *value, const struct field *at)
{
    field_instant(&((struct explaining *)data)->from_us, at, value);
}

static void read_number(void *data, struct json_object *value, const struct field *at)
{
    field_int(&((struct explaining *)data)->count, at, value, 1, COUNT_MOST);
}

static const struct field_row rows[] = {
    {"expression", read_expression},
    {"cron_dialect", read_dialect},
    {"timezone", read_timezone},
    {"dst", read_dst},
    {"from", read_from},
    {"count", read_number},
};

/* The spec's reader speaks of its own member. */
static void rename_pointers(struct problems *problems)
{
    for (int i = 0; i < problems->count; i++)
        if (!strcmp(problems->list[i].pointer, "#/cron"))
            snprintf(problems->list[i].pointer, sizeof problems->list[i].pointer, "#/expression");
}

/* The last fire before an instant; INT64_MIN where there is none. A grid has no other anchor here.
 */
static int64_t previous_of(const struct spec *spec, int64_t before_us)
{
    const struct cron *cron = spec_cron(spec);
    struct cron_fire fire;
    int64_t at_us;

    if (cron->kind == CRON_EVERY)
        return cron_every_previous(cron->every_ms, 0, before_us, &at_us) ? at_us : INT64_MIN;
    if (cron->kind == CRON_CALENDAR &&
        cron_previous(cron, spec_zone(spec), spec_dst(spec), before_us, &fire))
        return fire.at_us;
    return INT64_MIN;
}

static void answer_explained(struct web_request *request, const struct spec *spec,
                             const struct explaining *explaining)
{
    struct json_object *body = json_object_new_object();
    const struct cron *cron = spec_cron(spec);
    char sentence[SPEC_SENTENCE], canonical[CRON_CANONICAL];

    put_text(body, "describe", spec_sentence(sentence, spec));
    put_text(body, "canonical", cron_canonical(canonical, cron));
    put_text(body, "cron_dialect", cron_dialect_name(cron->dialect));
    put_text(body, "timezone", zone_name(spec_zone(spec)));
    json_object_object_add(body, "warnings", render_warnings(spec));
    json_object_object_add(
        body, "next",
        render_fires(spec, explaining->from_us - 1, INT64_MAX, (int)explaining->count));
    put_time(body, "previous", previous_of(spec, explaining->from_us));
    answer_json(request, 200, body);
}

void cron_explain(struct web_request *request, void *data)
{
    SCOPED(scoped_json) struct json_object *object = NULL;
    SCOPED(scoped_json) struct json_object *made = json_object_new_object();
    struct explaining explaining = {
        .spec = made, .from_us = clock_database_us(), .count = COUNT_USUAL};
    struct problems problems = {0};
    struct field whole = {.problems = &problems}, expression = field_member(&whole, "expression");
    struct spec *spec = NULL;

    (void)data;
    if (!answer_knows_parameters(request, NULL, 0) || !accept_read_json(&object, request))
        return;
    if (field_object(&whole, object)) {
        field_read_all(&whole, object, rows, COUNT(rows), true, &explaining);
        if (!json_object_object_get(made, "cron"))
            field_refuse(&expression, "is required");
        else if (!problems.count)
            spec_read(&spec, made, &whole, "", true);
    }
    rename_pointers(&problems);
    if (spec)
        answer_explained(request, spec, &explaining);
    else
        accept_refuse(request, &problems);
    spec_free(spec);
}
