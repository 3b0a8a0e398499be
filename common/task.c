#include "common/task.h"

#include "common/cleanup.h"
#include "common/field.h"
#include "common/instant.h"
#include "common/json.h"
#include "common/line.h"
#include "common/mem.h"
#include "common/part.h"
#include "common/retry.h"

#include <ctype.h>

#define LEGACY_NAME "legacy.task"
#define DEFAULT_QUEUE "default"
#define DEFAULT_ON_LOST "retry"
#define KEY_SCOPE "task"

static const char *const types[TASK_TYPE_COUNT] = {
    [TASK_LOG] = "log", [TASK_SHELL] = "shell", [TASK_HTTP] = "http", [TASK_KAFKA] = "kafka"};

const char *task_type_name(enum task_type type)
{
    return types[type];
}

bool task_type_read(enum task_type *ret, const char *name)
{
    for (int i = 0; i < TASK_TYPE_COUNT; i++)
        if (!strcmp(types[i], name)) {
            *ret = (enum task_type)i;
            return true;
        }
    return false;
}

/* A task that is being read. */
struct reading {
    struct task task;
    struct field whole;
    bool strict;
    bool has_type, has_id, has_run_at, has_delay, has_created_at;
    bool type_was_given, run_at_was_given, delay_was_given;
    int64_t delay_ms;
    struct json_object *parts[TASK_TYPE_COUNT], *work, *retry;
};

/* --- Fields of both -------------------------------------------------------------------------- */

static void read_type(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    const char *name;

    reading->type_was_given = true;
    if (!field_text(&name, at, value, 0, 64))
        return;
    reading->has_type = task_type_read(&reading->task.type, name);
    if (!reading->has_type)
        field_refuse(at, "must be one of log, shell, http, kafka");
}

