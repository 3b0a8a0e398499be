/*
 * Tasks of type kafka: {"topic", "key", "headers", "value"}. Done at the delivery report.
 *
 * A message that was handed to the client cannot be called back: a stop only ends the waiting.
 */
#include "common/log.h"
#include "common/mem.h"
#include "executor/run.h"
#include "executor/work.h"

#define HEADERS_MOST 64
#define TOPIC_MOST 249

/* Lives until the delivery report; the attempt may be stopped before. */
struct publish {
    struct attempt *attempt; /* NULL: nobody waits any more */
};

static void on_delivered(void *data, const struct bus_position *where, const struct fault *fault)
{
    struct publish *publish = data;
    struct attempt *attempt = publish->attempt;
    char task[UUID_TEXT];

    free(publish);
    if (!attempt)
        return;
    if (where && log_wants(LOG_DEBUG))
        log_debug("task.output", "task=%s partition=%d offset=%lld",
                  uuid_write(task, &attempt->task), (int)where->partition,
                  (long long)where->offset);
    run_end(attempt, fault ? OUTCOME_FAILED : OUTCOME_SUCCEEDED, NULL, fault ? fault->text : NULL);
}

static bool read_topic(struct bus_message *message, struct json_object *work, struct fault *fault)
{
    if (!work_text(&message->topic, work, "topic", fault))
        return false;
    if (!message->topic || !*message->topic || strlen(message->topic) > TOPIC_MOST)
        return fault_set(fault, FAULT_REJECTED, "topic: must be 1 to %d characters", TOPIC_MOST);
    return true;
}

static bool read_headers(struct bus_header *list, size_t *count, struct json_object *work,
                         struct fault *fault)
{
    struct json_object *headers;

    if (!work_texts(&headers, work, "headers", fault))
        return false;
    if (!headers)
        return true;
    if (json_object_object_length(headers) > HEADERS_MOST)
        return fault_set(fault, FAULT_REJECTED, "headers: more than %d", HEADERS_MOST);
    json_object_object_foreach(headers, name, value)
    {
        list[(*count)++] =
            (struct bus_header){.name = name, .value = json_object_get_string(value)};
    }
    return true;
}

static bool send_message(struct attempt *attempt, struct json_object *work, struct fault *fault)
{
    struct bus_header headers[HEADERS_MOST + 2];
    struct bus_message message = {.partition = -1, .headers = headers};
    char task[UUID_TEXT], token[16];
    const char *key, *value;

    if (!read_topic(&message, work, fault) || !work_text(&key, work, "key", fault) ||
        !read_headers(headers, &message.header_count, work, fault))
        return false;
    snprintf(token, sizeof token, "%d", attempt->token);
    headers[message.header_count++] =
        (struct bus_header){"rota-task-id", uuid_write(task, &attempt->task)};
    headers[message.header_count++] = (struct bus_header){"rota-attempt", token};
    message.key = key;
    message.key_size = key ? strlen(key) : 0;
    value = work_body(work, "value", &message.value_size);
    if (!value && (value = attempt->texts.payload))
        message.value_size = strlen(value);
    message.value = value;

    struct publish *publish = mem_new(struct publish, .attempt = attempt);
    if (!bus_send(attempt->executor->bus, &message, on_delivered, publish, fault)) {
        free(publish);
        return false;
    }
    attempt->job = publish;
    return true;
}

static bool start_publish(struct attempt *attempt, struct fault *fault)
{
    struct json_object *work;

    if (!work_read(&work, attempt->texts.work, fault))
        return false;
    bool sent = send_message(attempt, work, fault);
    json_object_put(work);
    return sent;
}

static void stop_publish(struct attempt *attempt, int64_t grace_ms)
{
    struct publish *publish = attempt->job;

    publish->attempt = NULL;
    attempt->job = NULL;
    if (grace_ms != RUN_LET_GO)
        run_end(attempt, OUTCOME_FAILED, NULL, "stopped before the delivery report");
}

const struct work_type publish_type = {
    .name = "kafka", .start = start_publish, .stop = stop_publish};
