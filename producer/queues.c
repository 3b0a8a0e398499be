/*
 * Queues over HTTP: what holds for each, and how it stands. Changes are commands on Kafka and
 * judged where they are applied; with Prefer: wait the answer says what came of it.
 */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/command.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/point.h"
#include "common/rows.h"
#include "producer/accept.h"
#include "producer/paging.h"
#include "producer/waiters.h"

#define DUE_COUNTED 1000

/* Columns of queues_list.sql. */
enum {
    NAME,
    VERSION,
    PAUSED_AT,
    PAUSE_REASON,
    CONCURRENCY,
    RATE,
    BURST,
    UPDATED_AT,
    RUNNING,
    DUE,
    OLDEST_DUE_AT,
    NEXT_DUE_AT,
    EXECUTORS,
    CODE,
    DETAIL,
    BEHIND,
};

/* A request about one queue, or for a page of them. */
struct visit {
    struct producer *producer;
    struct web_request *request;
    struct queue_change change;
    struct after after;
    int64_t wait_ms;
    int limit;
};

static const struct paging paging = {'q', queue_name_fits};

static struct visit *visit_new(const struct visit *visit)
{
    return memcpy(mem_new(struct visit, .limit = 0), visit, sizeof *visit);
}

/* `name` NULL: a page of those after `place`. */
static void ask(struct visit *visit, const char *name, const char *place, db_reply *reply)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    args_text(&args, name);
    args_text(&args, place);
    args_int4(&args, visit->limit + 1);
    args_int4(&args, DUE_COUNTED);
    args_int8(&args, ALIVE_MS);
    if (*visit->after.topic) {
        args_text(&args, visit->after.topic);
        args_int4(&args, visit->after.partition);
        args_int8(&args, visit->after.offset);
    } else {
        args_nulls(&args, 3);
    }
    db_call(visit->producer->db, QUERY_QUEUES_LIST, &args, reply, visit);
}

/* --- Answers --------------------------------------------------------------------------------- */

static void put_number(struct json_object *to, const char *name, double number)
{
    char text[40];

    snprintf(text, sizeof text, "%.9g", number);
    json_object_object_add(to, name, json_object_new_double_s(number, text));
}

static struct json_object *render_rate(const PGresult *rows, int row)
{
    struct json_object *rate;

    if (rows_is_null(rows, row, RATE))
        return NULL;
    rate = json_object_new_object();
    put_number(rate, "per_second", rows_double(rows, row, RATE));
    put_number(rate, "burst", rows_double(rows, row, BURST));
    return rate;
}

static struct json_object *render(const PGresult *rows, int row)
{
    struct json_object *queue = json_object_new_object();

    put_text_of(queue, "name", rows, row, NAME);
    put_int(queue, "version", rows_is_null(rows, row, VERSION) ? 0 : rows_int(rows, row, VERSION));
    put_bool(queue, "paused", !rows_is_null(rows, row, PAUSED_AT));
    put_time_of(queue, "paused_at", rows, row, PAUSED_AT);
    put_text_of(queue, "reason", rows, row, PAUSE_REASON);
    put_int_of(queue, "concurrency", rows, row, CONCURRENCY);
    json_object_object_add(queue, "rate", render_rate(rows, row));
    put_int_of(queue, "running", rows, row, RUNNING);
    put_int_of(queue, "due", rows, row, DUE);
    put_time_of(queue, "oldest_due_at", rows, row, OLDEST_DUE_AT);
    put_time_of(queue, "next_due_at", rows, row, NEXT_DUE_AT);
    put_int_of(queue, "executors", rows, row, EXECUTORS);
    put_time_of(queue, "updated_at", rows, row, UPDATED_AT);
    return queue;
}

static void reply_tag(struct web_request *request, const PGresult *rows)
{
    char tag[32];

    if (rows_is_null(rows, 0, VERSION))
        return;
    snprintf(tag, sizeof tag, "\"%lld\"", (long long)rows_int(rows, 0, VERSION));
    web_reply_header(request, "ETag", tag);
}

static struct json_object *refusal(struct web_request *request, const PGresult *rows,
                                   enum problem *problem)
{
    struct json_object *body;
    const char *code = rows_text(rows, 0, CODE);

    *problem = !strcmp(code, problem_slug(PROBLEM_PRECONDITION_FAILED))
                   ? PROBLEM_PRECONDITION_FAILED
                   : PROBLEM_VALIDATION;
    body = problem_json(*problem, web_request_id(request), web_path(request),
                        rows_text(rows, 0, DETAIL), NULL);
    put_text(body, "code", code);
    return body;
}

