/*
 * What a task asks its type to do: the member named like the type. One table of fields a type.
 *
 * log:   {}
 * shell: {"command": text} or {"argv": [text, ...]}; "env": {NAME: text}, "cwd", "grace"
 * http:  {"url", "method", "headers": {name: text}, "body", "expect_status": [204, "2xx"]}
 * kafka: {"topic", "key", "headers": {name: text}, "value"}
 */
#pragma once

#include "common/field.h"
#include "common/task.h"

/*
 * *ret is the part with its defaults, a value of its own. False: `at->problems` says what is wrong.
 * Unknown fields are refused where `strict`, else kept.
 */
bool part_read(struct json_object **ret, enum task_type type, struct json_object *part, bool strict,
               const struct field *at);
