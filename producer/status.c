#include "producer/status.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/command.h"
#include "common/field.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/point.h"
#include "common/rows.h"
#include "common/state.h"
#include "producer/accept.h"
#include "producer/render.h"

#define LATELY_MS INT64_C(3600000)

/* A question about one task, on its way to an answer. */
struct question {
    struct producer *producer;
    struct web_request *request;
    struct uuid id;
    struct after after;
    int64_t wait_ms;
    char *reason; /* of a cancel */
    void (*answer)(struct question *question, const PGresult *rows, const struct fault *fault);
};

static void question_free(struct question *question)
{
    free(question->reason);
    free(question);
}

static void on_read(void *data, const PGresult *rows, const struct fault *fault)
{
    struct question *question = data;

    question->answer(question, rows, fault);
}

static void ask(struct question *question, enum query query)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    args_uuid(&args, &question->id);
    if (query == QUERY_TASK_READ && *question->after.topic) {
        args_text(&args, question->after.topic);
        args_int4(&args, question->after.partition);
        args_int8(&args, question->after.offset);
    } else if (query == QUERY_TASK_READ) {
        args_null(&args);
        args_null(&args);
        args_null(&args);
    }
    db_call(question->producer->db, query, &args, on_read, question);
}

/* --- Answers --------------------------------------------------------------------------------- */

static bool is_found(const PGresult *rows)
{
    return !rows_is_null(rows, 0, RENDER_TYPE);
}

static bool is_behind(const PGresult *rows)
{
    return rows_int(rows, 0, RENDER_BEHIND) > 0;
}

/* The rejection is of the very record that was asked for, or there is nothing else to tell. */
static bool is_rejected(const PGresult *rows)
{
    return !rows_is_null(rows, 0, RENDER_CODE) &&
           (rows_bool(rows, 0, RENDER_HERE) || !is_found(rows));
}

static bool has_ended(const PGresult *rows)
{
    const char *name = rows_text(rows, 0, RENDER_STATE);
    enum task_state state;

    return name && state_read(&state, name) && state_is_final(state);
}

/* The stored code is the slug of a problem where one fits; others stay codes of their own. */
static enum problem rejection_problem(const PGresult *rows)
{
    const char *code = rows_text(rows, 0, RENDER_CODE);

    return !strcmp(code, problem_slug(PROBLEM_IDEMPOTENCY_KEY_REUSED))
               ? PROBLEM_IDEMPOTENCY_KEY_REUSED
               : PROBLEM_VALIDATION;
}

static struct json_object *rejection(struct web_request *request, const PGresult *rows)
{
    struct json_object *problem =
        problem_json(rejection_problem(rows), web_request_id(request), web_path(request),
                     rows_text(rows, 0, RENDER_DETAIL), NULL);

    put_text_of(problem, "code", rows, 0, RENDER_CODE);
    return problem;
}

static void answer_rejected(struct question *question, const PGresult *rows)
{
    struct json_object *body = json_object_new_object(), *letter = json_object_new_object();
    char offset[24];

    snprintf(offset, sizeof offset, "%lld", (long long)rows_int(rows, 0, RENDER_REJECTED_POSITION));
    put_text_of(letter, "topic", rows, 0, RENDER_REJECTED_TOPIC);
    put_int_of(letter, "partition", rows, 0, RENDER_REJECTED_PARTITION);
    put_text(letter, "offset", offset);
    put_uuid(body, "id", &question->id);
    put_text(body, "state", "rejected");
    put_time_of(body, "rejected_at", rows, 0, RENDER_REJECTED_AT);
    json_object_object_add(body, "problem", rejection(question->request, rows));
    json_object_object_add(body, "record", letter);
    answer_json(question->request, 200, body);
}

static void answer_behind(struct question *question, const PGresult *rows)
{
    struct json_object *body = json_object_new_object(), *ingest = json_object_new_object();
    char text[AFTER_TEXT];

    put_int(ingest, "behind", rows_int(rows, 0, RENDER_BEHIND));
    put_uuid(body, "id", &question->id);
    put_text(body, "state", "accepted");
    json_object_object_add(body, "ingest", ingest);
    json_object_object_add(body, "links",
                           render_links(&question->id, after_write(text, &question->after)));
    web_reply_header(question->request, "Retry-After", "1");
    answer_json(question->request, 200, body);
}

