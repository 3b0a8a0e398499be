#include "common/part.h"

#include "common/cleanup.h"
#include "common/mem.h"

#include <ctype.h>
#include <strings.h>

#define COMMAND_MOST (128 * 1024)
#define ARGUMENTS_MOST 256
#define VARIABLES_MOST 128
#define PATH_MOST 4096
#define URL_MOST 2048
#define HEADERS_MOST 50
#define HEADER_NAME_MOST 256
#define HEADER_MOST 8192
#define HEADERS_SIZE_MOST 32768
#define BODY_MOST (256 * 1024)
#define TOPIC_MOST 249
#define KEY_MOST 4096
#define STATUSES_MOST 50
#define USUAL_PREFIX "rota."

static const char *topic_prefix = USUAL_PREFIX;

void task_guard_topics(const char *prefix)
{
    topic_prefix = prefix;
}

static bool has_control(const char *text, bool tab_too)
{
    for (; *text; text++)
        if (iscntrl((unsigned char)*text) && (tab_too || *text != '\t'))
            return true;
    return false;
}

/* What some fields say together. */
struct whole {
    const struct field *at;
    bool has_command, has_argv;
    bool has_url, has_topic;
};

/* --- shell ----------------------------------------------------------------------------------- */

static void read_command(void *data, struct json_object *value, const struct field *at)
{
    struct whole *whole = data;
    const char *text;

    whole->has_command = true;
    field_text(&text, at, value, 1, COMMAND_MOST);
}

static void read_argv(void *data, struct json_object *value, const struct field *at)
{
    struct whole *whole = data;
    size_t total = 0;

    whole->has_argv = true;
    if (!field_array(at, value, ARGUMENTS_MOST))
        return;
    if (!json_object_array_length(value))
        field_refuse(at, "must name a program");
    for (size_t i = 0; i < json_object_array_length(value); i++) {
        struct field item = field_item(at, i);
        const char *text = "";

        field_text(&text, &item, json_object_array_get_idx(value, i), i == 0, COMMAND_MOST);
        total += strlen(text) + 1;
    }
    if (total > COMMAND_MOST)
        field_refuse(at, "must have at most %d bytes in all", COMMAND_MOST);
}

static bool is_variable(const char *name)
{
    if (!isalpha((unsigned char)*name) && *name != '_')
        return false;
    while (isalnum((unsigned char)*name) || *name == '_')
        name++;
    return !*name;
}

static void read_variable(const struct field *at, const char *name, struct json_object *value,
                          size_t *total)
{
    struct field member = field_member(at, name);
    const char *text = "";

    if (!is_variable(name) || strlen(name) > HEADER_NAME_MOST)
        field_refuse(&member, "must be named with letters, digits and _, and not begin with a "
                              "digit");
    else if (!strncmp(name, "ROTA_", 5))
        field_refuse(&member, "must not begin with ROTA_: these are set by Rota");
    field_text(&text, &member, value, 0, COMMAND_MOST);
    *total += strlen(name) + strlen(text) + 2;
}

static void read_env(void *data, struct json_object *value, const struct field *at)
{
    size_t total = 0;

    (void)data;
    if (!field_object(at, value))
        return;
    if (json_object_object_length(value) > VARIABLES_MOST) {
        field_refuse(at, "must have at most %d names", VARIABLES_MOST);
        return;
    }
    json_object_object_foreach(value, name, text)
    {
        read_variable(at, name, text, &total);
    }
    if (total > COMMAND_MOST)
        field_refuse(at, "must have at most %d bytes in all", COMMAND_MOST);
}

static void read_cwd(void *data, struct json_object *value, const struct field *at)
{
    const char *text;

    (void)data;
    if (field_text(&text, at, value, 1, PATH_MOST - 1) && *text != '/')
        field_refuse(at, "must be an absolute path");
}

static void read_grace(void *data, struct json_object *value, const struct field *at)
{
    int64_t ms;

    (void)data;
    field_duration(&ms, at, value, 0, TASK_GRACE_MOST_MS);
}

static void finish_shell(const struct whole *whole, struct json_object *part)
{
    (void)part;
    if (whole->has_command == whole->has_argv)
        field_refuse(whole->at, "needs either command or argv%s",
                     whole->has_argv ? ", not both" : "");
}

/* --- http ------------------------------------------------------------------------------------ */

static bool is_port(const char *text)
{
    size_t size = strspn(text, "0123456789");

    return size > 0 && size <= 5 && !text[size] && atoi(text) >= 1 && atoi(text) <= 65535;
}

static bool is_host(const char *host)
{
    const char *colon;

    if (*host == '[') {
        size_t size = 1 + strspn(host + 1, "0123456789abcdefABCDEF:.");

        return size > 2 && host[size] == ']' &&
               (!host[size + 1] || (host[size + 1] == ':' && is_port(host + size + 2)));
    }
    colon = strchr(host, ':');
    if (colon && !is_port(colon + 1))
        return false;
    size_t size = colon ? (size_t)(colon - host) : strlen(host);

    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)host[i]) && !strchr("-._~%", host[i]))
            return false;
    return size > 0;
}

