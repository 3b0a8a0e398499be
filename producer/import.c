/*
 * POST /api/v1/schedules:import: many schedules in one call, as a JSON array, as NDJSON, or as a
 * crontab (text/x-crontab). All of them are good, or nothing is sent. ?dry_run=true says what would
 * be done, ?prune=true deletes what the file does not name, ?prefix= names the entries of a crontab
 * (and then only schedules of that prefix are pruned).
 */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/command.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/rows.h"
#include "producer/accept.h"
#include "producer/crontab.h"
#include "producer/schedule_render.h"

#include <strings.h>

#define ITEMS_MOST 2000
#define PREFIX_MOST 64
#define CRONTAB_PREFIX "crontab-"

enum action { ACTION_CREATE, ACTION_UPDATE, ACTION_UNCHANGED, ACTION_DELETE };

static const char *const actions[] = {"create", "update", "unchanged", "delete"};

struct item {
    char name[SCHEDULE_NAME_MOST + 1];
    struct schedule *schedule; /* NULL: to be deleted */
    enum action action;
};

struct import {
    struct producer *producer;
    struct web_request *request;
    bool dry_run, prune, is_crontab;
    char prefix[PREFIX_MOST + 1]; /* "": of any name */
    struct item *items;
    size_t count;
    int open, sent, failed;
    struct fault fault;
};

static void import_free(struct import *import)
{
    for (size_t i = 0; i < import->count; i++)
        schedule_free(import->items[i].schedule);
    free(import->items);
    free(import);
}

/* --- Reading --------------------------------------------------------------------------------- */

static bool is_twice(const struct import *import, const char *name)
{
    for (size_t i = 0; i < import->count; i++)
        if (!strcmp(import->items[i].name, name))
            return true;
    return false;
}

static void read_item(struct import *import, struct json_object *object, const struct field *at)
{
    struct field name_at = field_member(at, "name");
    struct json_object *name;
    struct item *item;

    if (!field_object(at, object))
        return;
    name = json_object_object_get(object, "name");
    const char *text =
        json_object_is_type(name, json_type_string) ? json_object_get_string(name) : "";

    if (!schedule_name_fits(text)) {
        field_refuse(&name_at,
                     "must have 1 to %d characters, begin with a-z or 0-9 and go on with "
                     "a-z, 0-9, dots, - and _",
                     SCHEDULE_NAME_MOST);
        return;
    }
    if (is_twice(import, text)) {
        field_refuse(&name_at, "stands there twice");
        return;
    }
    item = &import->items[import->count++];
    *item = (struct item){.schedule = NULL};
    snprintf(item->name, sizeof item->name, "%s", text);
    schedule_read(&item->schedule, object, text, true, at);
}

/* Of a crontab the line, of all else the item. */
static size_t place_of(const struct import *import, struct json_object *item, size_t i)
{
    if (import->is_crontab) {
        i = (size_t)json_object_get_int(json_object_object_get(item, CRONTAB_LINE));
        json_object_object_del(item, CRONTAB_LINE);
    }
    return i;
}

static void read_items(struct import *import, struct json_object *list, struct problems *problems)
{
    struct field whole = {.problems = problems};

    if (!field_array(&whole, list, ITEMS_MOST))
        return;
    import->items = mem_array(struct item, json_object_array_length(list));
    for (size_t i = 0; i < json_object_array_length(list) && problems->count < PROBLEMS_MOST; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        struct field at = field_item(&whole, place_of(import, item, i));

        read_item(import, item, &at);
    }
}

/* The lines as one array. */
static bool read_lines(struct json_object **ret, const char *text, size_t size,
                       struct problems *problems)
{
    struct json_object *list = json_object_new_array(), *object;
    struct field whole = {.problems = problems};
    struct fault fault;
    size_t index = 0;

    for (const char *end = text + size, *line = text; line < end; index++) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((stop ? stop : end) - line);
        struct field at = field_item(&whole, index);

        if (strspn(line, " \t\r") < length && !json_read(&object, line, length, &fault))
            field_refuse(&at, "%s", fault.text);
        else if (strspn(line, " \t\r") < length)
            json_object_array_add(list, object);
        line += length + 1;
    }
    if (problems->count) {
        json_object_put(list);
        return false;
    }
    *ret = list;
    return true;
}

/* Entries of a crontab always have a prefix: pruning by one file never touches what is not of it.
 */
static bool read_body(struct json_object **ret, struct import *import, struct problems *problems)
{
    const char *type = web_header(import->request, "Content-Type");
    size_t size;
    const char *text = web_body(import->request, &size);

    if (type && !strncasecmp(type, "text/x-crontab", strlen("text/x-crontab"))) {
        import->is_crontab = true;
        if (!*import->prefix)
            snprintf(import->prefix, sizeof import->prefix, "%s", CRONTAB_PREFIX);
        return crontab_read(ret, text, size, import->prefix, problems);
    }
    if (web_is_ndjson(import->request))
        return read_lines(ret, text, size, problems);
    return accept_read_json(ret, import->request);
}

/* --- What is there --------------------------------------------------------------------------- */

static bool is_same(const struct item *item, const char *definition)
{
    SCOPED(scoped_json) struct json_object *theirs = NULL;
    SCOPED(scoped_json) struct json_object *ours = schedule_json(item->schedule);
    struct fault fault;

    if (!json_read(&theirs, definition, strlen(definition), &fault))
        return false;
    SCOPED(scoped_text) char *one = json_canonical(ours);
    SCOPED(scoped_text) char *other = json_canonical(theirs);

    return !strcmp(one, other);
}

