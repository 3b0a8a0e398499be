/*
 * Schedules over HTTP: put, delete, pause and resume are commands on Kafka and judged where they
 * are applied; with Prefer: wait the answer says what came of it, without it 202 and a link.
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
#include "producer/schedule_ask.h"
#include "producer/schedule_render.h"
#include "producer/status.h"

struct sent {
    struct producer *producer;
    struct web_request *request;
    struct edit edit; /* without the schedule */
    struct after after;
    int64_t wait_ms;
};

/* --- What became of it ----------------------------------------------------------------------- */

static struct json_object *last_run_of(const PGresult *rows)
{
    struct json_object *last;
    struct uuid id = rows_uuid(rows, 0, SCHEDULE_LAST_RUN);

    if (rows_is_null(rows, 0, SCHEDULE_LAST_RUN))
        return NULL;
    last = json_object_new_object();
    put_uuid(last, "id", &id);
    put_text_of(last, "state", rows, 0, SCHEDULE_LAST_STATE);
    put_time_of(last, "fire_at", rows, 0, SCHEDULE_LAST_FIRE_AT);
    return last;
}

static struct json_object *render_row(const PGresult *rows)
{
    struct json_object *body = render_schedule(rows, 0, rows_time(rows, 0, SCHEDULE_NOW));

    put_int_of(body, "waiting", rows, 0, SCHEDULE_KEPT);
    put_time_of(body, "decided_until", rows, 0, SCHEDULE_DECIDED_AT);
    json_object_object_add(body, "last_run", last_run_of(rows));
    return body;
}

static void answer_row(struct web_request *request, int status, const PGresult *rows)
{
    char tag[32];

    snprintf(tag, sizeof tag, "\"%lld\"", (long long)rows_int(rows, 0, SCHEDULE_VERSION));
    web_reply_header(request, "ETag", tag);
    answer_json(request, status, render_row(rows));
}

static bool is_found(const PGresult *rows)
{
    return !rows_is_null(rows, 0, SCHEDULE_VERSION);
}

/* The codes that change.c and the store give. */
static enum problem problem_of(const char *code)
{
    static const enum problem known[] = {PROBLEM_NOT_FOUND, PROBLEM_PRECONDITION_FAILED,
                                         PROBLEM_INVALID_STATE};

    for (size_t i = 0; i < COUNT(known); i++)
        if (!strcmp(code, problem_slug(known[i])))
            return known[i];
    return PROBLEM_VALIDATION;
}

static struct json_object *refusal(struct web_request *request, const PGresult *rows)
{
    struct json_object *body =
        problem_json(problem_of(rows_text(rows, 0, SCHEDULE_CODE)), web_request_id(request),
                     web_path(request), rows_text(rows, 0, SCHEDULE_DETAIL), NULL);

    put_text_of(body, "code", rows, 0, SCHEDULE_CODE);
    return body;
}

static void answer_refused(struct web_request *request, const PGresult *rows)
{
    enum problem problem = problem_of(rows_text(rows, 0, SCHEDULE_CODE));
    struct json_object *body = refusal(request, rows);
    char tag[32];

    if (is_found(rows)) {
        snprintf(tag, sizeof tag, "\"%lld\"", (long long)rows_int(rows, 0, SCHEDULE_VERSION));
        web_reply_header(request, "ETag", tag);
    }
    problem_reply_json(request, problem, body);
}

static void answer_sent(const struct sent *sent, int behind)
{
    struct json_object *body = json_object_new_object(), *links = json_object_new_object();
    char after[AFTER_TEXT], path[AFTER_TEXT + SCHEDULE_NAME_MOST + 64];

    snprintf(path, sizeof path, "/api/v1/schedules/%s?after=%s", sent->edit.name,
             after_write(after, &sent->after));
    put_text(body, "name", sent->edit.name);
    put_text(body, "state", "accepted");
    if (behind) {
        struct json_object *ingest = json_object_new_object();

        put_int(ingest, "behind", behind);
        json_object_object_add(body, "ingest", ingest);
    } else {
        put_text(body, "action", edit_name(sent->edit.action));
        web_reply_header(sent->request, "Location", path);
    }
    put_text(links, "self", path);
    json_object_object_add(body, "links", links);
    web_reply_header(sent->request, "Retry-After", "1");
    answer_json(sent->request, behind ? 200 : 202, body);
}

static bool has_made_it(const struct sent *sent, const PGresult *rows)
{
    struct uuid id = rows_uuid(rows, 0, SCHEDULE_ID);

    return sent->edit.action == EDIT_PUT && uuid_equal(&id, &sent->edit.id);
}

static void sent_free(struct sent *sent)
{
    free(sent);
}