static void answer_sent(const struct visit *visit, int64_t behind)
{
    struct json_object *body = json_object_new_object(), *links = json_object_new_object();
    char after[AFTER_TEXT], path[AFTER_TEXT + TASK_QUEUE_MOST + 64];

    snprintf(path, sizeof path, "/api/v1/queues/%s?after=%s", visit->change.name,
             after_write(after, &visit->after));
    put_text(body, "name", visit->change.name);
    put_text(body, "state", "accepted");
    if (behind) {
        struct json_object *ingest = json_object_new_object();

        put_int(ingest, "behind", behind);
        json_object_object_add(body, "ingest", ingest);
    } else {
        web_reply_header(visit->request, "Location", path);
    }
    put_text(links, "self", path);
    json_object_object_add(body, "links", links);
    web_reply_header(visit->request, "Retry-After", "1");
    answer_json(visit->request, behind ? 200 : 202, body);
}

/* --- GET ------------------------------------------------------------------------------------- */

/* Nobody has heard of it: nothing was set for it, nothing waits in it, nobody serves it. */
static bool is_unknown(const PGresult *rows)
{
    return rows_is_null(rows, 0, VERSION) && rows_is_null(rows, 0, OLDEST_DUE_AT) &&
           rows_is_null(rows, 0, NEXT_DUE_AT) && !rows_int(rows, 0, EXECUTORS);
}

static void answer_rejected(const struct visit *visit, const PGresult *rows)
{
    struct json_object *body = json_object_new_object();
    enum problem problem;

    put_text(body, "name", visit->change.name);
    put_text(body, "state", "rejected");
    json_object_object_add(body, "problem", refusal(visit->request, rows, &problem));
    answer_json(visit->request, 200, body);
}

static void on_read(void *data, const PGresult *rows, const struct fault *fault)
{
    struct visit *visit = data;

    if (fault) {
        answer_database_fault(visit->request, fault);
    } else if (!rows_is_null(rows, 0, CODE)) {
        answer_rejected(visit, rows);
    } else if (*visit->after.topic && rows_int(rows, 0, BEHIND) > 0) {
        answer_sent(visit, rows_int(rows, 0, BEHIND));
    } else if (is_unknown(rows)) {
        problem_reply(visit->request, PROBLEM_NOT_FOUND,
                      "nothing is set for queue %s, nothing waits in it, and nobody serves it",
                      visit->change.name);
    } else {
        reply_tag(visit->request, rows);
        answer_json(visit->request, 200, render(rows, 0));
    }
    free(visit);
}

static void on_listed(void *data, const PGresult *rows, const struct fault *fault)
{
    struct visit *visit = data;
    struct json_object *body, *items;
    int count = fault ? 0 : PQntuples(rows);
    bool more = count > visit->limit;

    if (fault) {
        answer_database_fault(visit->request, fault);
        free(visit);
        return;
    }
    body = json_object_new_object();
    items = json_object_new_array();
    count = more ? visit->limit : count;
    for (int row = 0; row < count; row++)
        json_object_array_add(items, render(rows, row));
    json_object_object_add(body, "items", items);
    paging_put_cursor(body, visit->request, &paging,
                      more ? rows_text(rows, count - 1, NAME) : NULL);
    answer_json(visit->request, 200, body);
    free(visit);
}

void queue_list(struct web_request *request, void *data)
{
    static const char *const known[] = {"limit", "cursor"};
    struct visit visit = {.producer = data, .request = request, .limit = PAGING_LIMIT_USUAL};
    char place[TASK_QUEUE_MOST + 1] = "";

    if (answer_knows_parameters(request, known, COUNT(known)) &&
        paging_read_limit(&visit.limit, request) &&
        paging_read_cursor(place, sizeof place, request, &paging) &&
        answer_has_database(data, request))
        ask(visit_new(&visit), NULL, place, on_listed);
}

/* The path's {name}; false, and the request is answered, where no queue can have it. */
static bool read_name(struct queue_change *change, struct web_request *request)
{
    const char *name = web_segment(request, "name");
    struct problems problems = {0};

    if (name && queue_name_fits(name)) {
        snprintf(change->name, sizeof change->name, "%s", name);
        return true;
    }
    problems_add(&problems, "/name",
                 "in the path must have 1 to %d characters, begin with a-z or 0-9 and go on with "
                 "a-z, 0-9, dots, - and _",
                 TASK_QUEUE_MOST);
    problem_reply_list(request, PROBLEM_VALIDATION, &problems);
    return false;
}

static bool read_after(struct after *ret, const struct producer *producer,
                       struct web_request *request)
{
    const char *text = web_query(request, "after");

    if (!text || (after_read(ret, text) && !strcmp(ret->topic, producer->topic)))
        return true;
    answer_parameter(request, PROBLEM_INVALID_PARAMETER, "after",
                     "must be topic.partition.offset, as the status link has it");
    return false;
}

