#include "common/command.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/field.h"
#include "common/instant.h"
#include "common/json.h"
#include "common/mem.h"

#include <stdarg.h>

#define LEGACY_SCOPE "scheduler-task"

static bool read_task(struct command *ret, struct json_object *object, struct problems *problems);
static bool read_action(struct command *ret, struct json_object *object, struct problems *problems);
static bool read_queue(struct command *ret, struct json_object *object, struct problems *problems);
static bool read_edit(struct command *ret, struct json_object *object, struct problems *problems);

static const struct {
    const char *type, *version;
    bool (*read)(struct command *ret, struct json_object *object, struct problems *problems);
} kinds[COMMAND_KIND_COUNT] = {
    [COMMAND_TASK] = {"rota.task.schedule.", "v1", read_task},
    [COMMAND_CANCEL] = {"rota.task.cancel.", "v1", read_action},
    [COMMAND_RETRY] = {"rota.task.retry.", "v1", read_action},
    [COMMAND_RUN_NOW] = {"rota.task.run-now.", "v1", read_action},
    [COMMAND_QUEUE] = {"rota.queue.set.", "v1", read_queue},
    [COMMAND_PUT] = {"rota.schedule.put.", "v1", read_edit},
    [COMMAND_PAUSE] = {"rota.schedule.pause.", "v1", read_edit},
    [COMMAND_RESUME] = {"rota.schedule.resume.", "v1", read_edit},
    [COMMAND_DELETE] = {"rota.schedule.delete.", "v1", read_edit},
};

