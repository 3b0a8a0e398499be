#include "common/args.h"

#include "common/mem.h"

#include <assert.h>
#include <endian.h>

/* PostgreSQL counts microseconds from 2000-01-01, we from 1970-01-01. */
#define POSTGRES_EPOCH_US INT64_C(946684800000000)
#define ARRAY_HEAD_SIZE 20

static char *reserve(struct args *args, size_t size)
{
    if (args->size + size > args->room) {
        args->room = (args->size + size) * 2 + 1024;
        args->bytes = mem_grow(args->bytes, args->room);
    }
    char *at = args->bytes + args->size;
    args->size += size;
    return at;
}

/* Room for one value of `size` bytes (-1: null): a parameter, or an element of the open array. */
static char *value(struct args *args, int size)
{
    if (args->in_array) {
        uint32_t length = htobe32((uint32_t)size);
        char *at = reserve(args, sizeof length + (size > 0 ? (size_t)size : 0));

        memcpy(at, &length, sizeof length);
        args->elements++;
        args->has_null |= size < 0;
        return at + sizeof length;
    }
    assert(args->count < ARGS_MOST);
    args->starts[args->count] = args->size;
    args->lengths[args->count++] = size;
    return reserve(args, size > 0 ? (size_t)size : 0);
}

void args_reset(struct args *args)
{
    args->count = 0;
    args->size = 0;
    args->in_array = false;
}

void args_free(struct args *args)
{
    free(args->bytes);
    *args = ARGS_INIT;
}

void scoped_args(struct args *args)
{
    args_free(args);
}

void args_null(struct args *args)
{
    value(args, -1);
}

void args_nulls(struct args *args, int count)
{
    for (int i = 0; i < count; i++)
        args_null(args);
}

void args_some(struct args *args, int64_t number)
{
    if (number)
        args_int8(args, number);
    else
        args_null(args);
}

void args_bool(struct args *args, bool flag)
{
    *value(args, 1) = flag;
}

void args_int2(struct args *args, int16_t number)
{
    uint16_t wire = htobe16((uint16_t)number);

    memcpy(value(args, sizeof wire), &wire, sizeof wire);
}

void args_int4(struct args *args, int32_t number)
{
    uint32_t wire = htobe32((uint32_t)number);

    memcpy(value(args, sizeof wire), &wire, sizeof wire);
}

void args_float8(struct args *args, double number)
{
    uint64_t wire;

    memcpy(&wire, &number, sizeof wire);
    wire = htobe64(wire);
    memcpy(value(args, sizeof wire), &wire, sizeof wire);
}

void args_int8(struct args *args, int64_t number)
{
    uint64_t wire = htobe64((uint64_t)number);

    memcpy(value(args, sizeof wire), &wire, sizeof wire);
}

void args_time(struct args *args, int64_t unix_us)
{
    args_int8(args, unix_us - POSTGRES_EPOCH_US);
}

void args_uuid(struct args *args, const struct uuid *uuid)
{
    memcpy(value(args, sizeof uuid->bytes), uuid->bytes, sizeof uuid->bytes);
}

void args_text(struct args *args, const char *text)
{
    args_bytes(args, text, text ? strlen(text) : 0);
}

void args_bytes(struct args *args, const void *bytes, size_t size)
{
    assert(size <= INT32_MAX);
    char *at = value(args, bytes ? (int)size : -1);

    if (size)
        memcpy(at, bytes, size);
}

/* The head of an array: dimensions, null flag, element type, count, lower bound (array_send). */
void args_array(struct args *args, enum args_type type)
{
    uint32_t element = htobe32((uint32_t)type);

    assert(!args->in_array);
    memcpy(value(args, ARRAY_HEAD_SIZE) + 8, &element, sizeof element);
    args->in_array = true;
    args->has_null = false;
    args->elements = 0;
}

void args_array_end(struct args *args)
{
    int last = args->count - 1;
    char *head = args->bytes + args->starts[last];
    uint32_t dimensions = htobe32(args->elements > 0), nulls = htobe32(args->has_null),
             count = htobe32((uint32_t)args->elements), lower = htobe32(1);

    assert(args->in_array);
    args->in_array = false;
    memcpy(head, &dimensions, 4);
    memcpy(head + 4, &nulls, 4);
    memcpy(head + 12, &count, 4);
    memcpy(head + 16, &lower, 4);
    /* An array without elements has no dimension, so its bytes end after the type. */
    if (!args->elements)
        args->size = args->starts[last] + 12;
    args->lengths[last] = (int)(args->size - args->starts[last]);
}

void args_words(struct args *args, const char *list)
{
    args_array(args, ARGS_TEXT);
    for (const char *at = list; *at;) {
        size_t size = strcspn(at, ", ");

        if (size)
            args_bytes(args, at, size);
        at += size + strspn(at + size, ", ");
    }
    args_array_end(args);
}

void args_empty_array(struct args *args, enum args_type type)
{
    args_array(args, type);
    args_array_end(args);
}
