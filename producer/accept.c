#include "producer/accept.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/command.h"
#include "common/instant.h"
#include "common/json.h"
#include "common/line.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/point.h"
#include "producer/status.h"

#define MEMBERS_MOST 2048

struct acceptance {
    struct producer *producer;
    struct web_request *request;
    struct accepted accepted;
    int64_t wait_ms;
};

struct accepted accepted_of(const struct producer *producer, const struct task *task)
{
    struct accepted accepted = {.id = task->id, .type = task->type, .run_at_us = task->run_at_us};

    snprintf(accepted.queue, sizeof accepted.queue, "%s", task->queue);
    snprintf(accepted.after.topic, sizeof accepted.after.topic, "%s", producer->topic);
    return accepted;
}

/* None of these texts can hold what JSON escapes. */
void accepted_write(GString *to, const struct accepted *accepted)
{
    char text[MEMBERS_MOST], id[UUID_TEXT], run_at[INSTANT_TEXT], after[AFTER_TEXT];

    uuid_write(id, &accepted->id);
    after_write(after, &accepted->after);
    size_t size = line_format(
        text, sizeof text,
        "\"id\":\"%s\",\"state\":\"accepted\",\"run_at\":\"%s\",\"queue\":\"%s\",\"type\":\"%s\","
        "\"ingest\":{\"topic\":\"%s\",\"partition\":%d,\"offset\":\"%lld\"},"
        "\"links\":{\"self\":\"/api/v1/tasks/%s?after=%s\",\"attempts\":\"/api/v1/tasks/%s/"
        "attempts\","
        "\"cancel\":\"/api/v1/tasks/%s/cancel?after=%s\"}",
        id, instant_write(run_at, accepted->run_at_us), accepted->queue,
        task_type_name(accepted->type), accepted->after.topic, accepted->after.partition,
        (long long)accepted->after.offset, id, after, id, id, after);

    g_string_append_len(to, text, (gssize)size);
}

void accept_refuse(struct web_request *request, const struct problems *problems)
{
    problem_reply_list(
        request, problems->unknown_field ? PROBLEM_UNKNOWN_FIELD : PROBLEM_VALIDATION, problems);
}

enum problem accept_json_problem(struct problems *problems, const struct json_place *place,
                                 const struct fault *fault)
{
    if (!place->is_value)
        return PROBLEM_INVALID_JSON;
    problems_add(problems, place->pointer, "%s", fault->text);
    return PROBLEM_VALIDATION;
}

bool accept_read_json(struct json_object **ret, struct web_request *request)
{
    struct problems problems = {0};
    struct json_place place;
    struct fault fault;
    size_t size;
    const char *text = web_body(request, &size);

    if (json_read_at(ret, text, size, &place, &fault))
        return true;
    if (accept_json_problem(&problems, &place, &fault) == PROBLEM_VALIDATION)
        accept_refuse(request, &problems);
    else
        problem_reply(request, PROBLEM_INVALID_JSON, "%s", fault.text);
    return false;
}

static void answer_accepted(const struct acceptance *acceptance)
{
    const struct accepted *accepted = &acceptance->accepted;
    char place[AFTER_TEXT + 64], id[UUID_TEXT], after[AFTER_TEXT];
    GString *body = g_string_sized_new(MEMBERS_MOST);

    snprintf(place, sizeof place, "/api/v1/tasks/%s?after=%s", uuid_write(id, &accepted->id),
             after_write(after, &accepted->after));
    g_string_append_c(body, '{');
    accepted_write(body, accepted);
    g_string_append_c(body, '}');
    web_reply_header(acceptance->request, "Location", place);
    web_reply_header(acceptance->request, "Retry-After", "1");
    answer_json_text(acceptance->request, 202, body);
}

/* Stored or refused: the status says which. Else the 202 that it would have been at first. */
static void on_waited(void *data, bool in_time)
{
    struct acceptance *acceptance = data;

    if (in_time)
        status_created(acceptance->producer, acceptance->request, &acceptance->accepted.id,
                       &acceptance->accepted.after);
    else
        answer_accepted(acceptance);
    free(acceptance);
}

static void log_accepted(const struct accepted *accepted)
{
    char id[UUID_TEXT];

    if (log_wants(LOG_DEBUG))
        log_debug("task.accepted", "task=%s type=%s queue=%s partition=%d offset=%lld",
                  uuid_write(id, &accepted->id), task_type_name(accepted->type), accepted->queue,
                  accepted->after.partition, (long long)accepted->after.offset);
}

static void on_delivered(void *data, const struct bus_position *where, const struct fault *fault)
{
    struct acceptance *acceptance = data;
    char applied[32];

    if (fault) {
        answer_kafka_fault(acceptance->request, fault);
        free(acceptance);
        return;
    }
    POINT(ACCEPT_DELIVERED);
    acceptance->accepted.after.partition = where->partition;
    acceptance->accepted.after.offset = where->offset;
    log_accepted(&acceptance->accepted);
    if (acceptance->wait_ms) {
        snprintf(applied, sizeof applied, "wait=%lld", (long long)(acceptance->wait_ms / 1000));
        web_reply_header(acceptance->request, "Preference-Applied", applied);
        waiters_add(acceptance->producer->waiters, &acceptance->accepted.id,
                    &acceptance->accepted.after, WAIT_STORED, acceptance->wait_ms, on_waited,
                    acceptance);
        return;
    }
    answer_accepted(acceptance);
    free(acceptance);
}

void accept_place(struct producer *producer, struct task *task)
{
    if (!task->key)
        spread_choose(&producer->spread, &task->id, bus_partitions(producer->bus, producer->topic));
}

void accept_send(struct producer *producer, struct web_request *request, const struct task *task)
{
    struct acceptance *acceptance =
        mem_new(struct acceptance, .producer = producer, .request = request,
                .accepted = accepted_of(producer, task),
                .wait_ms = web_prefer_wait(request, WAITERS_MOST_MS));
    struct fault fault;

    if (command_send_task(producer->bus, producer->topic, log_node(), task, on_delivered,
                          acceptance, &fault)) {
        POINT(ACCEPT_SENT);
        return;
    }
    answer_kafka_fault(request, &fault);
    free(acceptance);
}

void accept_object(struct producer *producer, struct web_request *request,
                   struct json_object *object)
{
    struct problems problems = {0};
    struct task task;

    if (!task_read(&task, object, web_header(request, "Idempotency-Key"), clock_database_us(),
                   &problems)) {
        accept_refuse(request, &problems);
        return;
    }
    accept_place(producer, &task);
    accept_send(producer, request, &task);
    task_done(&task);
}

void accept_task(struct web_request *request, void *data)
{
    SCOPED(scoped_json) struct json_object *object = NULL;

    if (answer_knows_parameters(request, NULL, 0) && accept_read_json(&object, request))
        accept_object(data, request, object);
}
