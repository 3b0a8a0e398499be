/* Values that release themselves where their scope ends. */
#pragma once

#include <json-c/json.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <unistd.h>

#define SCOPED(release) __attribute__((cleanup(release)))

/* The end of a scope for a pointer whose release function takes NULL. */
#define SCOPED_POINTER(name, type, release)                                                        \
    static inline void name(type **value)                                                          \
    {                                                                                              \
        release(*value);                                                                           \
    }

SCOPED_POINTER(scoped_text, char, free)
SCOPED_POINTER(scoped_rows, PGresult, PQclear)

static inline void scoped_json(struct json_object **value)
{
    if (*value)
        json_object_put(*value);
}

static inline void scoped_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* Hands a scoped pointer on, so that the scope no longer releases it. */
#define TAKE(pointer)                                                                              \
    ({                                                                                             \
        __auto_type taken = (pointer);                                                             \
        (pointer) = NULL;                                                                          \
        taken;                                                                                     \
    })
