/*
 * JSON in (RFC 8259, strictly), as values of json-c, refusing what would not come out again as it
 * went in or what PostgreSQL's jsonb does not take: invalid UTF-8, U+0000, lone surrogates,
 * integers beyond 64 bits, numbers beyond a double, a member named twice, depth over
 * JSON_DEPTH_MOST, more than one value. Numbers with a fraction or an exponent keep their text.
 */
#pragma once

#include "common/fault.h"

#include <glib.h>
#include <json-c/json.h>
#include <stddef.h>

#define JSON_DEPTH_MOST 32
#define JSON_EXPONENT_MOST 64 /* characters of a number with an exponent */
#define JSON_NUMBER_MOST 400  /* and of one without */

/* The fault names the place (line and column). The caller owns the object; null is NULL. */
bool json_read(struct json_object **ret, const char *text, size_t size, struct fault *fault);

/* Where a text stands that is JSON and is refused all the same: what it says cannot be kept. */
struct json_place {
    bool is_value;     /* false: it is not JSON */
    char pointer[160]; /* JSON Pointer; long ones are cut */
};

/* The same, and fills `place` where it fails. */
bool json_read_at(struct json_object **ret, const char *text, size_t size, struct json_place *place,
                  struct fault *fault);

/* Text of a value, without white space; lives as long as the object. */
const char *json_text(struct json_object *value, size_t *size);

/* The same text for equal values: keys sorted, 1.0 is 1. To be freed. For fingerprints. */
char *json_canonical(struct json_object *value);

/* Adds the text as a string of JSON, quoted and escaped. */
void json_add_text(GString *to, const char *text);
