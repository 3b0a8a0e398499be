/*
 * The parameters of one statement, in PostgreSQL's binary format (see "Binary format" of each type
 * in the server's send and receive functions): no text is made of numbers, instants and uuids.
 *
 * Values are added in the order of $1, $2, ... Arrays are opened, filled and closed:
 *
 *     args_uuid(&args, &node);
 *     args_array(&args, ARGS_INT8);
 *     for (...) args_int8(&args, number);
 *     args_array_end(&args);
 *
 * One `struct args` is made once and used again: args_reset keeps its memory.
 */
#pragma once

#include "common/cleanup.h"
#include "common/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARGS_MOST 32

enum args_type { /* element types of arrays: their object identifiers in pg_type */
                 ARGS_BOOL = 16,
                 ARGS_BYTEA = 17,
                 ARGS_INT8 = 20,
                 ARGS_INT2 = 21,
                 ARGS_INT4 = 23,
                 ARGS_TEXT = 25,
                 ARGS_TIME = 1184, /* timestamptz */
                 ARGS_UUID = 2950,
};

struct args {
    int count;
    size_t starts[ARGS_MOST];
    int lengths[ARGS_MOST]; /* -1: null */
    char *bytes;
    size_t size, room;
    bool in_array, has_null;
    int32_t elements;
};

#define ARGS_INIT ((struct args){0})

void args_reset(struct args *args);
void args_free(struct args *args);

void args_null(struct args *args);
void args_nulls(struct args *args, int count);
void args_some(struct args *args, int64_t value); /* int8; 0: null */
void args_bool(struct args *args, bool value);
void args_int2(struct args *args, int16_t value);
void args_int4(struct args *args, int32_t value);
void args_float8(struct args *args, double value);
void args_int8(struct args *args, int64_t value);
void args_time(struct args *args, int64_t unix_us);
void args_uuid(struct args *args, const struct uuid *value);
void args_text(struct args *args, const char *value);               /* NULL: null */
void args_bytes(struct args *args, const void *bytes, size_t size); /* NULL: null; also for text */

void args_array(struct args *args, enum args_type type);
void args_array_end(struct args *args);

/* The words of a list that is separated by commas or spaces, as an array of texts. */
void args_words(struct args *args, const char *list);

/* For a statement that is not used in this call: an empty array. */
void args_empty_array(struct args *args, enum args_type type);

void scoped_args(struct args *args);
