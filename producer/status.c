#include "producer/status.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "common/rows.h"
#include "common/state.h"
#include "producer/question.h"
#include "producer/render.h"

/* --- Answers --------------------------------------------------------------------------------- */

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
    if (question_is_rejected(rows))
        answer_rejected(question, rows);
    else if (question_is_found(rows))
        answer_json(question->request, 200, render_task(rows, 0, true));
    else if (question_is_behind(rows))
        answer_behind(question, rows);
    else
        problem_reply(question->request, PROBLEM_NOT_FOUND, "there is no task of this id");
}

/* --- GET of one ------------------------------------------------------------------------------ */

static void on_status_waited(void *data, bool in_time)
{
    struct question *question = data;

    (void)in_time;
    question->wait_ms = 0;
    question_ask(question);
}

static void take_status(struct question *question, const PGresult *rows, const struct fault *fault)
{
    bool settled = fault || question_is_rejected(rows) || question_has_ended(rows) ||
                   (!question_is_found(rows) && !question_is_behind(rows));

    if (question->wait_ms && !settled) {
        question_say_waited(question);
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

void status_task(struct web_request *request, void *data)
{
    static const char *const known[] = {"after"};
    struct producer *producer = data;
    struct question question = {.producer = producer, .request = request, .answer = take_status};

    if (!answer_read_id(&question.id, request) ||
        !answer_knows_parameters(request, known, COUNT(known)) ||
        !question_read_after(&question.after, producer, request) ||
        !answer_has_database(producer, request))
        return;
    question.wait_ms = web_prefer_wait(request, WAITERS_MOST_MS);
    question_ask(memcpy(mem_new(struct question, .id = question.id), &question, sizeof question));
}

/* --- After a POST that waited ---------------------------------------------------------------- */

static void take_created(struct question *question, const PGresult *rows, const struct fault *fault)
{
    char self[64], id[UUID_TEXT];

    snprintf(self, sizeof self, "/api/v1/tasks/%s", uuid_write(id, &question->id));
    web_reply_header(question->request, "Location", self);
    if (fault)
        answer_database_fault(question->request, fault);
    else if (question_is_rejected(rows))
        problem_reply_json(question->request, rejection_problem(rows),
                           rejection(question->request, rows));
    else if (question_is_found(rows))
        answer_json(question->request, 201, render_task(rows, 0, true));
    else
        answer_status(question, rows);
    question_free(question);
}

void status_created(struct producer *producer, struct web_request *request, const struct uuid *id,
                    const struct after *after)
{
    question_ask(mem_new(struct question, .producer = producer, .request = request, .id = *id,
                         .after = *after, .answer = take_created));
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
    SCOPED(scoped_args) struct args args = ARGS_INIT;
    struct uuid id;

    if (!answer_read_id(&id, request) || !answer_knows_parameters(request, NULL, 0) ||
        !answer_has_database(producer, request))
        return;
    args_uuid(&args, &id);
    question_call(mem_new(struct question, .producer = producer, .request = request, .id = id,
                          .answer = take_attempts),
                  QUERY_TASK_ATTEMPTS, &args);
}
