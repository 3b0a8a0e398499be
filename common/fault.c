#include "common/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int http_status;
    bool retryable;
} kinds[FAULT_KIND_COUNT] = {
    [FAULT_NONE] = {"none", 200, false}, [FAULT_REJECTED] = {"rejected", 422, false},
    [FAULT_LOST] = {"lost", 409, false}, [FAULT_BUSY] = {"busy", 503, true},
    [FAULT_DOWN] = {"down", 503, true},  [FAULT_BROKEN] = {"broken", 500, false},
};

bool fault_set(struct fault *fault, enum fault_kind kind, const char *format, ...)
{
    va_list args;

    fault->kind = kind;
    va_start(args, format);
    vsnprintf(fault->text, sizeof fault->text, format, args);
    va_end(args);
    /* Libraries end their texts with a line feed; a fault is one line. */
    fault->text[strcspn(fault->text, "\r\n")] = '\0';
    return false;
}

bool fault_while(struct fault *fault, const char *format, ...)
{
    char cause[sizeof fault->text], doing[160];
    va_list args;

    memcpy(cause, fault->text, sizeof cause);
    va_start(args, format);
    vsnprintf(doing, sizeof doing, format, args);
    va_end(args);
    return fault_set(fault, fault->kind, "%s: %s", doing, cause);
}

bool fault_is_retryable(const struct fault *fault)
{
    return kinds[fault->kind].retryable;
}

int fault_http_status(const struct fault *fault)
{
    return kinds[fault->kind].http_status;
}

const char *fault_kind_name(enum fault_kind kind)
{
    return kinds[kind].name;
}
