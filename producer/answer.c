#include "producer/answer.h"

#include "common/instant.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/rows.h"

#define JSON_TYPE "application/json; charset=utf-8"

void answer_json(struct web_request *request, int status, struct json_object *body)
{
    size_t size;
    const char *text = json_text(body, &size);

    web_reply(request, status, JSON_TYPE, text, size);
    json_object_put(body);
}

void answer_json_text(struct web_request *request, int status, GString *body)
{
    web_reply(request, status, JSON_TYPE, body->str, body->len);
    g_string_free(body, TRUE);
}

void answer_text(struct web_request *request, int status, const char *text)
{
    web_reply(request, status, "text/plain; charset=utf-8", text, strlen(text));
}

void answer_kafka_fault(struct web_request *request, const struct fault *fault)
{
    switch (fault->kind) {
    case FAULT_BUSY:
        problem_reply(request, PROBLEM_OVERLOADED,
                      "the queue to Kafka is full; nothing was accepted");
        return;
    case FAULT_REJECTED:
        problem_reply(request, PROBLEM_PAYLOAD_TOO_LARGE, "Kafka does not take it: %s",
                      fault->text);
        return;
    default:
        problem_reply(request, PROBLEM_KAFKA_UNAVAILABLE,
                      "it is not known to be accepted: %s; with an idempotency key it can be sent "
                      "again safely",
                      fault->text);
    }
}

void answer_database_fault(struct web_request *request, const struct fault *fault)
{
    if (fault->kind == FAULT_BROKEN || fault->kind == FAULT_REJECTED) {
        log_error("read.failed", "request=%s cause=%s", LOG_VALUE(web_request_id(request)),
                  LOG_VALUE(fault->text));
        problem_reply(request, PROBLEM_INTERNAL, "the log has more under this request_id");
        return;
    }
    if (fault->kind == FAULT_BUSY)
        problem_reply(request, PROBLEM_QUERY_TIMEOUT,
                      "the database did not answer in time: ask for less, or later");
    else
        problem_reply(request, PROBLEM_DATABASE_UNAVAILABLE,
                      "the database does not answer now; tasks are accepted all the same");
}

bool answer_has_database(struct producer *producer, struct web_request *request)
{
    if (db_is_ready(producer->db) && producer->schema_fits)
        return true;
    problem_reply(request, PROBLEM_DATABASE_UNAVAILABLE,
                  db_is_ready(producer->db)
                      ? "the database has no tables yet: a consumer makes them when it starts"
                      : "the database does not answer now; tasks are accepted all the same");
    return false;
}

void answer_parameter(struct web_request *request, enum problem problem, const char *parameter,
                      const char *detail)
{
    struct json_object *body =
        problem_json(problem, web_request_id(request), web_path(request), detail, NULL);

    put_text(body, "parameter", parameter);
    problem_reply_json(request, problem, body);
}

/* "7", as the ETag has it. */
static bool read_tag(int *ret, const char *text)
{
    char *end;
    long number;

    if (*text != '"' || text[1] < '1' || text[1] > '9')
        return false;
    number = strtol(text + 1, &end, 10);
    if (strcmp(end, "\"") != 0 || number > INT_MAX)
        return false;
    *ret = (int)number;
    return true;
}

bool answer_read_match(int *ret, struct web_request *request)
{
    const char *match = web_header(request, "If-Match");

    if (!match || read_tag(ret, match))
        return true;
    problem_reply(request, PROBLEM_INVALID_REQUEST, "If-Match must be an ETag, such as \"7\"");
    return false;
}

bool answer_read_count(int *ret, struct web_request *request, const char *name, int most)
{
    const char *text = web_query(request, name);
    char detail[64], *end;
    long number;

    if (!text)
        return true;
    number = strtol(text, &end, 10);
    if (*text >= '0' && *text <= '9' && !*end && number >= 1 && number <= most) {
        *ret = (int)number;
        return true;
    }
    snprintf(detail, sizeof detail, "must be from 1 to %d", most);
    answer_parameter(request, PROBLEM_INVALID_PARAMETER, name, detail);
    return false;
}

struct known {
    const char *const *names;
    size_t count;
    const char *unknown, *twice;
    uint64_t seen;
};

static bool see_parameter(void *data, const char *name, const char *value)
{
    struct known *known = data;

    (void)value;
    for (size_t i = 0; i < known->count; i++)
        if (!strcmp(known->names[i], name)) {
            if (known->seen & UINT64_C(1) << i)
                known->twice = name;
            known->seen |= UINT64_C(1) << i;
            return !known->twice;
        }
    known->unknown = name;
    return false;
}

bool answer_knows_parameters(struct web_request *request, const char *const *names, size_t count)
{
    struct known known = {.names = names, .count = count};

    web_each_query(request, see_parameter, &known);
    if (known.unknown)
        answer_parameter(request, PROBLEM_INVALID_PARAMETER, known.unknown,
                         "the parameter is not known here");
    else if (known.twice)
        answer_parameter(request, PROBLEM_INVALID_PARAMETER, known.twice,
                         "the parameter stands there twice");
    return !known.unknown && !known.twice;
}

bool answer_read_id(struct uuid *ret, struct web_request *request)
{
    const char *id = web_segment(request, "id");

    if (id && uuid_read(ret, id))
        return true;
    problem_reply(request, PROBLEM_NOT_FOUND, "the id of a task is a UUID");
    return false;
}

void put_text(struct json_object *to, const char *name, const char *text)
{
    json_object_object_add(to, name, text ? json_object_new_string(text) : NULL);
}

void put_int(struct json_object *to, const char *name, int64_t number)
{
    json_object_object_add(to, name, json_object_new_int64(number));
}

void put_bool(struct json_object *to, const char *name, bool value)
{
    json_object_object_add(to, name, json_object_new_boolean(value));
}

void put_uuid(struct json_object *to, const char *name, const struct uuid *uuid)
{
    char text[UUID_TEXT];

    put_text(to, name, uuid_write(text, uuid));
}

void put_time(struct json_object *to, const char *name, int64_t unix_us)
{
    char text[INSTANT_TEXT];

    put_text(to, name, unix_us == INT64_MIN ? NULL : instant_write(text, unix_us));
}

/* As the database wrote it: reading it again could only lose something. */
void put_json(struct json_object *to, const char *name, const char *json)
{
    struct json_object *value = NULL;

    if (json) {
        value = json_object_new_boolean(0);
        json_object_set_serializer(value, json_object_userdata_to_json_string, mem_text(json),
                                   json_object_free_userdata);
    }
    json_object_object_add(to, name, value);
}

void put_text_of(struct json_object *to, const char *name, const PGresult *rows, int row,
                 int column)
{
    put_text(to, name, rows_text(rows, row, column));
}

void put_int_of(struct json_object *to, const char *name, const PGresult *rows, int row, int column)
{
    if (rows_is_null(rows, row, column))
        json_object_object_add(to, name, NULL);
    else
        put_int(to, name, rows_int(rows, row, column));
}

void put_time_of(struct json_object *to, const char *name, const PGresult *rows, int row,
                 int column)
{
    put_time(to, name, rows_time(rows, row, column));
}
