/* GET /api/v1/schedules, by name, and GET /api/v1/schedules/{name}/fires, latest first. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/instant.h"
#include "common/mem.h"
#include "common/rows.h"
#include "producer/answer.h"
#include "producer/schedule_ask.h"
#include "producer/schedule_render.h"

#include <glib.h>

#define LIMIT_USUAL 50
#define LIMIT_MOST 500
#define WALKED_MOST 2000
#define CURSOR_MOST 256
#define LIST_KIND 's' /* of a cursor */
#define FIRES_KIND 'f'

struct page {
    struct producer *producer;
    struct web_request *request;
    char name[SCHEDULE_NAME_MOST + 1]; /* list: after this one; fires: the schedule */
    char status[16], tag[TASK_TAG_MOST * 4 + 1];
    int64_t from_us, before_us;
    int limit;
};

static bool refuse(struct web_request *request, const char *name, const char *detail)
{
    answer_parameter(request, PROBLEM_INVALID_PARAMETER, name, detail);
    return false;
}

static bool read_limit(int *ret, struct web_request *request)
{
    const char *text = web_query(request, "limit");
    char *end;
    long number;

    if (!text)
        return true;
    number = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || number < 1 || number > LIMIT_MOST)
        return refuse(request, "limit", "must be from 1 to 500");
    *ret = (int)number;
    return true;
}

static bool add_parameter(void *data, const char *name, const char *value)
{
    if (strcmp(name, "cursor") != 0) {
        char *escaped = g_uri_escape_string(value, NULL, FALSE);

        g_string_append_printf(data, "%s=%s&", name, escaped);
        g_free(escaped);
    }
    return true;
}

/* The same list, from there on. */
static void add_link(struct web_request *request, const char *cursor)
{
    GString *link = g_string_new(NULL);

    g_string_append_printf(link, "<%s?", web_path(request));
    web_each_query(request, add_parameter, link);
    g_string_append_printf(link, "cursor=%s>; rel=\"next\"", cursor);
    web_reply_header(request, "Link", link->str);
    g_string_free(link, TRUE);
}

/* An opaque text for `place`, which names what the list goes on from. */
static void put_cursor(struct json_object *to, struct web_request *request, const char *place)
{
    char *text = place ? g_base64_encode((const guchar *)place, strlen(place)) : NULL;

    for (char *at = text; at && *at; at++)
        *at = *at == '+' ? '-' : *at == '/' ? '_' : *at == '=' ? '.' : *at;
    put_text(to, "next_cursor", text);
    if (text)
        add_link(request, text);
    g_free(text);
}

/* Microseconds since 1970, as put_cursor was given them. */
static bool is_instant(const char *text)
{
    return strlen(text) <= 16 && strspn(text, "0123456789") == strlen(text) &&
           strtoll(text, NULL, 10) <= INSTANT_MOST_US;
}

static bool read_cursor(char *ret, size_t room, struct web_request *request, char kind)
{
    const char *text = web_query(request, "cursor");
    char copy[CURSOR_MOST];
    gsize size = 0;

    if (!text)
        return true;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *at = copy; *at; at++)
        *at = *at == '-' ? '+' : *at == '_' ? '/' : *at == '.' ? '=' : *at;
    if (strlen(text) > 1 && strlen(text) < sizeof copy)
        g_base64_decode_inplace(copy, &size);
    if (size > 1 && size <= room && copy[0] == kind) {
        memcpy(ret, copy + 1, size - 1);
        ret[size - 1] = '\0';
        if (kind == LIST_KIND ? schedule_name_fits(ret) : is_instant(ret))
            return true;
    }
    answer_parameter(request, PROBLEM_INVALID_CURSOR, "cursor", "is not one that this list gave");
    return false;
}

/* --- The list -------------------------------------------------------------------------------- */

static void on_listed(void *data, const PGresult *rows, const struct fault *fault)
{
    struct page *page = data;
    struct json_object *body, *items;
    char place[SCHEDULE_NAME_MOST + 2] = "";
    int count = 0, last = fault ? 0 : PQntuples(rows);

    if (fault) {
        answer_database_fault(page->request, fault);
        free(page);
        return;
    }
    body = json_object_new_object();
    items = json_object_new_array();
    for (int row = 0; row < last; row++) {
        bool is_row = !rows_is_null(rows, row, SCHEDULE_ID);

        if (is_row && count == page->limit)
            break; /* one more than the page: it is the next one's */
        if (is_row) {
            json_object_array_add(items, render_schedule(rows, row, clock_database_us()));
            count++;
        }
        if (is_row ? count == page->limit && row + 1 < last : count < page->limit)
            snprintf(place, sizeof place, "%c%s", LIST_KIND, rows_text(rows, row, SCHEDULE_NAME));
    }
    json_object_object_add(body, "items", items);
    put_cursor(body, page->request, *place ? place : NULL);
    answer_json(page->request, 200, body);
    free(page);
}

static bool read_status(char ret[static 16], struct web_request *request)
{
    const char *text = web_query(request, "status");

    if (!text)
        return true;
    if (strcmp(text, "active") != 0 && strcmp(text, "paused") != 0 && strcmp(text, "ended") != 0)
        return refuse(request, "status", "must be one of active, paused, ended");
    snprintf(ret, 16, "%s", text);
    return true;
}