static void answer_status(struct question *question, const PGresult *rows)
{
    if (is_rejected(rows))
        answer_rejected(question, rows);
    else if (is_found(rows))
        answer_json(question->request, 200, render_task(rows, 0, true));
    else if (is_behind(rows))
        answer_behind(question, rows);
    else
        problem_reply(question->request, PROBLEM_NOT_FOUND, "there is no task of this id");
}

static void say_waited(struct question *question)
{
    char text[32];

    snprintf(text, sizeof text, "wait=%lld", (long long)(question->wait_ms / 1000));
    web_reply_header(question->request, "Preference-Applied", text);
}

/* --- GET of one ------------------------------------------------------------------------------ */

static void on_status_waited(void *data, bool in_time)
{
    struct question *question = data;

    (void)in_time;
    question->wait_ms = 0;
    ask(question, QUERY_TASK_READ);
}

static void take_status(struct question *question, const PGresult *rows, const struct fault *fault)
{
    bool settled =
        fault || is_rejected(rows) || has_ended(rows) || (!is_found(rows) && !is_behind(rows));

    if (question->wait_ms && !settled) {
        say_waited(question);
        waiters_add(question->producer->waiters, &question->id, &question->after, WAIT_ENDED,
                    question->wait_ms, on_status_waited, question);
        return;
    }
    if (fault)
        answer_database_fault(question->request, fault);
    else
        answer_status(question, rows);
    question_free(question);
}

/* ?after= is of a topic whose offsets are kept. */
static bool read_after(struct after *ret, struct producer *producer, struct web_request *request)
{
    const char *text = web_query(request, "after");

    if (!text)
        return true;
    if (!after_read(ret, text))
        answer_parameter(request, PROBLEM_INVALID_PARAMETER, "after",
                         "must be topic.partition.offset, as the status link has it");
    else if (strcmp(ret->topic, producer->topic) != 0 &&
             strcmp(ret->topic, producer->config->kafka_legacy_topic) != 0)
        answer_parameter(request, PROBLEM_INVALID_PARAMETER, "after",
                         "names a topic that tasks do not come from");
    else
        return true;
    return false;
}

void status_task(struct web_request *request, void *data)
{
    static const char *const known[] = {"after"};
    struct producer *producer = data;
    struct question question = {.producer = producer, .request = request, .answer = take_status};

    if (!answer_read_id(&question.id, request) ||
        !answer_knows_parameters(request, known, COUNT(known)) ||
        !read_after(&question.after, producer, request) || !answer_has_database(producer, request))
        return;
    question.wait_ms = web_prefer_wait(request, STATUS_WAIT_MOST_MS);
    ask(memcpy(mem_new(struct question, .id = question.id), &question, sizeof question),
        QUERY_TASK_READ);
}

/* --- After a POST that waited ---------------------------------------------------------------- */

static void take_created(struct question *question, const PGresult *rows, const struct fault *fault)
{
    char self[64], id[UUID_TEXT];

    snprintf(self, sizeof self, "/api/v1/tasks/%s", uuid_write(id, &question->id));
    web_reply_header(question->request, "Location", self);
    if (fault)
        answer_database_fault(question->request, fault);
    else if (is_rejected(rows))
        problem_reply_json(question->request, rejection_problem(rows),
                           rejection(question->request, rows));
    else if (is_found(rows))
        answer_json(question->request, 201, render_task(rows, 0, true));
    else
        answer_status(question, rows);
    question_free(question);
}

void status_created(struct producer *producer, struct web_request *request, const struct uuid *id,
                    const struct after *after)
{
    ask(mem_new(struct question, .producer = producer, .request = request, .id = *id,
                .after = *after, .answer = take_created),
        QUERY_TASK_READ);
}

/* --- Attempts -------------------------------------------------------------------------------- */

enum attempt_column {
    ATTEMPT_FOUND,
    ATTEMPT_TOKEN,
    ATTEMPT_EXECUTOR,
    ATTEMPT_EXECUTOR_NAME,
    ATTEMPT_INBOX,
    ATTEMPT_ASSIGNED_AT,
    ATTEMPT_STARTED_AT,
    ATTEMPT_FINISHED_AT,
    ATTEMPT_OUTCOME,
    ATTEMPT_EXIT_CODE,
    ATTEMPT_ERROR,
    ATTEMPT_CANCEL_AT,
    ATTEMPT_CANCEL_REASON,
};

static struct json_object *render_attempt(const PGresult *rows, int row)
{
    struct json_object *attempt = json_object_new_object(), *cancel = NULL;

