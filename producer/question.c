#include "producer/question.h"

#include "common/cleanup.h"
#include "common/rows.h"
#include "common/state.h"
#include "producer/render.h"

void question_free(struct question *question)
{
    free(question->reason);
    free(question);
}

static void on_read(void *data, const PGresult *rows, const struct fault *fault)
{
    struct question *question = data;

    question->answer(question, rows, fault);
}

void question_add_keys(const struct question *question, struct args *args)
{
    args_uuid(args, &question->id);
    if (!*question->after.topic) {
        args_nulls(args, 3);
        return;
    }
    args_text(args, question->after.topic);
    args_int4(args, question->after.partition);
    args_int8(args, question->after.offset);
}

void question_call(struct question *question, enum query query, const struct args *args)
{
    db_call(question->producer->db, query, args, on_read, question);
}

void question_ask(struct question *question)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    question_add_keys(question, &args);
    question_call(question, QUERY_TASK_READ, &args);
}

bool question_is_found(const PGresult *rows)
{
    return !rows_is_null(rows, 0, RENDER_TYPE);
}

bool question_is_behind(const PGresult *rows)
{
    return rows_int(rows, 0, RENDER_BEHIND) > 0;
}

bool question_is_rejected(const PGresult *rows)
{
    return !rows_is_null(rows, 0, RENDER_CODE) &&
           (rows_bool(rows, 0, RENDER_HERE) || !question_is_found(rows));
}

bool question_has_ended(const PGresult *rows)
{
    const char *name = rows_text(rows, 0, RENDER_STATE);
    enum task_state state;

    return name && state_read(&state, name) && state_is_final(state);
}

void question_say_waited(struct question *question)
{
    char text[32];

    snprintf(text, sizeof text, "wait=%lld", (long long)(question->wait_ms / 1000));
    web_reply_header(question->request, "Preference-Applied", text);
}

bool question_read_after(struct after *ret, struct producer *producer, struct web_request *request)
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
