/*
 * Runs of a schedule on demand: POST .../trigger makes one now, .../backfill one for each fire of a
 * stretch of time. They are tasks like any other, made of the schedule's template, and go the way
 * of all tasks; the ledger does not know them.
 */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/command.h"
#include "common/instant.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "producer/accept.h"
#include "producer/schedule_ask.h"
#include "producer/schedule_render.h"

#define BACKFILL_MOST 10000
#define BACKFILL_BYTES_MOST (32 * 1024 * 1024) /* half of what waits for Kafka at most */

/* A task of the template: its own references, so that task_done frees it. */
static struct task task_from(const struct schedule *schedule, const struct uuid *id,
                             int64_t run_at_us, int64_t now_us)
{
    struct task task = schedule->task;

    task.id = *id;
    task.run_at_us = run_at_us;
    task.created_at_us = now_us;
    task.payload = json_object_get(task.payload);
    task.work = json_object_get(task.work);
    task.tags = json_object_get(task.tags);
    task.source = json_object_get(task.source);
    return task;
}

static void read_key(char ret[static TASK_KEY_MOST + 1], struct web_request *request,
                     const struct field *whole)
{
    struct field at = field_member(whole, "idempotency_key");

    task_read_header_key(ret, web_header(request, "Idempotency-Key"), &at);
}

/* With an idempotency key the same request twice is one. */
static struct uuid id_of(const char *key, const char *name, int64_t fire_us, int64_t now_us)
{
    char place[TASK_KEY_MOST + SCHEDULE_NAME_MOST + 32];

    if (!*key)
        return uuid_ordered(now_us);
    snprintf(place, sizeof place, "%s/%lld/%s", name, (long long)fire_us, key);
    return uuid_derived("schedule", place);
}

/* --- trigger --------------------------------------------------------------------------------- */

struct triggering {
    struct json_object *payload;
    char key[TASK_KEY_MOST + 1];
    char text[]; /* of the payload; "": the template's */
};

static void read_payload(void *data, struct json_object *value, const struct field *at)
{
    struct triggering *triggering = data;

    if (field_size(at, value, TASK_PAYLOAD_MOST))
        triggering->payload = value;
}

static void answer_triggered(struct schedule_asked *asked, struct schedule *schedule,
                             int64_t now_us)
{
    const struct triggering *triggering = asked->data;
    const char *payload = triggering->text;
    struct uuid id = id_of(triggering->key, schedule->name, 0, now_us);
    struct task task = task_from(schedule, &id, now_us, now_us);
    struct fault fault;

    if (*payload) {
        json_object_put(task.payload);
        task.payload = NULL;
        json_read(&task.payload, payload, strlen(payload), &fault);
    }
    if (!*triggering->key)
        accept_place(asked->producer, &task);
    accept_send(asked->producer, asked->request, &task);
    task_done(&task);
}

void schedule_trigger(struct web_request *request, void *data)
{
    static const struct field_row rows[] = {{"payload", read_payload}};
    SCOPED(scoped_json) struct json_object *object = NULL;
    struct schedule_asked asked = {
        .producer = data, .request = request, .answer = answer_triggered};
    struct triggering triggering = {.payload = NULL}, *kept;
    struct problems problems = {0};
    struct field whole = {.problems = &problems};
    size_t size;

    if (!answer_knows_parameters(request, NULL, 0) || !schedule_read_name(asked.name, request))
        return;
    web_body(request, &size);
    if (size && !accept_read_json(&object, request))
        return;
    if (size && field_object(&whole, object))
        field_read_all(&whole, object, rows, COUNT(rows), true, &triggering);
    read_key(triggering.key, request, &whole);
    if (problems.count) {
        accept_refuse(request, &problems);
        return;
    }
    if (!answer_has_database(data, request))
        return;
    const char *text = triggering.payload ? json_text(triggering.payload, NULL) : "";

    kept = mem_or_end(malloc(sizeof *kept + strlen(text) + 1));
    *kept = triggering;
    strcpy(kept->text, text);
    asked.data = kept;
    schedule_ask(&asked);
}

/* --- backfill -------------------------------------------------------------------------------- */

struct backfill {
    struct producer *producer;
    struct web_request *request;
    int64_t start_us, end_us;
    bool dry_run, has_start, has_end;
    char key[TASK_KEY_MOST + 1]; /* of the request; empty: none */
    int sent, open, failed;
    struct fault fault;
};

static void read_start(void *data, struct json_object *value, const struct field *at)
{
    struct backfill *backfill = data;

    backfill->has_start = true;
    field_instant(&backfill->start_us, at, value);
}

static void read_end(void *data, struct json_object *value, const struct field *at)
{
    struct backfill *backfill = data;

    backfill->has_end = true;
    field_instant(&backfill->end_us, at, value);
}

static void read_dry_run(void *data, struct json_object *value, const struct field *at)
{
    struct backfill *backfill = data;

    if (json_object_is_type(value, json_type_boolean))
        backfill->dry_run = json_object_get_boolean(value);
    else
        field_refuse(at, "must be true or false");
}

static void answer_backfill(struct backfill *backfill)
{
    struct json_object *body = json_object_new_object();

    if (backfill->failed) {
        problem_reply(backfill->request, PROBLEM_KAFKA_UNAVAILABLE,
                      "%d of the runs were not accepted: %s; with an idempotency key the backfill "
                      "can be sent again safely",
                      backfill->failed, backfill->fault.text);
        json_object_put(body);
        return;
    }
    put_int(body, "runs", backfill->sent);
    put_text(body, "state", "accepted");
    answer_json(backfill->request, 202, body);
}

