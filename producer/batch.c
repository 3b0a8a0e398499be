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
#define RESULT_ABOUT 640 /* bytes of one in the answer */

struct batch;

struct item {
    struct batch *batch;
    struct accepted accepted;
    int status; /* 0: no answer yet */
    struct json_object *problem;
};

struct batch {
    struct producer *producer;
    struct web_request *request;
    int64_t now_us;
    int count, waiting, accepted, undelivered;
    enum problem worst; /* of those that were not delivered */
    struct item *items;
};

static void put_problem(struct batch *batch, int index, enum problem problem, const char *detail,
                        const struct problems *problems)
{
    batch->items[index].status = problem_status(problem);
    batch->items[index].problem = problem_json(problem, NULL, NULL, detail, problems);
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

/* --- The answer ------------------------------------------------------------------------------ */

static void write_result(GString *to, const struct batch *batch, int index)
{
    const struct item *item = &batch->items[index];
    size_t size;

    g_string_append_printf(to, "%s{\"index\":%d,\"status\":%d,", index ? "," : "", index,
                           item->status);
    if (item->problem) {
        g_string_append(to, "\"problem\":");
        g_string_append(to, json_text(item->problem, &size));
    } else {
        accepted_write(to, &item->accepted);
    }
    g_string_append_c(to, '}');
}

static void write_results(GString *to, const struct batch *batch)
{
    g_string_append_c(to, '[');
    for (int i = 0; i < batch->count; i++)
        write_result(to, batch, i);
    g_string_append_c(to, ']');
}

static void answer_accepted(const struct batch *batch)
{
    GString *body = g_string_sized_new((gsize)batch->count * RESULT_ABOUT);

    g_string_append(body, "{\"results\":");
    write_results(body, batch);
    g_string_append_c(body, '}');
    answer_json_text(batch->request, 202, body);
}

/* The problem that is the most urgent, with all results. */
static void answer_refused(const struct batch *batch)
{
    enum problem problem = batch->undelivered ? batch->worst : PROBLEM_VALIDATION;
    struct json_object *body =
        problem_json(problem, web_request_id(batch->request), web_path(batch->request),
                     "no item was accepted: results say why", NULL);
    GString *results = g_string_new(NULL);

    write_results(results, batch);
    put_json(body, "results", results->str);
    g_string_free(results, TRUE);
    problem_reply_json(batch->request, problem, body);
}

static void batch_free(struct batch *batch)
{
    for (int i = 0; i < batch->count; i++)
        json_object_put(batch->items[i].problem);
    free(batch->items);
    free(batch);
}

static void one_less(struct batch *batch)
{
    if (--batch->waiting)
        return;
    if (batch->accepted)
        answer_accepted(batch);
    else
        answer_refused(batch);
    batch_free(batch);
}

/* --- Items ----------------------------------------------------------------------------------- */

static void on_delivered(void *data, const struct bus_position *where, const struct fault *fault)
{
    struct item *item = data;
    struct batch *batch = item->batch;

    if (fault) {
        put_undelivered(batch, (int)(item - batch->items), fault);
    } else {
        POINT(ACCEPT_DELIVERED);
        item->accepted.after.partition = where->partition;
        item->accepted.after.offset = where->offset;
        item->status = 202;
        batch->accepted++;
    }
    one_less(batch);
}

static void send_item(struct batch *batch, int index, const struct task *task)
{
    struct producer *producer = batch->producer;
    struct item *item = &batch->items[index];
    struct fault fault;

    item->batch = batch;
    item->accepted = accepted_of(producer, task);
    batch->waiting++;
    if (command_send_task(producer->bus, producer->topic, log_node(), task, on_delivered, item,
                          &fault))
        return;
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
    accept_place(batch->producer, &task);
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
                   .items = mem_array(struct item, (size_t)count));
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
