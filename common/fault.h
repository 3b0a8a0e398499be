/*
 * What went wrong, said in terms of what the caller can do next.
 *
 * A function that can fail takes a `struct fault *` last and returns false once it has filled it.
 * The wrapper of each foreign library (libpq, librdkafka, curl, the kernel) chooses the kind in one
 * place; whether to try again, which HTTP status to send and how to end the process follow from the
 * kind alone.
 */
#pragma once

#include <stdbool.h>

enum fault_kind {
    FAULT_NONE,
    FAULT_REJECTED, /* as asked it can never succeed: tell whoever asked */
    FAULT_LOST,     /* somebody else has it or changed it: drop what we believed */
    FAULT_BUSY,     /* refused for the moment: the same call may succeed later */
    FAULT_DOWN,     /* the peer does not answer: connect again, then ask again */
    FAULT_BROKEN,   /* our bug or damaged data: stop before harm is done */
    FAULT_KIND_COUNT,
};

struct fault {
    enum fault_kind kind;
    char text[320];
};

/* Fills `fault` and returns false, so that `return fault_set(...)` ends a function. */
bool fault_set(struct fault *fault, enum fault_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts what was being done before the text, keeps the kind, returns false. */
bool fault_while(struct fault *fault, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

bool fault_is_retryable(const struct fault *fault);
int fault_http_status(const struct fault *fault);
const char *fault_kind_name(enum fault_kind kind);