static bool read_tag(char *ret, size_t room, struct web_request *request)
{
    const char *text = web_query(request, "tag");

    if (!text)
        return true;
    if (!*text || strlen(text) >= room)
        return refuse(request, "tag", "must have 1 to 64 characters");
    snprintf(ret, room, "%s", text);
    return true;
}

void schedule_list(struct web_request *request, void *data)
{
    static const char *const known[] = {"limit", "cursor", "status", "tag"};
    SCOPED(scoped_args) struct args args = ARGS_INIT;
    struct page page = {.producer = data, .request = request, .limit = LIMIT_USUAL};
    struct producer *producer = data;

    if (!answer_knows_parameters(request, known, COUNT(known)) ||
        !read_limit(&page.limit, request) ||
        !read_cursor(page.name, sizeof page.name, request, LIST_KIND) ||
        !read_status(page.status, request) || !read_tag(page.tag, sizeof page.tag, request) ||
        !answer_has_database(data, request))
        return;
    args_text(&args, page.name);
    args_int4(&args, page.limit + 1);
    args_text(&args, *page.status ? page.status : NULL);
    args_text(&args, *page.tag ? page.tag : NULL);
    args_int4(&args, *page.status || *page.tag ? WALKED_MOST : page.limit + 1);
    db_call(producer->db, QUERY_SCHEDULES_LIST, &args, on_listed,
            memcpy(mem_new(struct page, .limit = 0), &page, sizeof page));
}

/* --- The ledger ------------------------------------------------------------------------------ */

enum fire_column {
    FIRE_SCHEDULE,
    FIRE_AT,
    FIRE_LAST_AT,
    FIRE_COUNT,
    FIRE_REASON,
    FIRE_TASK,
    FIRE_MISSED,
    FIRE_VERSION,
    FIRE_DECIDED_AT,
    FIRE_STATE,
};

static struct json_object *render_decided(const PGresult *rows, int row)
{
    struct json_object *to = json_object_new_object();
    struct uuid task = rows_uuid(rows, row, FIRE_TASK);
    bool is_run = !rows_is_null(rows, row, FIRE_TASK);

    put_time_of(to, "fire_at", rows, row, FIRE_AT);
    put_time_of(to, "last_at", rows, row, FIRE_LAST_AT);
    put_int_of(to, "count", rows, row, FIRE_COUNT);
    put_text(to, "result", is_run ? "run" : "skipped");
    put_text_of(to, "reason", rows, row, FIRE_REASON);
    if (is_run)
        put_uuid(to, "task", &task);
    else
        put_text(to, "task", NULL);
    put_text_of(to, "state", rows, row, FIRE_STATE);
    put_int_of(to, "missed", rows, row, FIRE_MISSED);
    put_int_of(to, "version", rows, row, FIRE_VERSION);
    put_time_of(to, "decided_at", rows, row, FIRE_DECIDED_AT);
    return to;
}

static void answer_fires(struct page *page, const PGresult *rows)
{
    struct json_object *body = json_object_new_object(), *items = json_object_new_array();
    int count = rows_is_null(rows, 0, FIRE_AT) ? 0 : PQntuples(rows);
    char place[32];
    bool more = count > page->limit;

    for (int row = 0; row < count && row < page->limit; row++)
        json_object_array_add(items, render_decided(rows, row));
    if (more)
        snprintf(place, sizeof place, "%c%lld", FIRES_KIND,
                 (long long)rows_time(rows, page->limit - 1, FIRE_AT));
    json_object_object_add(body, "items", items);
    put_cursor(body, page->request, more ? place : NULL);
    answer_json(page->request, 200, body);
}

static void on_fires(void *data, const PGresult *rows, const struct fault *fault)
{
    struct page *page = data;

    if (fault)
        answer_database_fault(page->request, fault);
    else if (!PQntuples(rows))
        problem_reply(page->request, PROBLEM_NOT_FOUND, "there is no schedule %s", page->name);
    else
        answer_fires(page, rows);
    free(page);
}

static bool read_bound(int64_t *ret, struct web_request *request, const char *name)
{
    const char *text = web_query(request, name);
    struct fault fault;

    return !text || instant_read(ret, text, &fault) || refuse(request, name, fault.text);
}

static bool read_before(struct page *page, struct web_request *request)
{
    char text[32] = "";

    if (!read_cursor(text, sizeof text, request, FIRES_KIND))
        return false;
    if (*text)
        page->before_us = strtoll(text, NULL, 10);
    return true;
}

void schedule_fires(struct web_request *request, void *data)
{
    static const char *const known[] = {"limit", "cursor", "from", "until"};
    SCOPED(scoped_args) struct args args = ARGS_INIT;
    struct producer *producer = data;
    struct page page = {.producer = data,
                        .request = request,
                        .limit = LIMIT_USUAL,
                        .from_us = INSTANT_LEAST_US,
                        .before_us = INSTANT_MOST_US};

    if (!answer_knows_parameters(request, known, COUNT(known)) ||
        !schedule_read_name(page.name, request) || !read_limit(&page.limit, request) ||
        !read_bound(&page.from_us, request, "from") ||
        !read_bound(&page.before_us, request, "until") || !read_before(&page, request) ||
        !answer_has_database(data, request))
        return;
    args_text(&args, page.name);
    args_time(&args, page.before_us);
    args_time(&args, page.from_us);
    args_int4(&args, page.limit + 1);
    db_call(producer->db, QUERY_SCHEDULE_FIRES, &args, on_fires,
            memcpy(mem_new(struct page, .limit = 0), &page, sizeof page));
}
