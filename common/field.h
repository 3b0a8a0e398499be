/*
 * Members of JSON objects held against tables: where a value stands (as a JSON Pointer) and what is
 * wrong with it. A member that is null counts as absent.
 */
#pragma once

#include "common/problem.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct field {
    struct problems *problems;
    char pointer[160]; /* "" for the whole; long ones are cut */
};

struct field_row {
    const char *name;
    void (*read)(void *data, struct json_object *value, const struct field *at);
};

/* The place of a member or an item of `of`. */
struct field field_member(const struct field *of, const char *name);
struct field field_item(const struct field *of, size_t index);

/* Tells what is wrong there, and returns false. */
bool field_refuse(const struct field *at, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Each member goes to the row of its name; others are refused where `strict`. */
void field_read_all(const struct field *at, struct json_object *object,
                    const struct field_row *rows, size_t count, bool strict, void *data);

/* *ret is untouched where these return false. Bounds are inclusive. */
bool field_object(const struct field *at, struct json_object *value);
bool field_array(const struct field *at, struct json_object *value, size_t most);
bool field_text(const char **ret, const struct field *at, struct json_object *value, size_t least,
                size_t most_bytes);
bool field_int(int64_t *ret, const struct field *at, struct json_object *value, int64_t least,
               int64_t most);
bool field_number(double *ret, const struct field *at, struct json_object *value, double least,
                  double most);
bool field_instant(int64_t *ret_us, const struct field *at, struct json_object *value);
bool field_duration(int64_t *ret_ms, const struct field *at, struct json_object *value,
                    int64_t least_ms, int64_t most_ms);

/* A value whose text has at most so many bytes. */
bool field_size(const struct field *at, struct json_object *value, size_t most_bytes);

/* The one of `count` names that is nearest to `name`, or NULL where none is near. names(i) is the
 * name number i. */
const char *field_nearest(const char *name, const char *(*names)(const void *data, size_t i),
                          const void *data, size_t count);
