/*
 * How a task that failed is tried again: {"max_attempts", "backoff", "initial", "max", "jitter",
 * "on"}. docs/retries.md says what each means. Durations are milliseconds.
 */
#pragma once

#include "common/field.h"
#include "common/state.h"
#include "common/uuid.h"

#define RETRY_ATTEMPTS 3
#define RETRY_ATTEMPTS_MOST 1000
#define RETRY_INITIAL_MS INT64_C(10000)
#define RETRY_MAX_MS INT64_C(3600000)
#define RETRY_WAIT_MOST_MS (INT64_C(7) * 86400 * 1000)
#define RETRY_JITTER 0.1
#define RETRY_CASES_MOST 32

enum retry_backoff { RETRY_FIXED, RETRY_LINEAR, RETRY_EXPONENTIAL, RETRY_BACKOFF_COUNT };

/* The ends that are tried again. */
enum retry_end {
    RETRY_ON_FAILED,
    RETRY_ON_TIMED_OUT,
    RETRY_ON_ERROR,  /* a failure without a code */
    RETRY_ON_SIGNAL, /* a code below 0 */
    RETRY_ON_EXIT,
    RETRY_ON_STATUS,
    RETRY_END_COUNT,
};

struct retry_case {
    enum retry_end end;
    int least, most; /* of the code, for exit and status */
};

struct retry {
    int max_attempts;
    enum retry_backoff backoff;
    int64_t initial_ms, max_ms;
    double jitter;
    struct retry_case on[RETRY_CASES_MOST];
    int on_count;
};

/* How an attempt ended. */
struct retry_ended {
    enum outcome outcome;
    bool has_code;
    int code;         /* exit code, negative signal, or HTTP status */
    int64_t after_ms; /* what the target asks for (Retry-After); 0: nothing */
    int spent;        /* attempts that count, with this one */
    struct uuid task; /* and token: what the jitter is drawn by */
    int token;
};

/* `type` is that of the task: what is not said is by its type, and not every end is of every type.
 * *ret is untouched where it returns false. */
bool retry_read(struct retry *ret, struct json_object *value, const char *type,
                const struct field *at, bool strict);

/* The same in full, with all that is a default. */
struct json_object *retry_json(const struct retry *retry);

/* How long until the next attempt, at least 1 ms; 0: there is none. */
int64_t retry_wait_ms(const struct retry *retry, const struct retry_ended *ended);
