/*
 * What people do with a task that is there: POST /api/v1/tasks/{id}/cancel, /retry and /run-now,
 * with
 * {"reason"} or nothing.
 *
 * The command is sent also where the database cannot say anything: it is judged where it is
 * applied. What is known to be impossible is said at once.
 */
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
#include "producer/question.h"
#include "producer/render.h"
#include "producer/waiters.h"

#define LATELY_MS INT64_C(3600000)

struct action {
    const char *name;
    enum command_kind command;
    enum task_state to;       /* what the task becomes */
    enum waiters_until until; /* what Prefer: wait waits for */
    bool early;               /* also of a task that is not stored yet: the command follows it */
};

static const struct action cancel = {.name = "cancel",
                                     .command = COMMAND_CANCEL,
                                     .to = STATE_CANCELLED,
                                     .until = WAIT_ENDED,
                                     .early = true};
static const struct action retry = {
    .name = "retry", .command = COMMAND_RETRY, .to = STATE_SCHEDULED, .until = WAIT_STORED};

/* Whatever may be handed over next. */
static const struct action run_now = {
    .name = "run-now", .command = COMMAND_RUN_NOW, .to = STATE_ASSIGNED, .until = WAIT_STORED};

/* --- Answers --------------------------------------------------------------------------------- */

static void answer_refused(struct question *question, const char *named)
{
    const char *state = named ? named : "unknown";
    struct json_object *body = problem_json(
        PROBLEM_INVALID_STATE, web_request_id(question->request), web_path(question->request),
        "the task is in a state that has no such action", NULL);

    put_text(body, "current_state", state);
    json_object_object_add(body, "allowed_actions", render_actions(state));
    problem_reply_json(question->request, PROBLEM_INVALID_STATE, body);
}

static void answer_sent(struct question *question)
{
    struct json_object *body = json_object_new_object();
    char text[AFTER_TEXT];
    struct json_object *links = render_links(
        &question->id, *question->after.topic ? after_write(text, &question->after) : NULL);

    web_reply_header(question->request, "Location",
                     json_object_get_string(json_object_object_get(links, "self")));
    web_reply_header(question->request, "Retry-After", "1");
    put_uuid(body, "id", &question->id);
    put_text(body, "action", question->action->name);
    json_object_object_add(body, "links", links);
    answer_json(question->request, 202, body);
}

static void answer_missing(struct question *question)
{
    problem_reply(question->request, PROBLEM_NOT_FOUND, "there is no task of this id");
}

/* Where it has come to that end already, once more changes nothing. */
static bool is_allowed(const struct action *action, const char *name)
{
    enum task_state state;

    return state_read(&state, name) &&
           ((state == action->to && state_is_final(state)) || state_may_become(state, action->to));
}

static bool is_done(const struct question *question, const PGresult *rows)
{
    return question->action->until == WAIT_STORED ? !question_is_behind(rows)
                                                  : question_has_ended(rows);
}

static void take_done(struct question *question, const PGresult *rows, const struct fault *fault)
{
    const char *state = fault ? NULL : rows_text(rows, 0, RENDER_STATE);

    if (fault || (state && !is_done(question, rows)) || (!state && question_is_behind(rows)))
        answer_sent(question);
    else if (!state)
        answer_missing(question);
    else if (question->action->until == WAIT_STORED || is_allowed(question->action, state))
        answer_json(question->request, 200, render_task(rows, 0, true));
    else
        answer_refused(question, state);
    question_free(question);
}

/* applied; state. What was applied is told by the task as it is now. */
static void take_judged(struct question *question, const PGresult *rows, const struct fault *fault)
{
    if (!fault && !rows_is_null(rows, 0, 0) && !rows_bool(rows, 0, 0)) {
        answer_refused(question, rows_text(rows, 0, 1));
        question_free(question);
        return;
    }
    question->answer = take_done;
    question_ask(question);
}

/* --- Sending --------------------------------------------------------------------------------- */

static void on_waited(void *data, bool in_time)
{
    struct question *question = data;

    if (!in_time) {
        answer_sent(question);
        question_free(question);
        return;
    }
    if (question->action->until == WAIT_STORED) {
        SCOPED(scoped_args) struct args args = ARGS_INIT;

        args_uuid(&args, &question->id);
        args_uuid(&args, &question->command);
        question->answer = take_judged;
        question_call(question, QUERY_ACTION_READ, &args);
        return;
    }
    question->answer = take_done;
    question_ask(question);
}

static void on_delivered(void *data, const struct bus_position *where, const struct fault *fault)
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
        question_say_waited(question);
        waiters_add(question->producer->waiters, &question->id, &question->after,
                    question->action->until, question->wait_ms, on_waited, question);
        return;
    }
    answer_sent(question);
    question_free(question);
}

static void send_action(struct question *question)
{
    struct producer *producer = question->producer;
    struct fault fault;

    const struct command_action sent = {.kind = question->action->command,
                                        .id = question->id,
                                        .command = question->command,
                                        .reason = question->reason};

    if (command_send_action(producer->bus, producer->topic, log_node(), &sent, on_delivered,
                            question, &fault))
        return;
    answer_kafka_fault(question->request, &fault);
    question_free(question);
}

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

static void take_look(struct question *question, const PGresult *rows, const struct fault *fault)
{
    const struct action *action = question->action;
    bool found = !fault && question_is_found(rows), behind = !fault && question_is_behind(rows);
    const char *state = found ? rows_text(rows, 0, RENDER_STATE) : NULL;

    if (fault || (state && is_allowed(action, state)) ||
        (!found && action->early && (behind || may_come_yet(&question->id)))) {
        send_action(question);
        return;
    }
    if (found || behind)
        answer_refused(question, found ? state : state_name(STATE_ACCEPTED));
    else
        answer_missing(question);
    question_free(question);
}

/* --- The request ----------------------------------------------------------------------------- */

static void read_reason(void *data, struct json_object *value, const struct field *at)
{
    const char **reason = data;

    field_text(reason, at, value, 0, COMMAND_REASON_MOST);
}

/* The body is optional: {"reason": text}. To be freed; false, and the request is answered. */
static bool read_body(char **ret, struct web_request *request)
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

static void act(struct producer *producer, struct web_request *request, const struct action *action)
{
    static const char *const known[] = {"after"};
    struct after after = {0};
    char *reason = NULL;
    struct uuid id;

    if (!answer_read_id(&id, request) || !answer_knows_parameters(request, known, COUNT(known)) ||
        !question_read_after(&after, producer, request) || !read_body(&reason, request))
        return;
    struct question *question =
        mem_new(struct question, .producer = producer, .request = request, .id = id, .after = after,
                .action = action, .command = uuid_ordered(clock_database_us()), .reason = reason,
                .answer = take_look, .wait_ms = web_prefer_wait(request, WAITERS_MOST_MS));

    if (db_is_ready(producer->db) && producer->schema_fits)
        question_ask(question);
    else
        send_action(question);
}

void action_cancel(struct web_request *request, void *data)
{
    act(data, request, &cancel);
}

void action_retry(struct web_request *request, void *data)
{
    act(data, request, &retry);
}

void action_run_now(struct web_request *request, void *data)
{
    act(data, request, &run_now);
}