void queue_get(struct web_request *request, void *data)
{
    static const char *const known[] = {"after"};
    struct visit visit = {.producer = data, .request = request};
    struct visit *asked;

    if (!answer_knows_parameters(request, known, COUNT(known)) ||
        !read_name(&visit.change, request) || !read_after(&visit.after, data, request) ||
        !answer_has_database(data, request))
        return;
    asked = visit_new(&visit);
    ask(asked, asked->change.name, NULL, on_read);
}

/* --- Changes --------------------------------------------------------------------------------- */

static void on_settled(void *data, const PGresult *rows, const struct fault *fault)
{
    struct visit *visit = data;

    if (fault) {
        answer_sent(visit, 0);
    } else if (!rows_is_null(rows, 0, CODE)) {
        enum problem problem;
        struct json_object *body = refusal(visit->request, rows, &problem);

        reply_tag(visit->request, rows);
        problem_reply_json(visit->request, problem, body);
    } else {
        reply_tag(visit->request, rows);
        answer_json(visit->request, 200, render(rows, 0));
    }
    free(visit);
}

static void on_waited(void *data, bool in_time)
{
    struct visit *visit = data;

    if (in_time) {
        ask(visit, visit->change.name, NULL, on_settled);
        return;
    }
    answer_sent(visit, 0);
    free(visit);
}

static void on_delivered(void *data, const struct bus_position *where, const struct fault *fault)
{
    struct visit *visit = data;
    char applied[32];

    if (fault) {
        answer_kafka_fault(visit->request, fault);
        free(visit);
        return;
    }
    POINT(ACCEPT_DELIVERED);
    snprintf(visit->after.topic, sizeof visit->after.topic, "%s", visit->producer->topic);
    visit->after.partition = where->partition;
    visit->after.offset = where->offset;
    if (!visit->wait_ms) {
        answer_sent(visit, 0);
        free(visit);
        return;
    }
    snprintf(applied, sizeof applied, "wait=%lld", (long long)(visit->wait_ms / 1000));
    web_reply_header(visit->request, "Preference-Applied", applied);
    waiters_add(visit->producer->waiters, &visit->change.id, &visit->after, WAIT_STORED,
                visit->wait_ms, on_waited, visit);
}

static void send_change(struct visit *visit)
{
    struct producer *producer = visit->producer;
    struct fault fault;

    if (command_send_queue(producer->bus, producer->topic, log_node(), &visit->change, on_delivered,
                           visit, &fault))
        return;
    answer_kafka_fault(visit->request, &fault);
    free(visit);
}

static bool begin(struct visit *ret, struct producer *producer, struct web_request *request)
{
    int64_t now_us = clock_database_us();

    *ret = (struct visit){.producer = producer,
                          .request = request,
                          .change = {.id = uuid_ordered(now_us), .created_at_us = now_us},
                          .wait_ms = web_prefer_wait(request, WAITERS_MOST_MS)};
    return answer_knows_parameters(request, NULL, 0) && read_name(&ret->change, request) &&
           answer_read_match(&ret->change.version, request);
}

void queue_patch(struct web_request *request, void *data)
{
    SCOPED(scoped_json) struct json_object *object = NULL;
    struct problems problems = {0};
    struct field whole = {.problems = &problems};
    struct visit visit;

    if (!begin(&visit, data, request) || !accept_read_json(&object, request))
        return;
    if (queue_read_set(&visit.change, object, true, &whole))
        send_change(visit_new(&visit));
    else
        accept_refuse(request, &problems);
}

static void read_reason(void *data, struct json_object *value, const struct field *at)
{
    struct queue_change *change = data;
    const char *text;

    if (field_text(&text, at, value, 0, QUEUE_REASON_MOST))
        snprintf(change->reason, sizeof change->reason, "%s", text);
}

/* The body may be left out. */
static void change(struct web_request *request, void *data, bool paused)
{
    static const struct field_row rows[] = {{"reason", read_reason}};
    SCOPED(scoped_json) struct json_object *object = NULL;
    struct problems problems = {0};
    struct field whole = {.problems = &problems};
    struct visit visit;
    size_t size;

    if (!begin(&visit, data, request))
        return;
    web_body(request, &size);
    if (size && !accept_read_json(&object, request))
        return;
    if (size && field_object(&whole, object))
        field_read_all(&whole, object, rows, paused ? COUNT(rows) : 0, true, &visit.change);
    if (problems.count) {
        accept_refuse(request, &problems);
        return;
    }
    visit.change.has_paused = true;
    visit.change.paused = paused;
    send_change(visit_new(&visit));
}

void queue_pause(struct web_request *request, void *data)
{
    change(request, data, true);
}

void queue_resume(struct web_request *request, void *data)
{
    change(request, data, false);
}