static void hold_against(struct import *import, const PGresult *rows, int row)
{
    const char *name = rows_text(rows, row, 0);

    if (!rows_is_null(rows, row, 2)) {
        struct item *item = &import->items[rows_int(rows, row, 2)];

        item->action = is_same(item, rows_text(rows, row, 1)) ? ACTION_UNCHANGED : ACTION_UPDATE;
        return;
    }
    import->items = mem_grow(import->items, import->count + 1);
    import->items[import->count] = (struct item){.action = ACTION_DELETE};
    snprintf(import->items[import->count++].name, SCHEDULE_NAME_MOST + 1, "%s", name);
}

/* --- Answering ------------------------------------------------------------------------------- */

static struct json_object *render_items(const struct import *import)
{
    struct json_object *list = json_object_new_array();

    for (size_t i = 0; i < import->count; i++) {
        struct json_object *one = json_object_new_object();

        put_text(one, "name", import->items[i].name);
        put_text(one, "action", actions[import->items[i].action]);
        json_object_array_add(list, one);
    }
    return list;
}

static void answer_import(struct import *import)
{
    struct json_object *body = json_object_new_object();
    int counts[COUNT(actions)] = {0};

    for (size_t i = 0; i < import->count; i++)
        counts[import->items[i].action]++;
    put_bool(body, "dry_run", import->dry_run);
    for (size_t i = 0; i < COUNT(actions); i++)
        put_int(body, actions[i], counts[i]);
    json_object_object_add(body, "results", render_items(import));
    answer_json(import->request, import->dry_run ? 200 : 202, body);
}

/* The last report answers the request; sent again after a failure it does what is left. */
static void on_delivered(void *data, const struct bus_position *where, const struct fault *fault)
{
    struct import *import = data;

    (void)where;
    if (fault && !import->failed++)
        import->fault = *fault;
    if (--import->open)
        return;
    if (import->failed)
        problem_reply(import->request, PROBLEM_KAFKA_UNAVAILABLE,
                      "a part of it may be done: %s; sent again it does what is left",
                      import->fault.text);
    else
        answer_import(import);
    import_free(import);
}

static void send_item(struct import *import, struct item *item)
{
    int64_t now_us = clock_database_us();
    struct edit edit = {.action = item->action == ACTION_DELETE ? EDIT_DELETE : EDIT_PUT,
                        .id = uuid_ordered(now_us),
                        .created_at_us = now_us,
                        .schedule = item->schedule};
    struct fault fault;

    snprintf(edit.name, sizeof edit.name, "%s", item->name);
    import->open++;
    if (command_send_edit(import->producer->bus, import->producer->topic, log_node(), &edit,
                          on_delivered, import, &fault))
        return;
    import->open--;
    if (!import->failed++)
        import->fault = fault;
}

static void on_names(void *data, const PGresult *rows, const struct fault *fault)
{
    struct import *import = data;

    if (fault) {
        answer_database_fault(import->request, fault);
        import_free(import);
        return;
    }
    for (int row = 0; row < PQntuples(rows); row++)
        hold_against(import, rows, row);
    if (import->dry_run) {
        answer_import(import);
        import_free(import);
        return;
    }
    import->open = 1; /* our own, until all are sent */
    for (size_t i = 0; i < import->count; i++)
        if (import->items[i].action != ACTION_UNCHANGED)
            send_item(import, &import->items[i]);
    on_delivered(import, NULL, NULL);
}

static void ask_names(struct import *import)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    args_array(&args, ARGS_TEXT);
    for (size_t i = 0; i < import->count; i++)
        args_text(&args, import->items[i].name);
    args_array_end(&args);
    args_bool(&args, import->prune);
    args_text(&args, import->prefix);
    db_call(import->producer->db, QUERY_SCHEDULES_NAMES, &args, on_names, import);
}

/* --- The request ----------------------------------------------------------------------------- */

static bool read_flag(bool *ret, struct web_request *request, const char *name)
{
    const char *text = web_query(request, name);

    if (!text)
        return true;
    *ret = !strcmp(text, "true");
    if (*ret || !strcmp(text, "false"))
        return true;
    answer_parameter(request, PROBLEM_INVALID_PARAMETER, name, "must be true or false");
    return false;
}

static bool read_prefix(struct import *import)
{
    const char *text = web_query(import->request, "prefix");

    if (!text)
        return true;
    if (!schedule_name_fits(text) || strlen(text) > PREFIX_MOST) {
        answer_parameter(import->request, PROBLEM_INVALID_PARAMETER, "prefix",
                         "must be the beginning of a schedule's name, of at most 64 characters");
        return false;
    }
    snprintf(import->prefix, sizeof import->prefix, "%s", text);
    return true;
}

void schedule_import(struct web_request *request, void *data)
{
    static const char *const known[] = {"dry_run", "prune", "prefix"};
    SCOPED(scoped_json) struct json_object *list = NULL;
    struct import *import = mem_new(struct import, .producer = data, .request = request);
    struct problems problems = {0};

    if (answer_knows_parameters(request, known, COUNT(known)) &&
        read_flag(&import->dry_run, request, "dry_run") &&
        read_flag(&import->prune, request, "prune") && read_prefix(import)) {
        if (!read_body(&list, import, &problems)) {
            if (problems.count)
                accept_refuse(request, &problems);
        } else {
            read_items(import, list, &problems);
            if (import->prune && !*import->prefix) {
                answer_parameter(request, PROBLEM_INVALID_PARAMETER, "prune",
                                 "needs prefix: the beginning of the names that may be deleted");
            } else if (problems.count) {
                accept_refuse(request, &problems);
            } else if (answer_has_database(data, request)) {
                ask_names(import);
                return;
            }
        }
    }
    import_free(import);
}
