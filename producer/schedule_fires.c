/* GET /api/v1/schedules/{name}/fires: the ledger, latest first. */
#include "common/cleanup.h"
#include "common/instant.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/rows.h"
#include "producer/paging.h"
#include "producer/schedule_ask.h"
#include "producer/schedule_render.h"

struct page {
    struct web_request *request;
    char name[SCHEDULE_NAME_MOST + 1];
    int64_t from_us, before_us;
    int limit;
    bool expand;

    struct json_object *items;
    int count;       /* of items */
    int64_t last_us; /* of the last of them */
    bool more;       /* there is one behind it */
};

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
    FIRE_SPEC,
};

/* Microseconds since 1970, as a page before gave them. */
static bool is_instant(const char *text)
{
    return *text && strlen(text) <= 16 && strspn(text, "0123456789") == strlen(text) &&
           strtoll(text, NULL, 10) <= INSTANT_MOST_US;
}

static const struct paging paging = {'f', is_instant};

static struct json_object *render(const PGresult *rows, int row, int64_t first_us, int64_t last_us,
                                  int64_t count)
{
    struct json_object *to = json_object_new_object();
    struct uuid task = rows_uuid(rows, row, FIRE_TASK);
    bool is_run = !rows_is_null(rows, row, FIRE_TASK);

    put_time(to, "fire_at", first_us);
    put_time(to, "last_at", last_us);
    put_int(to, "count", count);
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

/* False: the page is full. */
static bool add(struct page *page, struct json_object *item, int64_t fire_us)
{
    page->more = page->count == page->limit;
    if (page->more) {
        json_object_put(item);
        return false;
    }
    json_object_array_add(page->items, item);
    page->count++;
    page->last_us = fire_us;
    return true;
}

static bool add_row(struct page *page, const PGresult *rows, int row)
{
    int64_t first_us = rows_time(rows, row, FIRE_AT);

    return add(page,
               render(rows, row, first_us, rows_time(rows, row, FIRE_LAST_AT),
                      rows_int(rows, row, FIRE_COUNT)),
               first_us);
}

/* The definition by which a row was decided; NULL: not needed, or not to be read. */
static struct spec *spec_of(const PGresult *rows, int row, const char *name)
{
    const char *text = rows_text(rows, row, FIRE_SPEC);
    SCOPED(scoped_json) struct json_object *object = NULL;
    struct problems problems = {0};
    struct field at = {.problems = &problems};
    struct spec *spec = NULL;
    struct fault fault;

    if (text && json_read(&object, text, strlen(text), &fault))
        spec_read(&spec, object, &at, name, false);
    return spec;
}

/*
 * Each fire of a row that stands for many, as far as it is asked for. Where the zone files have
 * changed since and none of them is found any more, the row as it is.
 */
static bool add_each(struct page *page, const PGresult *rows, int row, const struct spec *spec)
{
    int64_t first_us = rows_time(rows, row, FIRE_AT);
    int64_t before_us = rows_time(rows, row, FIRE_LAST_AT) + 1;
    struct spec_fire fire;
    bool any = false;

    if (before_us > page->before_us)
        before_us = page->before_us;
    if (first_us < page->from_us)
        first_us = page->from_us;
    while (spec_previous(spec, before_us, &fire) && fire.at_us >= first_us) {
        if (!add(page, render(rows, row, fire.at_us, fire.at_us, 1), fire.at_us))
            return false;
        before_us = fire.at_us;
        any = true;
    }
    return any || add_row(page, rows, row);
}

static void add_rows(struct page *page, const PGresult *rows)
{
    int count = rows_is_null(rows, 0, FIRE_AT) ? 0 : PQntuples(rows);
    bool goes_on = true;

    for (int row = 0; row < count && goes_on; row++) {
        struct spec *spec = page->expand ? spec_of(rows, row, page->name) : NULL;

        goes_on = spec ? add_each(page, rows, row, spec) : add_row(page, rows, row);
        spec_free(spec);
    }
}

static void answer_fires(struct page *page, const PGresult *rows)
{
    struct json_object *body = json_object_new_object();
    char place[32];

    page->items = json_object_new_array();
    add_rows(page, rows);
    snprintf(place, sizeof place, "%lld", (long long)page->last_us);
    json_object_object_add(body, "items", page->items);
    paging_put_cursor(body, page->request, &paging, page->more ? place : NULL);
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

    return !text || instant_read(ret, text, &fault) || paging_refuse(request, name, fault.text);
}

static bool read_expand(bool *ret, struct web_request *request)
{
    const char *text = web_query(request, "expand");

    if (text && strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return paging_refuse(request, "expand", "must be true or false");
    *ret = text && !strcmp(text, "true");
    return true;
}

static bool read_before(struct page *page, struct web_request *request)
{
    char text[32] = "";

    if (!paging_read_cursor(text, sizeof text, request, &paging))
        return false;
    if (*text)
        page->before_us = strtoll(text, NULL, 10);
    return true;
}

void schedule_fires(struct web_request *request, void *data)
{
    static const char *const known[] = {"limit", "cursor", "from", "until", "expand"};
    SCOPED(scoped_args) struct args args = ARGS_INIT;
    struct producer *producer = data;
    struct page page = {.request = request,
                        .limit = PAGING_LIMIT_USUAL,
                        .from_us = INSTANT_LEAST_US,
                        .before_us = INSTANT_MOST_US};

    if (!answer_knows_parameters(request, known, COUNT(known)) ||
        !schedule_read_name(page.name, request) || !paging_read_limit(&page.limit, request) ||
        !read_bound(&page.from_us, request, "from") ||
        !read_bound(&page.before_us, request, "until") || !read_expand(&page.expand, request) ||
        !read_before(&page, request) || !answer_has_database(data, request))
        return;
    args_text(&args, page.name);
    args_time(&args, page.before_us);
    args_time(&args, page.from_us);
    args_int4(&args, page.limit + 1);
    args_bool(&args, page.expand);
    db_call(producer->db, QUERY_SCHEDULE_FIRES, &args, on_fires,
            memcpy(mem_new(struct page, .limit = 0), &page, sizeof page));
}