/* The last report answers the request. */
static void on_delivered(void *data, const struct bus_position *where, const struct fault *fault)
{
    struct backfill *backfill = data;

    (void)where;
    if (fault && !backfill->failed++)
        backfill->fault = *fault;
    if (--backfill->open)
        return;
    answer_backfill(backfill);
    free(backfill);
}

static void send_one(struct backfill *backfill, const struct schedule *schedule, int64_t fire_us,
                     int64_t now_us)
{
    struct uuid id = id_of(backfill->key, schedule->name, fire_us, now_us);
    struct task task = task_from(schedule, &id, now_us, now_us);
    struct fault fault;

    backfill->open++;
    if (command_send_task(backfill->producer->bus, backfill->producer->topic, log_node(), &task,
                          on_delivered, backfill, &fault)) {
        backfill->sent++;
    } else {
        backfill->open--;
        if (!backfill->failed++)
            backfill->fault = fault;
    }
    task_done(&task);
}

/* Fires that are to run; BACKFILL_MOST + 1 where there are more, or too many are passed over. */
static int count_fires(const struct spec *spec, int64_t start_us, int64_t end_us)
{
    struct spec_fire fire;
    int64_t after_us = start_us - 1;
    int count = 0, seen = 0;

    while (count <= BACKFILL_MOST && spec_next(spec, after_us, &fire) && fire.at_us < end_us) {
        if (seen++ > 10 * BACKFILL_MOST)
            return BACKFILL_MOST + 1;
        after_us = fire.at_us;
        count += !fire.excluded;
    }
    return count;
}

static size_t command_size(const struct schedule *schedule, int64_t now_us)
{
    struct uuid id = uuid_ordered(now_us);
    struct task task = task_from(schedule, &id, now_us, now_us);
    size_t size;
    char *text = task_command(&task, &size);

    free(text);
    task_done(&task);
    return size;
}

static void answer_dry(struct backfill *backfill, const struct schedule *schedule, int count)
{
    struct json_object *body = json_object_new_object();

    put_int(body, "runs", count);
    put_bool(body, "dry_run", true);
    json_object_object_add(
        body, "items",
        render_fires(schedule->spec, backfill->start_us - 1, backfill->end_us, BACKFILL_MOST));
    answer_json(backfill->request, 200, body);
}

static void send_all(const struct backfill *asked, const struct schedule *schedule, int64_t now_us)
{
    struct backfill *backfill =
        memcpy(mem_new(struct backfill, .sent = 0), asked, sizeof *backfill);
    int64_t after_us = backfill->start_us - 1;
    struct spec_fire fire;

    backfill->open = 1; /* our own, until all are sent */
    while (!backfill->failed && spec_next(schedule->spec, after_us, &fire) &&
           fire.at_us < backfill->end_us) {
        after_us = fire.at_us;
        if (!fire.excluded)
            send_one(backfill, schedule, fire.at_us, now_us);
    }
    on_delivered(backfill, NULL, NULL);
}

static void take_backfill(struct schedule_asked *asked, struct schedule *schedule, int64_t now_us)
{
    struct backfill *backfill = asked->data;
    int count = count_fires(schedule->spec, backfill->start_us, backfill->end_us);
    struct problems problems = {0};

    if (count > BACKFILL_MOST)
        problems_add(&problems, "/end", "more than %d fires lie between start and end",
                     BACKFILL_MOST);
    else if ((size_t)count * command_size(schedule, now_us) > BACKFILL_BYTES_MOST)
        problems_add(&problems, "/end",
                     "%d runs with this payload are more than %d MiB: do it in "
                     "parts",
                     count, BACKFILL_BYTES_MOST >> 20);
    if (problems.count) {
        problem_reply_list(asked->request, PROBLEM_BACKFILL_TOO_LARGE, &problems);
    } else if (backfill->dry_run) {
        answer_dry(backfill, schedule, count);
    } else {
        send_all(backfill, schedule, now_us);
    }
}

static void check_bounds(const struct backfill *backfill, const struct field *whole)
{
    struct field start = field_member(whole, "start"), end = field_member(whole, "end");

    if (!backfill->has_start)
        field_refuse(&start, "is required");
    if (!backfill->has_end)
        field_refuse(&end, "is required");
    if (!whole->problems->count && backfill->end_us <= backfill->start_us)
        field_refuse(&end, "must be later than start");
}

void schedule_backfill(struct web_request *request, void *data)
{
    static const struct field_row rows[] = {
        {"start", read_start}, {"end", read_end}, {"dry_run", read_dry_run}};
    SCOPED(scoped_json) struct json_object *object = NULL;
    struct schedule_asked asked = {.producer = data, .request = request, .answer = take_backfill};
    struct backfill backfill = {.producer = data, .request = request};
    struct problems problems = {0};
    struct field whole = {.problems = &problems};

    if (!answer_knows_parameters(request, NULL, 0) || !schedule_read_name(asked.name, request) ||
        !accept_read_json(&object, request))
        return;
    if (field_object(&whole, object)) {
        field_read_all(&whole, object, rows, COUNT(rows), true, &backfill);
        check_bounds(&backfill, &whole);
    }
    read_key(backfill.key, request, &whole);
    if (problems.count) {
        accept_refuse(request, &problems);
        return;
    }
    if (!answer_has_database(data, request))
        return;
    asked.data = memcpy(mem_new(struct backfill, .sent = 0), &backfill, sizeof backfill);
    schedule_ask(&asked);
}