static void check_url(const char *url, const struct field *at)
{
    char host[URL_MOST + 1];
    const char *start = !strncasecmp(url, "http://", 7)    ? url + 7
                        : !strncasecmp(url, "https://", 8) ? url + 8
                                                           : NULL;

    for (const char *c = url; *c; c++)
        if (*c <= ' ' || *c > '~' || strchr("\\\"<>^`{|}", *c)) {
            field_refuse(at, "must be percent-encoded: no spaces, control characters or others "
                             "that a URL does not take");
            return;
        }
    if (!start) {
        field_refuse(at, "must begin with http:// or https://");
        return;
    }
    snprintf(host, sizeof host, "%.*s", (int)strcspn(start, "/?#"), start);
    if (strchr(host, '@'))
        field_refuse(at, "must not hold a user or a password: use a header");
    else if (!is_host(host))
        field_refuse(at, "must name a host, with a port from 1 to 65535 where one is given");
}

static void read_url(void *data, struct json_object *value, const struct field *at)
{
    struct whole *whole = data;
    const char *url;

    whole->has_url = true;
    if (field_text(&url, at, value, 1, URL_MOST))
        check_url(url, at);
}

static void read_method(void *data, struct json_object *value, const struct field *at)
{
    static const char *const methods[] = {"GET",   "HEAD",   "POST",   "PUT",
                                          "PATCH", "DELETE", "OPTIONS"};
    const char *text;

    (void)data;
    if (!field_text(&text, at, value, 1, 16))
        return;
    for (size_t i = 0; i < COUNT(methods); i++)
        if (!strcmp(methods[i], text))
            return;
    field_refuse(at, "must be one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
}

static bool is_token(const char *name)
{
    if (!*name)
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && !strchr("!#$%&'*+-.^_`|~", *name))
            return false;
    return true;
}

/* Set by the executor or by HTTP itself: hop-by-hop, framing, identity. */
static bool is_own_header(const char *name)
{
    static const char *const own[] = {"host",
                                      "connection",
                                      "content-length",
                                      "transfer-encoding",
                                      "keep-alive",
                                      "proxy-authenticate",
                                      "proxy-authorization",
                                      "proxy-connection",
                                      "te",
                                      "trailer",
                                      "upgrade",
                                      "expect",
                                      "idempotency-key"};

    for (size_t i = 0; i < COUNT(own); i++)
        if (!strcasecmp(own[i], name))
            return true;
    return !strncasecmp(name, "rota-", 5);
}

/* An object of texts without control characters, within bounds. */
static bool read_texts(struct json_object *value, const struct field *at,
                       void (*check_name)(const struct field *at, const char *name))
{
    size_t total = 0;

    if (!field_object(at, value))
        return false;
    if (json_object_object_length(value) > HEADERS_MOST)
        return field_refuse(at, "must have at most %d names", HEADERS_MOST);
    json_object_object_foreach(value, name, item)
    {
        struct field member = field_member(at, name);
        const char *text = "";

        check_name(&member, name);
        if (field_text(&text, &member, item, 0, HEADER_MOST) && has_control(text, false))
            field_refuse(&member, "must not hold control characters (no CR, no LF)");
        total += strlen(name) + strlen(text);
    }
    return total <= HEADERS_SIZE_MOST ||
           field_refuse(at, "must have at most %d bytes in all", HEADERS_SIZE_MOST);
}

static void check_http_name(const struct field *at, const char *name)
{
    if (!is_token(name) || strlen(name) > HEADER_NAME_MOST)
        field_refuse(at, "is not the name of a header");
    else if (is_own_header(name))
        field_refuse(at, "is set by HTTP or by Rota and cannot be given");
}

static void read_http_headers(void *data, struct json_object *value, const struct field *at)
{
    (void)data;
    read_texts(value, at, check_http_name);
}

static void read_body(void *data, struct json_object *value, const struct field *at)
{
    (void)data;
    field_size(at, value, BODY_MOST);
}

static bool is_status(struct json_object *value)
{
    const char *text = json_object_get_string(value);

    if (json_object_is_type(value, json_type_int))
        return json_object_get_int64(value) >= 100 && json_object_get_int64(value) <= 599;
    return json_object_is_type(value, json_type_string) && *text >= '1' && *text <= '5' &&
           !strcmp(text + 1, "xx");
}

static void read_expected(void *data, struct json_object *value, const struct field *at)
{
    (void)data;
    if (!field_array(at, value, STATUSES_MOST))
        return;
    if (!json_object_array_length(value))
        field_refuse(at, "must name at least one status");
    for (size_t i = 0; i < json_object_array_length(value); i++) {
        struct field item = field_item(at, i);

        if (!is_status(json_object_array_get_idx(value, i)))
            field_refuse(&item, "must be a status from 100 to 599, or a class such as \"2xx\"");
    }
}

