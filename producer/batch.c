/*
 * Many tasks in one request: a JSON array, or NDJSON, where a broken line fails alone. Every item
 * is answered for itself, once its delivery report is there or it was refused; which is which is
 * said by its index.
 */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/command.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/point.h"
#include "producer/accept.h"

#define ITEMS_MOST 1000

struct batch {
    struct producer *producer;
    struct web_request *request;
    struct json_object *results;
    int64_t now_us;
    int count, waiting, accepted, undelivered;
    enum problem worst; /* of those that were not delivered */
};

struct item {
    struct batch *batch;
    int index;
    struct accepted accepted;
};

static void put_result(struct batch *batch, int index, int status, struct json_object *result)
{
    put_int(result, "index", index);
    put_int(result, "status", status);
    json_object_array_put_idx(batch->results, (size_t)index, result);
}

static void put_problem(struct batch *batch, int index, enum problem problem, const char *detail,
                        const struct problems *problems)
{
    struct json_object *result = json_object_new_object();

    json_object_object_add(result, "problem", problem_json(problem, NULL, NULL, detail, problems));
    put_result(batch, index, problem_status(problem), result);
}

static void put_undelivered(struct batch *batch, int index, const struct fault *fault)
{
    enum problem problem = fault->kind == FAULT_BUSY       ? PROBLEM_OVERLOADED
                           : fault->kind == FAULT_REJECTED ? PROBLEM_PAYLOAD_TOO_LARGE
                                                           : PROBLEM_KAFKA_UNAVAILABLE;

    batch->undelivered++;
    batch->worst = problem;
    put_problem(batch, index, problem, fault->text, NULL);
}

/* 202 where something was accepted; else the problem that is the most urgent, with all results. */
static void answer(struct batch *batch)
{
    enum problem problem = batch->undelivered ? batch->worst : PROBLEM_VALIDATION;

    if (batch->accepted) {
        struct json_object *body = json_object_new_object();

        json_object_object_add(body, "results", batch->results);
        answer_json(batch->request, 202, body);
    } else {
        struct json_object *body =
            problem_json(problem, web_request_id(batch->request), web_path(batch->request),
                         "no item was accepted: results say why", NULL);

        json_object_object_add(body, "results", batch->results);
        problem_reply_json(batch->request, problem, body);
    }
    free(batch);
}

static void one_less(struct batch *batch)
{
    if (!--batch->waiting)
        answer(batch);
}

static void on_delivered(void *data, const struct bus_position *where, const struct fault *fault)
{
    struct item *item = data;
    struct batch *batch = item->batch;

    if (fault) {
        put_undelivered(batch, item->index, fault);
    } else {
        POINT(ACCEPT_DELIVERED);
        item->accepted.after.partition = where->partition;
        item->accepted.after.offset = where->offset;
        batch->accepted++;
        put_result(batch, item->index, 202, accepted_body(&item->accepted));
    }
    free(item);
    one_less(batch);
}

static void send_item(struct batch *batch, int index, const struct task *task)
{
    struct producer *producer = batch->producer;
    struct item *item = mem_new(struct item, .batch = batch, .index = index,
                                .accepted = accepted_of(producer, task));
    struct fault fault;

    batch->waiting++;
    if (command_send_task(producer->bus, producer->topic, log_node(), task, on_delivered, item,
                          &fault))
        return;
    free(item);
    batch->waiting--;
    put_undelivered(batch, index, &fault);
}

static void take_item(struct batch *batch, int index, struct json_object *object)
{
    struct problems problems = {0};
    struct task task;

    if (!task_read(&task, object, NULL, batch->now_us, &problems)) {
        put_problem(batch, index,
                    problems.unknown_field ? PROBLEM_UNKNOWN_FIELD : PROBLEM_VALIDATION,
                    problems.list[0].detail, &problems);
        return;
    }
    send_item(batch, index, &task);
    task_done(&task);
}

static void take_line(struct batch *batch, int index, const char *line, size_t size)
{
    SCOPED(scoped_json) struct json_object *object = NULL;
    struct problems problems = {0};
    struct json_place place;
    struct fault fault;

    if (json_read_at(&object, line, size, &place, &fault)) {
        take_item(batch, index, object);
        return;
    }
    enum problem problem = accept_json_problem(&problems, &place, &fault);

    put_problem(batch, index, problem, fault.text, problems.count ? &problems : NULL);
}

/* --- Where the items are --------------------------------------------------------------------- */

static bool is_blank(const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!strchr(" \t\r", line[i]) || !line[i])
            return false;
    return true;
}

/* Calls take_line for each line that is not blank, where `batch` is given; returns how many. */
static int each_line(struct batch *batch, const char *text, size_t size)
{
    int count = 0;

    for (const char *end = text + size, *line = text; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((stop ? stop : end) - line);

        if (!is_blank(line, length)) {
            if (batch)
                take_line(batch, count, line, length);
            count++;
        }
        line += length + 1;
    }
    return count;
}

static bool check_count(struct web_request *request, int count)
{
    struct json_object *body;
    char detail[96];

    if (count > 0 && count <= ITEMS_MOST)
        return true;
    snprintf(detail, sizeof detail, "a batch has 1 to %d items, this one has %d", ITEMS_MOST,
             count);
    enum problem problem = count ? PROBLEM_PAYLOAD_TOO_LARGE : PROBLEM_VALIDATION;

    body = problem_json(problem, web_request_id(request), web_path(request), detail, NULL);
    put_int(body, "limit_items", ITEMS_MOST);
    problem_reply_json(request, problem, body);
    return false;
}

static struct batch *batch_new(struct producer *producer, struct web_request *request, int count)
{
    /* The one that waits is ourselves, until all items are taken. */
    return mem_new(struct batch, .producer = producer, .request = request, .count = count,
                   .waiting = 1, .now_us = clock_database_us(),
                   .results = json_object_new_array_ext(count));
}

static void take_lines(struct producer *producer, struct web_request *request)
{
    size_t size;
    const char *text = web_body(request, &size);
    int count = each_line(NULL, text, size);

    if (!check_count(request, count))
        return;
    struct batch *batch = batch_new(producer, request, count);

    each_line(batch, text, size);
    one_less(batch);
}

static void take_array(struct producer *producer, struct web_request *request)
{
    SCOPED(scoped_json) struct json_object *array = NULL;

    if (!accept_read_json(&array, request))
        return;
    if (!json_object_is_type(array, json_type_array)) {
        problem_reply(request, PROBLEM_VALIDATION,
                      "a batch is a JSON array of tasks, or one task a line as "
                      "application/x-ndjson");
        return;
    }
    size_t count = json_object_array_length(array);

    if (!check_count(request, count > INT32_MAX ? INT32_MAX : (int)count))
        return;
    struct batch *batch = batch_new(producer, request, (int)count);

    for (int i = 0; i < batch->count; i++)
        take_item(batch, i, json_object_array_get_idx(array, (size_t)i));
    one_less(batch);
}

void accept_batch(struct web_request *request, void *data)
{
    if (!answer_knows_parameters(request, NULL, 0))
        return;
    if (web_header(request, "Idempotency-Key"))
        problem_reply(request, PROBLEM_VALIDATION,
                      "Idempotency-Key is for one task: give idempotency_key with each item");
    else if (web_is_ndjson(request))
        take_lines(data, request);
    else
        take_array(data, request);
}