    put_int_of(attempt, "token", rows, row, ATTEMPT_TOKEN);
    json_object_object_add(attempt, "executor",
                           render_executor(rows, row, ATTEMPT_EXECUTOR, ATTEMPT_EXECUTOR_NAME));
    put_int(attempt, "epoch", rows_int(rows, row, ATTEMPT_INBOX) >> 32);
    put_time_of(attempt, "assigned_at", rows, row, ATTEMPT_ASSIGNED_AT);
    put_time_of(attempt, "started_at", rows, row, ATTEMPT_STARTED_AT);
    put_time_of(attempt, "finished_at", rows, row, ATTEMPT_FINISHED_AT);
    put_text_of(attempt, "outcome", rows, row, ATTEMPT_OUTCOME);
    put_int_of(attempt, "exit_code", rows, row, ATTEMPT_EXIT_CODE);
    put_text_of(attempt, "error", rows, row, ATTEMPT_ERROR);
    if (!rows_is_null(rows, row, ATTEMPT_CANCEL_AT)) {
        cancel = json_object_new_object();
        put_time_of(cancel, "at", rows, row, ATTEMPT_CANCEL_AT);
        put_text_of(cancel, "reason", rows, row, ATTEMPT_CANCEL_REASON);
    }
    json_object_object_add(attempt, "cancel", cancel);
    return attempt;
}

static void take_attempts(struct question *question, const PGresult *rows,
                          const struct fault *fault)
{
    if (fault) {
        answer_database_fault(question->request, fault);
    } else if (!rows_bool(rows, 0, ATTEMPT_FOUND)) {
        problem_reply(question->request, PROBLEM_NOT_FOUND, "there is no task of this id");
    } else {
        struct json_object *body = json_object_new_object(), *items = json_object_new_array();

        for (int i = 0; i < PQntuples(rows); i++)
            if (!rows_is_null(rows, i, ATTEMPT_TOKEN))
                json_object_array_add(items, render_attempt(rows, i));
        json_object_object_add(body, "items", items);
        answer_json(question->request, 200, body);
    }
    question_free(question);
}

void status_attempts(struct web_request *request, void *data)
{
    struct producer *producer = data;
    struct uuid id;

    if (!answer_read_id(&id, request) || !answer_knows_parameters(request, NULL, 0) ||
        !answer_has_database(producer, request))
        return;
    ask(mem_new(struct question, .producer = producer, .request = request, .id = id,
                .answer = take_attempts),
        QUERY_TASK_ATTEMPTS);
}

/* --- Cancel ---------------------------------------------------------------------------------- */

static void answer_refused(struct question *question, const PGresult *rows)
{
    const char *state = rows_text(rows, 0, RENDER_STATE);
    struct json_object *body =
        problem_json(PROBLEM_INVALID_STATE, web_request_id(question->request),
                     web_path(question->request), "the task has ended otherwise", NULL);

    put_text(body, "current_state", state);
    json_object_object_add(body, "allowed_actions", render_actions(state));
    problem_reply_json(question->request, PROBLEM_INVALID_STATE, body);
}

static void answer_cancel_sent(struct question *question)
{
    struct json_object *body = json_object_new_object();
    char text[AFTER_TEXT];
    struct json_object *links = render_links(
        &question->id, *question->after.topic ? after_write(text, &question->after) : NULL);

    web_reply_header(question->request, "Location",
                     json_object_get_string(json_object_object_get(links, "self")));
    web_reply_header(question->request, "Retry-After", "1");
    put_uuid(body, "id", &question->id);
    put_text(body, "action", "cancel");
    json_object_object_add(body, "links", links);
    answer_json(question->request, 202, body);
}

/* The cancel is applied, and the task has ended. */
static void take_cancelled(struct question *question, const PGresult *rows,
                           const struct fault *fault)
{
    const char *state = fault ? NULL : rows_text(rows, 0, RENDER_STATE);

    if (fault || (state && !has_ended(rows)) || (!state && is_behind(rows)))
        answer_cancel_sent(question);
    else if (!state)
        problem_reply(question->request, PROBLEM_NOT_FOUND, "there is no task of this id");
    else if (!strcmp(state, state_name(STATE_CANCELLED)))
        answer_json(question->request, 200, render_task(rows, 0, true));
    else
        answer_refused(question, rows);
    question_free(question);
}

