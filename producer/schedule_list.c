/* GET /api/v1/schedules, by name. */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/mem.h"
#include "producer/paging.h"
#include "producer/schedule_ask.h"
#include "producer/schedule_render.h"

#define WALKED_MOST 2000

struct page {
    struct web_request *request;
    char name[SCHEDULE_NAME_MOST + 1]; /* after this one */
    char status[16], tag[TASK_TAG_MOST * 4 + 1];
    int limit;
};

static const struct paging paging = {'s', schedule_name_fits};

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
            snprintf(place, sizeof place, "%s", rows_text(rows, row, SCHEDULE_NAME));
    }
    json_object_object_add(body, "items", items);
    paging_put_cursor(body, page->request, &paging, *place ? place : NULL);
    answer_json(page->request, 200, body);
    free(page);
}

static bool read_status(char ret[static 16], struct web_request *request)
{
    const char *text = web_query(request, "status");

    if (!text)
        return true;
    if (strcmp(text, "active") != 0 && strcmp(text, "paused") != 0 && strcmp(text, "ended") != 0)
        return paging_refuse(request, "status", "must be one of active, paused, ended");
    snprintf(ret, 16, "%s", text);
    return true;
}

static bool read_tag(char *ret, size_t room, struct web_request *request)
{
    const char *text = web_query(request, "tag");

    if (!text)
        return true;
    if (!*text || strlen(text) >= room)
        return paging_refuse(request, "tag", "must have 1 to 64 characters");
    snprintf(ret, room, "%s", text);
    return true;
}

void schedule_list(struct web_request *request, void *data)
{
    static const char *const known[] = {"limit", "cursor", "status", "tag"};
    SCOPED(scoped_args) struct args args = ARGS_INIT;
    struct page page = {.request = request, .limit = PAGING_LIMIT_USUAL};
    struct producer *producer = data;

    if (!answer_knows_parameters(request, known, COUNT(known)) ||
        !paging_read_limit(&page.limit, request) ||
        !paging_read_cursor(page.name, sizeof page.name, request, &paging) ||
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