static bool refuse(struct command_refusal *refusal, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool refuse(struct command_refusal *refusal, const char *code, const char *format, ...)
{
    va_list args;

    snprintf(refusal->code, sizeof refusal->code, "%s", code);
    va_start(args, format);
    vsnprintf(refusal->detail, sizeof refusal->detail, format, args);
    va_end(args);
    return false;
}

static bool refuse_by(struct command_refusal *refusal, const struct problems *problems)
{
    return refuse(refusal, "invalid-command", "%s: %s", problems->list[0].pointer,
                  problems->list[0].detail);
}

/* --- Reading --------------------------------------------------------------------------------- */

static bool read_task(struct command *ret, struct json_object *object, struct problems *problems)
{
    bool ok = task_read_command(&ret->task, object, problems);

    ret->id = ret->task.id;
    return ok;
}

static void read_uuid(struct uuid *ret, struct json_object *value, const struct field *at)
{
    const char *text;

    if (field_text(&text, at, value, 0, UUID_TEXT) && (!uuid_read(ret, text) || uuid_is_nil(ret)))
        field_refuse(at, "must be a UUID");
}

static void read_task_id(void *data, struct json_object *value, const struct field *at)
{
    read_uuid(&((struct command *)data)->id, value, at);
}

static void read_own_id(void *data, struct json_object *value, const struct field *at)
{
    read_uuid(&((struct command *)data)->command, value, at);
}

static void read_reason(void *data, struct json_object *value, const struct field *at)
{
    struct command *command = data;
    const char *text;

    if (field_text(&text, at, value, 0, COMMAND_REASON_MOST))
        snprintf(command->reason, sizeof command->reason, "%s", text);
}

static bool read_action(struct command *ret, struct json_object *object, struct problems *problems)
{
    static const struct field_row rows[] = {
        {"id", read_task_id}, {"command", read_own_id}, {"reason", read_reason}};
    struct field whole = {.problems = problems}, id = field_member(&whole, "id"),
                 command = field_member(&whole, "command");

    if (!field_object(&whole, object))
        return false;
    field_read_all(&whole, object, rows, COUNT(rows), false, ret);
    if (uuid_is_nil(&ret->id) && !problems->count)
        field_refuse(&id, "is required");
    /* A cancel that comes twice does what one does. */
    if (uuid_is_nil(&ret->command) && ret->kind != COMMAND_CANCEL && !problems->count)
        field_refuse(&command, "is required");
    return !problems->count;
}

static bool read_queue(struct command *ret, struct json_object *object, struct problems *problems)
{
    struct queue_change change = {.version = 0};
    bool ok = queue_read_command(&change, object, problems);

    ret->id = change.id;
    if (ok)
        ret->queue = memcpy(mem_new(struct queue_change, .id = change.id), &change, sizeof change);
    return ok;
}

static bool read_edit(struct command *ret, struct json_object *object, struct problems *problems)
{
    struct edit edit = {0};
    bool ok = edit_read(&edit, (enum edit_action)(ret->kind - COMMAND_PUT), object, problems);

    ret->id = edit.id;
    if (ok)
        ret->edit = memcpy(mem_new(struct edit, .id = edit.id), &edit, sizeof edit);
    return ok;
}

static bool read_json(struct json_object **ret, const struct command_record *record,
                      struct command_refusal *refusal)
{
    struct fault fault;

    if (!record->value)
        return refuse(refusal, "invalid-json", "the record has no value");
    if (record->value_size > COMMAND_BYTES_MOST)
        return refuse(refusal, "too-large", "the record has %zu bytes, at most %d are taken",
                      record->value_size, COMMAND_BYTES_MOST);
    return json_read(ret, record->value, record->value_size, &fault) ||
           refuse(refusal, "invalid-json", "%s", fault.text);
}

/* Visible ASCII is kept, so that the reason can be read wherever it is shown. */
static const char *plain(char out[static 80], const char *text)
{
    size_t i = 0;

    for (; i < 79 && text[i]; i++)
        out[i] = (char)(text[i] > ' ' && text[i] <= '~' ? text[i] : '?');
    out[i] = '\0';
    return out;
}

static bool find_kind(enum command_kind *ret, const char *type, struct command_refusal *refusal)
{
    char shown[80];

    if (!type)
        return refuse(refusal, "unknown-command", "the header ce_type is missing");
    for (int i = 0; i < COMMAND_KIND_COUNT; i++) {
        size_t size = strlen(kinds[i].type);

        if (strncmp(type, kinds[i].type, size) != 0)
            continue;
        *ret = (enum command_kind)i;
        return !strcmp(type + size, kinds[i].version) ||
               refuse(refusal, "unsupported-version", "ce_type %s: this version reads %s%s",
                      plain(shown, type), kinds[i].type, kinds[i].version);
    }
    return refuse(refusal, "unknown-command", "ce_type %s is not known", plain(shown, type));
}

/* The topic promises no identity of its own: the place in Kafka is one, and a redelivery has it. */
static bool read_legacy(struct command *ret, const struct command_record *record,
                        struct command_refusal *refusal)
{
    SCOPED(scoped_json) struct json_object *object = NULL;
    struct problems problems = {0};
    int64_t now_us = record->timestamp_ms >= 0 ? record->timestamp_ms * 1000 : clock_database_us();
    char place[320];

    snprintf(place, sizeof place, "%s/%d/%lld", record->topic, record->partition,
             (long long)record->offset);
    ret->id = refusal->id = uuid_derived(LEGACY_SCOPE, place);
    if (!read_json(&object, record, refusal))
        return false;
    if (now_us < INSTANT_LEAST_US || now_us > INSTANT_MOST_US)
        return refuse(refusal, "invalid-command", "the record's timestamp is out of range");
    return task_read_legacy(&ret->task, object, &ret->id, now_us, false, &problems) ||
           refuse_by(refusal, &problems);
}

static bool read_event(struct command *ret, const struct command_record *record,
                       struct command_refusal *refusal)
{
    SCOPED(scoped_json) struct json_object *object = NULL;
    struct problems problems = {0};

    if (!find_kind(&ret->kind, record->type, refusal) || !read_json(&object, record, refusal))
        return false;
    bool ok = kinds[ret->kind].read(ret, object, &problems);

    refusal->id = ret->id;
    return ok || refuse_by(refusal, &problems);
}

bool command_read_record(struct command *ret, const struct command_record *record, bool legacy,
                         struct command_refusal *refusal)
{
    struct command command = {0};

    *refusal = (struct command_refusal){0};
    if (!(legacy ? read_legacy : read_event)(&command, record, refusal))
        return false;
    *ret = command;
    return true;
}

bool command_read(struct command *ret, const rd_kafka_message_t *message, bool legacy,
                  struct command_refusal *refusal)
{
    struct command_record record = {
        .topic = rd_kafka_topic_name(message->rkt),
        .partition = message->partition,
        .offset = message->offset,
        .value = message->payload,
        .value_size = message->len,
    };
    rd_kafka_timestamp_type_t kind;
    rd_kafka_headers_t *headers;
    char type[128];
    const void *value;
    size_t size;

    record.timestamp_ms = rd_kafka_message_timestamp(message, &kind);
    if (!rd_kafka_message_headers(message, &headers) &&
        !rd_kafka_header_get_last(headers, "ce_type", &value, &size) && value) {
        snprintf(type, sizeof type, "%.*s", (int)(size < sizeof type ? size : sizeof type - 1),
                 (const char *)value);
        record.type = type;
    }
    return command_read_record(ret, &record, legacy, refusal);
}

void command_done(struct command *command)
{
    if (command->kind == COMMAND_TASK)
        task_done(&command->task);
    if (command->edit)
        edit_done(command->edit);
    free(command->edit);
    free(command->queue);
}

/* --- Sending --------------------------------------------------------------------------------- */

struct event {
    const char *topic, *node;
    enum command_kind kind;
    struct uuid id;
    const char *key, *object; /* what it is about: tasks/<id>, schedules/<name> */
    int64_t at_us;
    const char *value;
    size_t value_size;
};

static bool send_event(struct bus *bus, const struct event *event, bus_reply *reply, void *data,
                       struct fault *fault)
{
    char id[UUID_TEXT], at[INSTANT_TEXT], source[160], subject[SCHEDULE_NAME_MOST + 32], type[64];
    const char *key = event->key;

    snprintf(source, sizeof source, "/rota/producer/%s", event->node);
    snprintf(subject, sizeof subject, "%s/%s", event->object, key);
    snprintf(type, sizeof type, "%s%s", kinds[event->kind].type, kinds[event->kind].version);
    const struct bus_header headers[] = {
        {"ce_specversion", "1.0"},
        {"ce_id", uuid_write(id, &event->id)},
        {"ce_source", source},
        {"ce_type", type},
        {"ce_time", instant_write(at, event->at_us)},
        {"ce_subject", subject},
        {"content-type", "application/json"},
    };

    if (event->value_size > COMMAND_BYTES_MOST)
        return fault_set(fault, FAULT_REJECTED, "the command has more than %d bytes",
                         COMMAND_BYTES_MOST);
    return bus_send(bus,
                    &(struct bus_message){.topic = event->topic,
                                          .partition = -1,
                                          .key = key,
                                          .key_size = strlen(key),
                                          .value = event->value,
                                          .value_size = event->value_size,
                                          .headers = headers,
                                          .header_count = COUNT(headers)},
                    reply, data, fault);
}

bool command_send_task(struct bus *bus, const char *topic, const char *node,
                       const struct task *task, bus_reply *reply, void *data, struct fault *fault)
{
    size_t size;
    SCOPED(scoped_text) char *value = task_command(task, &size);
    char key[UUID_TEXT];

    return send_event(bus,
                      &(struct event){.topic = topic,
                                      .node = node,
                                      .kind = COMMAND_TASK,
                                      .id = task->id,
                                      .key = uuid_write(key, &task->id),
                                      .object = "tasks",
                                      .at_us = task->created_at_us,
                                      .value = value,
                                      .value_size = size},
                      reply, data, fault);
}

bool command_send_action(struct bus *bus, const char *topic, const char *node,
                         const struct command_action *action, bus_reply *reply, void *data,
                         struct fault *fault)
{
    SCOPED(scoped_json) struct json_object *value = json_object_new_object();
    char text[UUID_TEXT];
    size_t size;

    uuid_write(text, &action->command);
    json_object_object_add(value, "command", json_object_new_string(text));
    uuid_write(text, &action->id);
    json_object_object_add(value, "id", json_object_new_string(text));
    if (action->reason && *action->reason)
        json_object_object_add(value, "reason", json_object_new_string(action->reason));
    const char *bytes = json_text(value, &size);

    return send_event(bus,
                      &(struct event){.topic = topic,
                                      .node = node,
                                      .kind = action->kind,
                                      .id = action->command,
                                      .key = text,
                                      .object = "tasks",
                                      .at_us = clock_database_us(),
                                      .value = bytes,
                                      .value_size = size},
                      reply, data, fault);
}

bool command_send_queue(struct bus *bus, const char *topic, const char *node,
                        const struct queue_change *change, bus_reply *reply, void *data,
                        struct fault *fault)
{
    size_t size;
    SCOPED(scoped_text) char *value = queue_command(change, &size);

    return send_event(bus,
                      &(struct event){.topic = topic,
                                      .node = node,
                                      .kind = COMMAND_QUEUE,
                                      .id = change->id,
                                      .key = change->name,
                                      .object = "queues",
                                      .at_us = change->created_at_us,
                                      .value = value,
                                      .value_size = size},
                      reply, data, fault);
}

bool command_send_edit(struct bus *bus, const char *topic, const char *node,
                       const struct edit *edit, bus_reply *reply, void *data, struct fault *fault)
{
    size_t size;
    SCOPED(scoped_text) char *value = edit_command(edit, &size);

    return send_event(bus,
                      &(struct event){.topic = topic,
                                      .node = node,
                                      .kind = (enum command_kind)(COMMAND_PUT + (int)edit->action),
                                      .id = edit->id,
                                      .key = edit->name,
                                      .object = "schedules",
                                      .at_us = edit->created_at_us,
                                      .value = value,
                                      .value_size = size},
                      reply, data, fault);
}
