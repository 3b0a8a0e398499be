/*
 * What a task asks its type to do, read from the JSON that the database holds. It was checked when
 * the task was accepted; here each value is looked at again, and a wrong shape is a fault.
 */
#pragma once

#include "common/fault.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* `text` NULL counts as {}. To be put. */
bool work_read(struct json_object **ret, const char *text, struct fault *fault);

/* *ret is NULL where it is absent or null. The texts live as long as `work`. */
bool work_text(const char **ret, struct json_object *work, const char *name, struct fault *fault);

/* A duration as ISO text or a number of ms; `otherwise` where absent. */
bool work_duration(int64_t *ret_ms, struct json_object *work, const char *name, int64_t otherwise,
                   struct fault *fault);

/* An object of texts, or NULL. */
bool work_texts(struct json_object **ret, struct json_object *work, const char *name,
                struct fault *fault);

/* An array, or NULL. */
bool work_list(struct json_object **ret, struct json_object *work, const char *name,
               struct fault *fault);

/* A text as it is, other values as JSON; NULL where absent. */
const char *work_body(struct json_object *work, const char *name, size_t *size);