static bool is_name(const char *text, const char *first, const char *rest)
{
    return *text && strchr(first, *text) && strspn(text, rest) == strlen(text);
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

static void read_name(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    const char *name;

    if (!field_text(&name, at, value, 0, TASK_NAME_MOST))
        return;
    if (is_name(name, LOWER, LOWER DIGITS "._-"))
        reading->task.name = name;
    else
        field_refuse(at, "must begin with a-z, and go on with a-z, 0-9, dots, - and _");
}

static void read_queue(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    const char *name;

    if (!field_text(&name, at, value, 0, TASK_QUEUE_MOST))
        return;
    if (is_name(name, LOWER DIGITS, LOWER DIGITS "._-"))
        reading->task.queue = name;
    else
        field_refuse(at, "must begin with a-z or 0-9, and go on with a-z, 0-9, dots, - and _");
}

static void read_priority(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    int64_t number;

    if (field_int(&number, at, value, TASK_PRIORITY_LEAST, TASK_PRIORITY_MOST))
        reading->task.priority = (int)number;
}

static void read_run_at(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    reading->run_at_was_given = true;
    reading->has_run_at = field_instant(&reading->task.run_at_us, at, value);
}

static void read_on_lost(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    const char *text;

    if (!field_text(&text, at, value, 0, 64))
        return;
    if (!strcmp(text, "retry") || !strcmp(text, "fail"))
        reading->task.on_lost = text;
    else
        field_refuse(at, "must be retry or fail");
}

static void read_payload(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    if (field_size(at, value, TASK_PAYLOAD_MOST))
        reading->task.payload = value;
}

/* Characters of valid UTF-8: bytes that do not go on with one. */
static size_t characters(const char *text)
{
    size_t count = 0;

    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static bool is_plain(const char *text)
{
    for (; *text; text++)
        if (iscntrl((unsigned char)*text))
            return false;
    return true;
}

static void read_tag(struct json_object *value, const struct field *at)
{
    const char *text;

    if (!field_text(&text, at, value, 1, TASK_TAG_MOST * 4))
        return;
    if (characters(text) > TASK_TAG_MOST)
        field_refuse(at, "must have at most %d characters", TASK_TAG_MOST);
    else if (!is_plain(text))
        field_refuse(at, "must not hold control characters");
}

bool task_check_tags(struct json_object *value, const struct field *at)
{
    int before = at->problems->total;

    if (!field_array(at, value, TASK_TAGS_MOST))
        return false;
    for (size_t i = 0; i < json_object_array_length(value); i++) {
        struct field item = field_item(at, i);

        read_tag(json_object_array_get_idx(value, i), &item);
    }
    return at->problems->total == before;
}

static void read_tags(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    if (task_check_tags(value, at) && json_object_array_length(value))
        reading->task.tags = value;
}

/* 1 to 255 visible ASCII characters. */
static bool check_key(const char *key, const struct field *at)
{
    size_t size = strlen(key);

    for (const char *c = key; *c; c++)
        if (*c <= ' ' || *c > '~')
            return field_refuse(at, "must have only visible ASCII characters");
    if (!size || size > TASK_KEY_MOST)
        return field_refuse(at, "must have 1 to %d characters", TASK_KEY_MOST);
    return true;
}

static void set_key(struct reading *reading, const char *key, const struct field *at)
{
    if (!check_key(key, at))
        return;
    if (reading->task.key && strcmp(reading->task.key, key) != 0) {
        field_refuse(at, "differs from the Idempotency-Key header");
        return;
    }
    free(reading->task.key);
    reading->task.key = mem_text(key);
}

static void read_key(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    const char *text;

    if (field_text(&text, at, value, 0, TASK_KEY_MOST))
        set_key(reading, text, at);
}

/* --- Fields of a request --------------------------------------------------------------------- */

static void read_delay(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    reading->delay_was_given = true;
    reading->has_delay = field_duration(&reading->delay_ms, at, value, 0, TASK_DELAY_MOST_MS);
}

static void read_timeout(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    field_duration(&reading->task.timeout_ms, at, value, 1, TASK_TIMEOUT_MOST_MS);
}

static void read_start_deadline(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    field_duration(&reading->task.start_deadline_ms, at, value, 1, TASK_DELAY_MOST_MS);
}

static void read_retry(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    (void)at;
    reading->retry = value; /* which ends there are shows the type, which may stand behind it */
}

#define READ_PART(function, type)                                                                  \
    static void function(void *data, struct json_object *value, const struct field *at)            \
    {                                                                                              \
        struct reading *reading = data;                                                            \
                                                                                                   \
        (void)at;                                                                                  \
        reading->parts[type] = value;                                                              \
    }

READ_PART(read_log_part, TASK_LOG)
READ_PART(read_shell_part, TASK_SHELL)
READ_PART(read_http_part, TASK_HTTP)
READ_PART(read_kafka_part, TASK_KAFKA)

static const struct field_row request_rows[] = {
    {"type", read_type},           {"log", read_log_part},
    {"shell", read_shell_part},    {"http", read_http_part},
    {"kafka", read_kafka_part},    {"run_at", read_run_at},
    {"delay", read_delay},         {"payload", read_payload},
    {"queue", read_queue},         {"priority", read_priority},
    {"tags", read_tags},           {"timeout", read_timeout},
    {"on_lost", read_on_lost},     {"name", read_name},
    {"idempotency_key", read_key}, {"start_deadline", read_start_deadline},
    {"retry", read_retry},
};

/* Every type but log needs its part, and none takes that of another. */
static void take_part(struct reading *reading)
{
    enum task_type type = reading->task.type;

    for (int i = 0; i < TASK_TYPE_COUNT; i++) {
        struct field at = field_member(&reading->whole, types[i]);

        if (reading->parts[i] && i != (int)type)
            field_refuse(&at, "does not belong to type %s", types[type]);
        else if (reading->parts[i])
            part_read(&reading->work, type, reading->parts[i], reading->strict, &at);
        else if (i == (int)type && type != TASK_LOG)
            field_refuse(&at, "is required for type %s", types[type]);
    }
}

static void take_retry(struct reading *reading)
{
    struct field at = field_member(&reading->whole, "retry");
    struct retry retry;

    if (reading->retry &&
        retry_read(&retry, reading->retry, types[reading->task.type], &at, reading->strict))
        reading->task.retry = retry_json(&retry);
}

static void take_run_at(struct reading *reading, int64_t now_us)
{
    struct field delay = field_member(&reading->whole, "delay");

    if (reading->run_at_was_given && reading->delay_was_given)
        field_refuse(&delay, "cannot stand beside run_at: give one of them");
    if (!reading->run_at_was_given)
        reading->task.run_at_us = now_us + reading->delay_ms * 1000;
    reading->task.created_at_us = now_us;
}

/* The text of a structured field's string (RFC 8941, 3.3.3), or the bare text. To be freed. */
static char *unquote(const char *header)
{
    size_t size = strlen(header);
    char *key = mem_text(header), *to = key;

    if (*header != '"')
        return key;
    for (const char *from = header + 1; from < header + size; from++) {
        if (*from == '"') {
            *to = '\0';
            if (from == header + size - 1)
                return key;
            break;
        }
        if (*from == '\\' && (from[1] == '"' || from[1] == '\\'))
            from++;
        *to++ = *from;
    }
    free(key);
    return NULL;
}

bool task_read_header_key(char ret[static TASK_KEY_MOST + 1], const char *header,
                          const struct field *at)
{
    SCOPED(scoped_text) char *key = header ? unquote(header) : NULL;

    *ret = '\0';
    if (!header)
        return true;
    if (!key)
        return field_refuse(at, "the header Idempotency-Key has a quote that is not closed");
    if (!check_key(key, at))
        return false;
    snprintf(ret, TASK_KEY_MOST + 1, "%s", key);
    return true;
}

static void take_header_key(struct reading *reading, const char *header)
{
    struct field at = field_member(&reading->whole, "idempotency_key");
    char key[TASK_KEY_MOST + 1];

    if (task_read_header_key(key, header, &at))
        set_key(reading, key, &at);
}

/* Over the request as it came, so that a repetition is known as one although "now" has moved on. */
static void take_fingerprint(struct reading *reading, struct json_object *object)
{
    SCOPED(scoped_json) struct json_object *rest = json_object_new_object();

    json_object_object_foreach(object, name, value)
    {
        if (strcmp(name, "idempotency_key") != 0)
            json_object_object_add(rest, name, json_object_get(value));
    }
    SCOPED(scoped_text) char *text = json_canonical(rest);

    digest(reading->task.fingerprint, text, strlen(text));
    reading->task.has_fingerprint = true;
}

static struct reading reading_new(struct problems *problems, bool strict)
{
    return (struct reading){
        .task = {.queue = DEFAULT_QUEUE, .on_lost = DEFAULT_ON_LOST},
        .whole = {.problems = problems},
        .strict = strict,
    };
}

/* Gives *ret what was read, or lets go of it where something is wrong. */
static bool give(struct task *ret, struct reading *reading, struct json_object *object)
{
    if (reading->whole.problems->count) {
        json_object_put(reading->work);
        json_object_put(reading->task.retry);
        free(reading->task.key);
        return false;
    }
    reading->task.source = json_object_get(object);
    reading->task.payload = json_object_get(reading->task.payload);
    reading->task.tags = json_object_get(reading->task.tags);
    reading->task.work = reading->work;
    *ret = reading->task;
    return true;
}

static void need_type(const struct reading *reading)
{
    struct field at = field_member(&reading->whole, "type");

    if (!reading->type_was_given)
        field_refuse(&at, "is required: one of log, shell, http, kafka");
}

bool task_read(struct task *ret, struct json_object *object, const char *header_key, int64_t now_us,
               struct problems *problems)
{
    struct reading reading = reading_new(problems, true);

    if (!field_object(&reading.whole, object))
        return false;
    if (header_key)
        take_header_key(&reading, header_key);
    field_read_all(&reading.whole, object, request_rows, COUNT(request_rows), true, &reading);
    need_type(&reading);
    if (reading.has_type)
        take_part(&reading);
    if (reading.has_type)
        take_retry(&reading);
    take_run_at(&reading, now_us);
    if (reading.task.key && !problems->count)
        take_fingerprint(&reading, object);
    reading.task.id =
        reading.task.key ? uuid_derived(KEY_SCOPE, reading.task.key) : uuid_ordered(now_us);
    return give(ret, &reading, object);
}

/* --- Templates ------------------------------------------------------------------------------- */

static const struct field_row template_rows[] = {
    {"type", read_type},
    {"log", read_log_part},
    {"shell", read_shell_part},
    {"http", read_http_part},
    {"kafka", read_kafka_part},
    {"payload", read_payload},
    {"queue", read_queue},
    {"priority", read_priority},
    {"tags", read_tags},
    {"timeout", read_timeout},
    {"on_lost", read_on_lost},
    {"name", read_name},
    {"start_deadline", read_start_deadline},
    {"retry", read_retry},
};

bool task_read_template(struct task *ret, struct json_object *object, bool strict,
                        const struct field *at)
{
    struct reading reading = reading_new(at->problems, strict);

    reading.whole = *at;
    if (!field_object(at, object))
        return false;
    field_read_all(at, object, template_rows, COUNT(template_rows), strict, &reading);
    need_type(&reading);
    if (reading.has_type)
        take_part(&reading);
    if (reading.has_type)
        take_retry(&reading);
    return give(ret, &reading, object);
}

static void put_text(struct json_object *to, const char *name, const char *text)
{
    if (text)
        json_object_object_add(to, name, json_object_new_string(text));
}

static void put_value(struct json_object *to, const char *name, struct json_object *value)
{
    if (value)
        json_object_object_add(to, name, json_object_get(value));
}

struct json_object *task_template(const struct task *task)
{
    const char *type = types[task->type];
    struct json_object *to = json_object_new_object();
    char text[INSTANT_TEXT];

    put_text(to, "type", type);
    put_text(to, "name", task->name);
    put_text(to, "queue", task->queue);
    json_object_object_add(to, "priority", json_object_new_int(task->priority));
    put_text(to, "on_lost", task->on_lost);
    if (task->timeout_ms)
        put_text(to, "timeout", duration_write(text, task->timeout_ms));
    if (task->start_deadline_ms)
        put_text(to, "start_deadline", duration_write(text, task->start_deadline_ms));
    put_value(to, "retry", task->retry);
    put_value(to, "payload", task->payload);
    put_value(to, "tags", task->tags);
    put_value(to, type, json_object_object_get(task->source, type));
    return to;
}

/* --- The founding system's ---------------------------------------------------------------------
 */

void task_legacy(struct task *ret, const struct uuid *id, int64_t run_at_us, int64_t created_at_us,
                 struct json_object *data)
{
    struct json_object *payload = json_object_new_object();

    json_object_object_add(payload, "data", json_object_get(data));
    *ret = (struct task){.id = *id,
                         .type = TASK_LOG,
                         .name = LEGACY_NAME,
                         .queue = DEFAULT_QUEUE,
                         .run_at_us = run_at_us,
                         .created_at_us = created_at_us,
                         .on_lost = DEFAULT_ON_LOST,
                         .payload = payload};
}

static void read_exec_ts(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    int64_t ms;

    if (json_object_is_type(value, json_type_string)) {
        reading->has_run_at = field_instant(&reading->task.run_at_us, at, value);
    } else if (field_int(&ms, at, value, INSTANT_LEAST_US / 1000, INSTANT_MOST_US / 1000)) {
        reading->task.run_at_us = ms * 1000;
        reading->has_run_at = true;
    }
}

/* It becomes a member of the payload, whose limit holds for both. */
static void read_data(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    if (field_size(at, value, TASK_PAYLOAD_MOST - sizeof "{\"data\":}"))
        reading->task.payload = value;
}

static const struct field_row legacy_rows[] = {{"execTs", read_exec_ts}, {"data", read_data}};

bool task_read_legacy(struct task *ret, struct json_object *object, const struct uuid *id,
                      int64_t now_us, bool strict, struct problems *problems)
{
    struct reading reading = reading_new(problems, strict);

    if (!field_object(&reading.whole, object))
        return false;
    field_read_all(&reading.whole, object, legacy_rows, COUNT(legacy_rows), strict, &reading);
    if (problems->count)
        return false;
    task_legacy(ret, id, reading.has_run_at ? reading.task.run_at_us : now_us, now_us,
                reading.task.payload);
    return true;
}

/* --- Commands -------------------------------------------------------------------------------- */

#define HEAD_MOST 1024

/* RFC 3339 with microseconds where there are any: a command loses nothing. */
static const char *exact(char text[static INSTANT_TEXT + 4], int64_t unix_us)
{
    size_t size = strlen(instant_write(text, unix_us));

    if (unix_us % 1000)
        snprintf(text + size - 1, 5, "%03dZ", (int)(unix_us % 1000));
    return text;
}

/* What every command has. None of these texts can hold what JSON escapes. */
static void add_head(GString *to, const struct task *task)
{
    char head[HEAD_MOST], id[UUID_TEXT], run_at[INSTANT_TEXT + 4], created_at[INSTANT_TEXT + 4];
    size_t size = line_format(
        head, sizeof head,
        "{\"id\":\"%s\",\"type\":\"%s\"%s%s%s,\"queue\":\"%s\",\"priority\":%d,\"run_at\":\"%s\","
        "\"created_at\":\"%s\",\"on_lost\":\"%s\"",
        uuid_write(id, &task->id), types[task->type], task->name ? ",\"name\":\"" : "",
        task->name ? task->name : "", task->name ? "\"" : "", task->queue, task->priority,
        exact(run_at, task->run_at_us), exact(created_at, task->created_at_us), task->on_lost);

    g_string_append_len(to, head, (gssize)size);
}

static void add_value(GString *to, const char *name, struct json_object *value)
{
    size_t size;
    const char *text;

    if (!value)
        return;
    text = json_text(value, &size);
    g_string_append_printf(to, ",\"%s\":", name);
    g_string_append_len(to, text, (gssize)size);
}

static void add_fingerprint(GString *to, const struct task *task)
{
    g_string_append(to, ",\"fingerprint\":\"");
    for (int i = 0; i < DIGEST_SIZE; i++)
        g_string_append_printf(to, "%02x", task->fingerprint[i]);
    g_string_append_c(to, '"');
}

char *task_command(const struct task *task, size_t *ret_size)
{
    GString *to = g_string_sized_new(HEAD_MOST);

    add_head(to, task);
    if (task->timeout_ms)
        g_string_append_printf(to, ",\"timeout_ms\":%lld", (long long)task->timeout_ms);
    if (task->start_deadline_ms)
        g_string_append_printf(to, ",\"start_deadline_ms\":%lld",
                               (long long)task->start_deadline_ms);
    add_value(to, "retry", task->retry);
    add_value(to, "payload", task->payload);
    add_value(to, "work", task->work);
    add_value(to, "tags", task->tags);
    if (task->key) {
        g_string_append(to, ",\"key\":");
        json_add_text(to, task->key);
    }
    if (task->has_fingerprint)
        add_fingerprint(to, task);
    g_string_append_c(to, '}');
    *ret_size = to->len;
    return g_string_free(to, FALSE);
}

static void read_id(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    const char *text;

    if (!field_text(&text, at, value, 0, UUID_TEXT))
        return;
    reading->has_id = uuid_read(&reading->task.id, text) && !uuid_is_nil(&reading->task.id);
    if (!reading->has_id)
        field_refuse(at, "must be a UUID");
}

static void read_created_at(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    reading->has_created_at = field_instant(&reading->task.created_at_us, at, value);
}

static void read_timeout_ms(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    field_int(&reading->task.timeout_ms, at, value, 1, TASK_TIMEOUT_MOST_MS);
}

static void read_start_deadline_ms(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    field_int(&reading->task.start_deadline_ms, at, value, 1, TASK_DELAY_MOST_MS);
}

static void read_work(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;

    (void)at;
    reading->parts[0] = value; /* whose part it is shows the type, which may stand behind it */
}

static void read_fingerprint(void *data, struct json_object *value, const struct field *at)
{
    struct reading *reading = data;
    const char *text;

    if (!field_text(&text, at, value, 0, 2 * DIGEST_SIZE))
        return;
    if (strlen(text) != 2 * DIGEST_SIZE || strspn(text, "0123456789abcdef") != strlen(text)) {
        field_refuse(at, "must be 64 hexadecimal digits");
        return;
    }
    for (int i = 0; i < DIGEST_SIZE; i++)
        reading->task.fingerprint[i] =
            (uint8_t)strtoul((char[]){text[2 * i], text[2 * i + 1], 0}, NULL, 16);
    reading->task.has_fingerprint = true;
}

static const struct field_row command_rows[] = {
    {"id", read_id},
    {"type", read_type},
    {"name", read_name},
    {"queue", read_queue},
    {"priority", read_priority},
    {"run_at", read_run_at},
    {"created_at", read_created_at},
    {"on_lost", read_on_lost},
    {"timeout_ms", read_timeout_ms},
    {"start_deadline_ms", read_start_deadline_ms},
    {"retry", read_retry},
    {"payload", read_payload},
    {"work", read_work},
    {"tags", read_tags},
    {"key", read_key},
    {"fingerprint", read_fingerprint},
};

static void need(struct reading *reading, const char *name, bool there)
{
    struct field at = field_member(&reading->whole, name);

    if (!there && !json_object_object_get(reading->task.source, name))
        field_refuse(&at, "is required");
}

static void take_work(struct reading *reading)
{
    struct json_object *work = reading->parts[0];
    struct field at = field_member(&reading->whole, "work");

    if (work)
        part_read(&reading->work, reading->task.type, work, false, &at);
    else if (reading->task.type != TASK_LOG)
        field_refuse(&at, "is required for type %s", types[reading->task.type]);
}

bool task_read_command(struct task *ret, struct json_object *object, struct problems *problems)
{
    struct reading reading = reading_new(problems, false);

    if (!field_object(&reading.whole, object))
        return false;
    reading.task.source = object;
    field_read_all(&reading.whole, object, command_rows, COUNT(command_rows), false, &reading);
    need(&reading, "id", reading.has_id);
    need(&reading, "type", reading.has_type);
    need(&reading, "run_at", reading.has_run_at);
    need(&reading, "created_at", reading.has_created_at);
    if (reading.has_type)
        take_work(&reading);
    if (reading.has_type)
        take_retry(&reading);
    if (reading.has_id)
        ret->id = reading.task.id;
    return give(ret, &reading, object);
}

void task_done(struct task *task)
{
    json_object_put(task->retry);
    json_object_put(task->payload);
    json_object_put(task->work);
    json_object_put(task->tags);
    json_object_put(task->source);
    free(task->key);
    *task = (struct task){0};
}
