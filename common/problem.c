#include "common/problem.h"

#include "common/cleanup.h"
#include "common/mem.h"

#include <glib.h>
#include <stdarg.h>

#define DETAIL_MOST 480

static const struct {
    const char *slug;
    int status;
    const char *title;
} table[PROBLEM_COUNT] = {
    [PROBLEM_INVALID_JSON] = {"invalid-json", 400, "The body is not valid JSON"},
    [PROBLEM_INVALID_REQUEST] = {"invalid-request", 400, "The request is not valid HTTP"},
    [PROBLEM_INVALID_PARAMETER] = {"invalid-parameter", 400, "A parameter is not valid"},
    [PROBLEM_INVALID_CURSOR] = {"invalid-cursor", 400, "The cursor is not valid for this list"},
    [PROBLEM_UNAUTHENTICATED] = {"unauthenticated", 401, "A valid token is needed"},
    [PROBLEM_FORBIDDEN] = {"forbidden", 403, "The request is not allowed"},
    [PROBLEM_NOT_FOUND] = {"not-found", 404, "Nothing is here"},
    [PROBLEM_METHOD_NOT_ALLOWED] = {"method-not-allowed", 405, "The method is not allowed here"},
    [PROBLEM_NOT_ACCEPTABLE] = {"not-acceptable", 406, "No acceptable form of the answer"},
    [PROBLEM_INVALID_STATE] = {"invalid-state", 409, "The state does not allow this"},
    [PROBLEM_IDEMPOTENCY_KEY_REUSED] = {"idempotency-key-reused", 422,
                                        "The idempotency key belongs to another request"},
    [PROBLEM_PRECONDITION_FAILED] = {"precondition-failed", 412,
                                     "It is not as the request expects it"},
    [PROBLEM_BACKFILL_TOO_LARGE] = {"backfill-too-large", 422, "The backfill has too many fires"},
    [PROBLEM_PAYLOAD_TOO_LARGE] = {"payload-too-large", 413, "The body is too large"},
    [PROBLEM_UNSUPPORTED_MEDIA_TYPE] = {"unsupported-media-type", 415,
                                        "The media type is not supported"},
    [PROBLEM_VALIDATION] = {"validation", 422, "The request is not valid"},
    [PROBLEM_UNKNOWN_FIELD] = {"unknown-field", 422, "A field is not known"},
    [PROBLEM_INTERNAL] = {"internal", 500, "An error inside the server"},
    [PROBLEM_KAFKA_UNAVAILABLE] = {"kafka-unavailable", 503, "Kafka does not answer"},
    [PROBLEM_DATABASE_UNAVAILABLE] = {"database-unavailable", 503, "The database does not answer"},
    [PROBLEM_NOT_READY] = {"not-ready", 503, "The server is not ready"},
    [PROBLEM_OVERLOADED] = {"overloaded", 503, "Too much is asked at once"},
    [PROBLEM_QUERY_TIMEOUT] = {"query-timeout", 504, "The query took too long"},
};

int problem_status(enum problem problem)
{
    return table[problem].status;
}

const char *problem_slug(enum problem problem)
{
    return table[problem].slug;
}

const char *problem_title(enum problem problem)
{
    return table[problem].title;
}

/*
 * A JSON Pointer as a URI fragment (RFC 6901, 6): bytes that a fragment does not take are
 * percent-encoded. What does not fit is cut, never within an encoded byte.
 */
static void write_fragment(char *to, size_t room, const char *pointer)
{
    static const char digits[] = "0123456789ABCDEF";
    char *end = to + room - 4;

    *to++ = '#';
    for (; *pointer && to < end; pointer++) {
        unsigned char c = (unsigned char)*pointer;

        if (g_ascii_isalnum(c) || strchr("/~-._!$&'()*+,;=:@?", c)) {
            *to++ = (char)c;
        } else {
            *to++ = '%';
            *to++ = digits[c >> 4];
            *to++ = digits[c & 15];
        }
    }
    *to = '\0';
}

void problems_add(struct problems *problems, const char *pointer, const char *format, ...)
{
    va_list args;

    problems->total++;
    if (problems->count == PROBLEMS_MOST)
        return;
    int i = problems->count++;

    write_fragment(problems->list[i].pointer, sizeof problems->list[i].pointer, pointer);
    va_start(args, format);
    vsnprintf(problems->list[i].detail, sizeof problems->list[i].detail, format, args);
    va_end(args);
}

/* Texts may quote what a caller sent, and may have been cut within a character. */
static void put_text(struct json_object *object, const char *name, const char *text)
{
    gchar *valid = g_utf8_make_valid(text, -1);

    json_object_object_add(object, name, json_object_new_string(valid));
    g_free(valid);
}

static struct json_object *list_errors(const struct problems *problems)
{
    struct json_object *errors = json_object_new_array();

    for (int i = 0; i < problems->count; i++) {
        struct json_object *error = json_object_new_object();

        put_text(error, "detail", problems->list[i].detail);
        put_text(error, "pointer", problems->list[i].pointer);
        json_object_array_add(errors, error);
    }
    return errors;
}

struct json_object *problem_json(enum problem problem, const char *request_id, const char *instance,
                                 const char *detail, const struct problems *problems)
{
    struct json_object *body = json_object_new_object();
    char type[96];

    snprintf(type, sizeof type, "/problems/%s", table[problem].slug);
    put_text(body, "type", type);
    put_text(body, "title", table[problem].title);
    json_object_object_add(body, "status", json_object_new_int(table[problem].status));
    if (detail)
        put_text(body, "detail", detail);
    if (instance)
        put_text(body, "instance", instance);
    if (request_id)
        put_text(body, "request_id", request_id);
    if (problems)
        json_object_object_add(body, "errors", list_errors(problems));
    return body;
}

void problem_reply_json(struct web_request *request, enum problem problem, struct json_object *body)
{
    size_t size;
    const char *text = json_object_to_json_string_length(
        body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);

    web_reply_header(request, "Content-Language", "en");
    if (table[problem].status == 503)
        web_reply_header(request, "Retry-After", "1");
    web_reply(request, table[problem].status, "application/problem+json", text, size);
    json_object_put(body);
}

void problem_reply(struct web_request *request, enum problem problem, const char *format, ...)
{
    char detail[DETAIL_MOST];
    va_list args;

    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    problem_reply_json(
        request, problem,
        problem_json(problem, web_request_id(request), web_path(request), detail, NULL));
}

void problem_reply_list(struct web_request *request, enum problem problem,
                        const struct problems *problems)
{
    const char *detail = problems->count ? problems->list[0].detail : NULL;

    problem_reply_json(
        request, problem,
        problem_json(problem, web_request_id(request), web_path(request), detail, problems));
}