static void on_cancel_waited(void *data, bool in_time)
{
    struct question *question = data;

    if (!in_time) {
        answer_cancel_sent(question);
        question_free(question);
        return;
    }
    question->answer = take_cancelled;
    ask(question, QUERY_TASK_READ);
}

static void on_cancel_delivered(void *data, const struct bus_position *where,
                                const struct fault *fault)
{
    struct question *question = data;

    if (fault) {
        answer_kafka_fault(question->request, fault);
        question_free(question);
        return;
    }
    POINT(ACCEPT_DELIVERED);
    snprintf(question->after.topic, sizeof question->after.topic, "%s", question->producer->topic);
    question->after.partition = where->partition;
    question->after.offset = where->offset;
    if (question->wait_ms) {
        say_waited(question);
        waiters_add(question->producer->waiters, &question->id, &question->after, WAIT_ENDED,
                    question->wait_ms, on_cancel_waited, question);
        return;
    }
    answer_cancel_sent(question);
    question_free(question);
}

static void send_cancel(struct question *question)
{
    struct producer *producer = question->producer;
    struct fault fault;

    if (command_send_cancel(producer->bus, producer->topic, log_node(), &question->id,
                            question->reason, on_cancel_delivered, question, &fault))
        return;
    answer_kafka_fault(question->request, &fault);
    question_free(question);
}

/*
 * The command is sent also where the database cannot say anything: it is judged where it is
 * applied. What is known to be impossible is said at once.
 */
/*
 * A task that was accepted lately may stand in Kafka yet, also where the caller does not say where
 * (`after`): its cancel follows it there. An identity of version 7 says when it was made (RFC
 * 9562).
 */
static bool may_come_yet(const struct uuid *id)
{
    int64_t made_ms = 0;

    if (id->bytes[6] >> 4 != 7)
        return id->bytes[6] >> 4 == 8;
    for (int i = 0; i < 6; i++)
        made_ms = made_ms << 8 | id->bytes[i];
    return llabs(clock_database_us() / 1000 - made_ms) < LATELY_MS;
}

static void take_cancel_look(struct question *question, const PGresult *rows,
                             const struct fault *fault)
{
    if (!fault && !is_found(rows) && !is_behind(rows) && !may_come_yet(&question->id)) {
        problem_reply(question->request, PROBLEM_NOT_FOUND, "there is no task of this id");
        question_free(question);
    } else if (!fault && has_ended(rows) &&
               strcmp(rows_text(rows, 0, RENDER_STATE), state_name(STATE_CANCELLED)) != 0) {
        answer_refused(question, rows);
        question_free(question);
    } else {
        send_cancel(question);
    }
}

static void read_reason(void *data, struct json_object *value, const struct field *at)
{
    const char **reason = data;

    field_text(reason, at, value, 0, COMMAND_REASON_MOST);
}

/* The body is optional: {"reason": text}. To be freed; false, and the request is answered. */
static bool read_cancel_body(char **ret, struct web_request *request)
{
    static const struct field_row rows[] = {{"reason", read_reason}};
    SCOPED(scoped_json) struct json_object *object = NULL;
    struct problems problems = {0};
    struct field whole = {.problems = &problems};
    const char *reason = NULL;
    size_t size;

    web_body(request, &size);
    if (!size)
        return true;
    if (!accept_read_json(&object, request))
        return false;
    if (field_object(&whole, object))
        field_read_all(&whole, object, rows, COUNT(rows), true, &reason);
    if (problems.count) {
        accept_refuse(request, &problems);
        return false;
    }
    *ret = reason ? mem_text(reason) : NULL;
    return true;
}

void status_cancel(struct web_request *request, void *data)
{
    static const char *const known[] = {"after"};
    struct producer *producer = data;
    struct after after = {0};
    char *reason = NULL;
    struct uuid id;

    if (!answer_read_id(&id, request) || !answer_knows_parameters(request, known, COUNT(known)) ||
        !read_after(&after, producer, request) || !read_cancel_body(&reason, request))
        return;
    struct question *question =
        mem_new(struct question, .producer = producer, .request = request, .id = id, .after = after,
                .reason = reason, .answer = take_cancel_look,
                .wait_ms = web_prefer_wait(request, STATUS_WAIT_MOST_MS));

    if (db_is_ready(producer->db) && producer->schema_fits)
        ask(question, QUERY_TASK_READ);
    else
        send_cancel(question);
}
