/*
 * JSON in, over json-c, refusing what would not come out again as it went in or what PostgreSQL's
 * jsonb does not take: invalid UTF-8, U+0000, lone surrogates, integers beyond 64 bits, exponents
 * beyond a double, depth over JSON_DEPTH_MOST, more than one value.
 */
#pragma once

#include "common/fault.h"

#include <json-c/json.h>
#include <stddef.h>

#define JSON_DEPTH_MOST 32

/* The fault names the place (line and column). The caller owns the object. */
bool json_read(struct json_object **ret, const char *text, size_t size, struct fault *fault);

/* Text of a value, without white space; lives as long as the object. */
const char *json_text(struct json_object *value, size_t *size);

/* The same text for equal values: keys sorted. To be freed. For fingerprints. */
char *json_canonical(struct json_object *value);