static void on_settled(void *data, const PGresult *rows, const struct fault *fault)
{
    struct sent *sent = data;

    if (fault)
        answer_sent(sent, 0);
    else if (!rows_is_null(rows, 0, SCHEDULE_CODE))
        answer_refused(sent->request, rows);
    else if (sent->edit.action == EDIT_DELETE)
        web_reply(sent->request, 204, NULL, NULL, 0);
    else if (is_found(rows))
        answer_row(sent->request, has_made_it(sent, rows) ? 201 : 200, rows);
    else
        problem_reply(sent->request, PROBLEM_NOT_FOUND, "it was deleted meanwhile");
    sent_free(sent);
}

static void ask(struct sent *sent, db_reply *reply)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    args_text(&args, sent->edit.name);
    if (*sent->after.topic) {
        args_text(&args, sent->after.topic);
        args_int4(&args, sent->after.partition);
        args_int8(&args, sent->after.offset);
    } else {
        args_null(&args);
        args_null(&args);
        args_null(&args);
    }
    db_call(sent->producer->db, QUERY_SCHEDULE_READ, &args, reply, sent);
}

static void on_waited(void *data, bool in_time)
{
    struct sent *sent = data;

    if (in_time) {
        ask(sent, on_settled);
        return;
    }
    answer_sent(sent, 0);
    sent_free(sent);
}

static void on_delivered(void *data, const struct bus_position *where, const struct fault *fault)
{
    struct sent *sent = data;
    char applied[32];

    if (fault) {
        answer_kafka_fault(sent->request, fault);
        sent_free(sent);
        return;
    }
    POINT(ACCEPT_DELIVERED);
    snprintf(sent->after.topic, sizeof sent->after.topic, "%s", sent->producer->topic);
    sent->after.partition = where->partition;
    sent->after.offset = where->offset;
    if (!sent->wait_ms) {
        answer_sent(sent, 0);
        sent_free(sent);
        return;
    }
    snprintf(applied, sizeof applied, "wait=%lld", (long long)(sent->wait_ms / 1000));
    web_reply_header(sent->request, "Preference-Applied", applied);
    waiters_add(sent->producer->waiters, &sent->edit.id, &sent->after, WAIT_STORED, sent->wait_ms,
                on_waited, sent);
}

/* --- The request ----------------------------------------------------------------------------- */

bool schedule_read_name(char ret[static SCHEDULE_NAME_MOST + 1], struct web_request *request)
{
    const char *name = web_segment(request, "name");
    struct problems problems = {0};

    if (name && schedule_name_fits(name)) {
        snprintf(ret, SCHEDULE_NAME_MOST + 1, "%s", name);
        return true;
    }
    problems_add(&problems, "/name",
                 "in the path must have 1 to %d characters, begin with a-z or 0-9 and go on with "
                 "a-z, 0-9, dots, - and _",
                 SCHEDULE_NAME_MOST);
    problem_reply_list(request, PROBLEM_VALIDATION, &problems);
    return false;
}

static bool refuse_header(struct web_request *request, const char *detail)
{
    problem_reply(request, PROBLEM_INVALID_REQUEST, "%s", detail);
    return false;
}

static bool read_preconditions(struct edit *edit, struct web_request *request)
{
    const char *match = web_header(request, "If-Match");
    const char *none = web_header(request, "If-None-Match");

    if (match && none)
        return refuse_header(request, "If-Match and If-None-Match cannot stand together");
    if (!answer_read_match(&edit->version, request))
        return false;
    if (none && (strcmp(none, "*") != 0 || edit->action != EDIT_PUT))
        return refuse_header(request, "If-None-Match can only be *, of a PUT");
    edit->create_only = none != NULL;
    return true;
}

static bool begin(struct edit *edit, enum edit_action action, struct web_request *request)
{
    int64_t now_us = clock_database_us();

    *edit = (struct edit){.action = action, .id = uuid_ordered(now_us), .created_at_us = now_us};
    return answer_knows_parameters(request, NULL, 0) && schedule_read_name(edit->name, request) &&
           read_preconditions(edit, request);
}

/* Answers the request, now or later; the edit is done with. */
static void send_edit(struct producer *producer, struct web_request *request, struct edit *edit)
{
    struct sent *sent =
        mem_new(struct sent, .producer = producer, .request = request, .edit = *edit,
                .wait_ms = web_prefer_wait(request, WAITERS_MOST_MS));
    struct fault fault;

    sent->edit.schedule = NULL;
    if (!command_send_edit(producer->bus, producer->topic, log_node(), edit, on_delivered, sent,
                           &fault)) {
        answer_kafka_fault(request, &fault);
        sent_free(sent);
    }
    edit_done(edit);
}