static void finish_http(const struct whole *whole, struct json_object *part)
{
    struct field url = field_member(whole->at, "url");

    if (!whole->has_url)
        field_refuse(&url, "is required");
    if (!json_object_object_get(part, "method"))
        json_object_object_add(part, "method", json_object_new_string("POST"));
    if (!json_object_object_get(part, "expect_status")) {
        struct json_object *expected = json_object_new_array();

        json_object_array_add(expected, json_object_new_string("2xx"));
        json_object_object_add(part, "expect_status", expected);
    }
}

/* --- kafka ----------------------------------------------------------------------------------- */

static bool is_own_of(const char *topic, const char *prefix)
{
    static const char *const own[] = {"commands", "dead-letters", "results", "events"};
    size_t size = strlen(prefix);

    if (strncmp(topic, prefix, size) != 0)
        return false;
    for (size_t i = 0; i < COUNT(own); i++)
        if (!strcmp(own[i], topic + size))
            return true;
    return false;
}

/*
 * A task that wrote commands would go around every check of the API; here, or in another cluster
 * that uses the same Kafka with the usual names.
 */
static bool is_own_topic(const char *topic)
{
    return is_own_of(topic, topic_prefix) || is_own_of(topic, USUAL_PREFIX);
}

static void read_topic(void *data, struct json_object *value, const struct field *at)
{
    struct whole *whole = data;
    const char *topic;

    whole->has_topic = true;
    if (!field_text(&topic, at, value, 1, TOPIC_MOST))
        return;
    for (const char *c = topic; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("._-", *c)) {
            field_refuse(at, "must have only letters, digits, dots, - and _");
            return;
        }
    if (!strcmp(topic, ".") || !strcmp(topic, ".."))
        field_refuse(at, "is not a topic that Kafka allows");
    else if (is_own_topic(topic))
        field_refuse(at, "is one of Rota's own topics");
}

static void read_record_key(void *data, struct json_object *value, const struct field *at)
{
    const char *text;

    (void)data;
    field_text(&text, at, value, 0, KEY_MOST);
}

static void check_record_name(const struct field *at, const char *name)
{
    if (!*name || strlen(name) > HEADER_NAME_MOST || has_control(name, true))
        field_refuse(at, "is not the name of a header");
    else if (!strncasecmp(name, "rota-", 5))
        field_refuse(at, "is set by Rota and cannot be given");
}

static void read_record_headers(void *data, struct json_object *value, const struct field *at)
{
    (void)data;
    read_texts(value, at, check_record_name);
}

static void finish_kafka(const struct whole *whole, struct json_object *part)
{
    struct field topic = field_member(whole->at, "topic");

    (void)part;
    if (!whole->has_topic)
        field_refuse(&topic, "is required");
}

/* --- The table ------------------------------------------------------------------------------- */

static const struct field_row shell_rows[] = {{"command", read_command},
                                              {"argv", read_argv},
                                              {"env", read_env},
                                              {"cwd", read_cwd},
                                              {"grace", read_grace}};
static const struct field_row http_rows[] = {{"url", read_url},
                                             {"method", read_method},
                                             {"headers", read_http_headers},
                                             {"body", read_body},
                                             {"expect_status", read_expected}};
static const struct field_row kafka_rows[] = {{"topic", read_topic},
                                              {"key", read_record_key},
                                              {"headers", read_record_headers},
                                              {"value", read_body}};

static const struct {
    const struct field_row *rows;
    size_t count;
    void (*finish)(const struct whole *whole, struct json_object *part);
} parts[TASK_TYPE_COUNT] = {
    [TASK_LOG] = {NULL, 0, NULL},
    [TASK_SHELL] = {shell_rows, COUNT(shell_rows), finish_shell},
    [TASK_HTTP] = {http_rows, COUNT(http_rows), finish_http},
    [TASK_KAFKA] = {kafka_rows, COUNT(kafka_rows), finish_kafka},
};

/* A copy without the members that are null; the values are shared, and nothing changes them. */
static struct json_object *copy_members(struct json_object *object)
{
    struct json_object *copy = json_object_new_object();

    json_object_object_foreach(object, name, value)
    {
        if (value)
            json_object_object_add(copy, name, json_object_get(value));
    }
    return copy;
}

bool part_read(struct json_object **ret, enum task_type type, struct json_object *part, bool strict,
               const struct field *at)
{
    struct whole whole = {.at = at};
    int before = at->problems->count;
    SCOPED(scoped_json) struct json_object *copy = NULL;

    if (!field_object(at, part))
        return false;
    copy = copy_members(part);
    field_read_all(at, copy, parts[type].rows, parts[type].count, strict, &whole);
    if (parts[type].finish)
        parts[type].finish(&whole, copy);
    field_size(at, copy, TASK_WORK_MOST);
    if (at->problems->count > before || before == PROBLEMS_MOST)
        return false;
    *ret = TAKE(copy);
    return true;
}
