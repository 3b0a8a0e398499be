/*
 * Errors over HTTP: RFC 9457 problem details, one table of types (slug, status, title). Validation
 * errors collect in `struct problems`: what is wrong, and where as a JSON Pointer (URI fragment).
 */
#pragma once

#include "common/web.h"

#include <json-c/json.h>

enum problem {
    PROBLEM_INVALID_JSON,
    PROBLEM_INVALID_REQUEST, /* crooked HTTP */
    PROBLEM_INVALID_PARAMETER,
    PROBLEM_INVALID_CURSOR,
    PROBLEM_UNAUTHENTICATED,
    PROBLEM_FORBIDDEN,
    PROBLEM_NOT_FOUND,
    PROBLEM_METHOD_NOT_ALLOWED,
    PROBLEM_NOT_ACCEPTABLE,
    PROBLEM_INVALID_STATE,
    PROBLEM_IDEMPOTENCY_KEY_REUSED,
    PROBLEM_PRECONDITION_FAILED,
    PROBLEM_BACKFILL_TOO_LARGE,
    PROBLEM_PAYLOAD_TOO_LARGE,
    PROBLEM_UNSUPPORTED_MEDIA_TYPE,
    PROBLEM_VALIDATION,
    PROBLEM_UNKNOWN_FIELD,
    PROBLEM_INTERNAL,
    PROBLEM_KAFKA_UNAVAILABLE,
    PROBLEM_DATABASE_UNAVAILABLE,
    PROBLEM_NOT_READY,
    PROBLEM_OVERLOADED,
    PROBLEM_QUERY_TIMEOUT,
    PROBLEM_COUNT,
};

int problem_status(enum problem problem);
const char *problem_slug(enum problem problem);
const char *problem_title(enum problem problem);

#define PROBLEMS_MOST 20 /* further ones are not kept */

struct problems {
    int count;
    int total;          /* with those that were not kept */
    bool unknown_field; /* one of them is about an unknown field */
    struct {
        char pointer[160]; /* #/retry/max_attempts */
        char detail[240];
    } list[PROBLEMS_MOST];
};

/*
 * `pointer` is a JSON Pointer without the leading '#': "/delay", "" for the whole body. It is
 * percent-encoded here; '~' and '/' within a member's name are the caller's to escape (RFC 6901).
 */
void problems_add(struct problems *problems, const char *pointer, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * The body: type (/problems/<slug>), title, status, detail, instance, request_id, and errors where
 * `problems` is given. All but the first may be NULL. Further members may be added to it.
 */
struct json_object *problem_json(enum problem problem, const char *request_id, const char *instance,
                                 const char *detail, const struct problems *problems);

/* Answers the request with it; 503 comes with Retry-After. */
void problem_reply(struct web_request *request, enum problem problem, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void problem_reply_list(struct web_request *request, enum problem problem,
                        const struct problems *problems);

/* Answers with a body made by problem_json, and puts it. */
void problem_reply_json(struct web_request *request, enum problem problem,
                        struct json_object *body);