/* "#/spec/cron" is "#/cron" of a flat body. */
static void flatten(struct problems *problems)
{
    for (int i = 0; i < problems->count; i++) {
        char *pointer = problems->list[i].pointer;
        bool within = !strncmp(pointer, "#/spec", 6) || !strncmp(pointer, "#/task", 6);
        size_t cut = within && (!pointer[6] || pointer[6] == '/') ? 5 : 0;

        memmove(pointer + 1, pointer + 1 + cut, strlen(pointer + cut));
    }
}

/* The command has it a level deeper than the body. */
static bool is_not_too_deep(struct edit *edit, const struct field *whole)
{
    SCOPED(scoped_json) struct json_object *read = NULL;
    struct fault fault;
    size_t size;
    SCOPED(scoped_text) char *text = edit_command(edit, &size);

    if (json_read(&read, text, size, &fault))
        return true;
    edit_done(edit);
    return field_refuse(whole, "%s", fault.text);
}

void schedule_put_object(struct producer *producer, struct web_request *request, const char *name,
                         struct json_object *object, bool flat)
{
    struct problems problems = {0};
    struct field whole = {.problems = &problems};
    int64_t now_us = clock_database_us();
    struct edit edit = {.action = EDIT_PUT, .id = uuid_ordered(now_us), .created_at_us = now_us};

    if (!read_preconditions(&edit, request))
        return;
    snprintf(edit.name, sizeof edit.name, "%s", name);
    if (schedule_read(&edit.schedule, object, name, true, &whole) &&
        is_not_too_deep(&edit, &whole)) {
        send_edit(producer, request, &edit);
        return;
    }
    if (flat)
        flatten(&problems);
    accept_refuse(request, &problems);
}

void schedule_put(struct web_request *request, void *data)
{
    SCOPED(scoped_json) struct json_object *object = NULL;
    char name[SCHEDULE_NAME_MOST + 1];

    if (answer_knows_parameters(request, NULL, 0) && schedule_read_name(name, request) &&
        accept_read_json(&object, request))
        schedule_put_object(data, request, name, object, false);
}

void schedule_delete(struct web_request *request, void *data)
{
    struct edit edit;

    if (begin(&edit, EDIT_DELETE, request))
        send_edit(data, request, &edit);
}

/* The body may be left out. */
static void change(struct web_request *request, void *data, enum edit_action action)
{
    SCOPED(scoped_json) struct json_object *object = NULL;
    struct problems problems = {0};
    struct edit edit;
    size_t size;

    if (!begin(&edit, action, request))
        return;
    web_body(request, &size);
    if (size && !accept_read_json(&object, request))
        return;
    bool taken = !size || edit_read_request(&edit, object, &problems);

    if (taken && edit.until_us && edit.until_us <= edit.created_at_us)
        problems_add(&problems, "/until", "must be later than now");
    if (!taken || problems.count) {
        accept_refuse(request, &problems);
        return;
    }
    send_edit(data, request, &edit);
}

void schedule_pause(struct web_request *request, void *data)
{
    change(request, data, EDIT_PAUSE);
}

void schedule_resume(struct web_request *request, void *data)
{
    change(request, data, EDIT_RESUME);
}

/* --- GET of one ------------------------------------------------------------------------------ */

/* Of the status link: the command was accepted, and then refused. */
static void answer_rejected(const struct sent *sent, const PGresult *rows)
{
    struct json_object *body = json_object_new_object();

    put_text(body, "name", sent->edit.name);
    put_text(body, "state", "rejected");
    json_object_object_add(body, "problem", refusal(sent->request, rows));
    answer_json(sent->request, 200, body);
}

static void on_read(void *data, const PGresult *rows, const struct fault *fault)
{
    struct sent *sent = data;

    if (fault)
        answer_database_fault(sent->request, fault);
    else if (!rows_is_null(rows, 0, SCHEDULE_CODE))
        answer_rejected(sent, rows);
    else if (*sent->after.topic && rows_int(rows, 0, SCHEDULE_BEHIND) > 0)
        answer_sent(sent, (int)rows_int(rows, 0, SCHEDULE_BEHIND));
    else if (is_found(rows))
        answer_row(sent->request, 200, rows);
    else
        problem_reply(sent->request, PROBLEM_NOT_FOUND, "there is no schedule %s", sent->edit.name);
    sent_free(sent);
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

void schedule_get(struct web_request *request, void *data)
{
    static const char *const known[] = {"after"};
    struct sent sent = {.producer = data, .request = request};

    if (answer_knows_parameters(request, known, COUNT(known)) &&
        schedule_read_name(sent.edit.name, request) && read_after(&sent.after, data, request) &&
        answer_has_database(data, request))
        ask(memcpy(mem_new(struct sent, .producer = data), &sent, sizeof sent), on_read);
}
