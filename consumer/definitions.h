/*
 * Definitions of schedules as the master has read them: when they fire, by which policy. A
 * definition never changes, so what is known stays right; the cache is emptied when it is full.
 */
#pragma once

#include "common/policy.h"
#include "common/spec.h"
#include "common/uuid.h"

#define DEFINITIONS_MOST 20000 /* about a kilobyte each */

struct definition {
    struct spec *spec; /* NULL: it could not be read */
    struct policy policy;
};

struct definitions;

struct definitions *definitions_new(void);
void definitions_free(struct definitions *definitions);

/* NULL where it is not known. Lives until the next definitions_add. */
const struct definition *definitions_find(const struct definitions *definitions,
                                          const struct uuid *schedule, int version);

/* Reads it; false, with the fault, where this version of Rota cannot: it is then known as such. */
bool definitions_add(struct definitions *definitions, const struct uuid *schedule, int version,
                     const char *name, const char *spec, const char *policy, struct fault *fault);

/* Forgets all. */
void definitions_clear(struct definitions *definitions);

/* Room for so many more: may forget all that is known. */
void definitions_make_room(struct definitions *definitions, size_t count);
