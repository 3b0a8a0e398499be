/*
 * A task as it was asked for: JSON in, checked once, every field held against one table.
 *
 * The same reader serves the API (unknown fields are refused) and the commands on Kafka (unknown
 * fields are passed over: a newer producer may say more). Strings belong to the JSON document, which
 * belongs to the task.
 */
#pragma once

#include "common/problem.h"
#include "common/uuid.h"

#include <json-c/json.h>

#define TASK_PAYLOAD_MOST (256 * 1024)
#define TASK_BODY_MOST (512 * 1024) /* one task as a request */
#define TASK_TAGS_MOST 20
#define TASK_PRIORITY_LEAST (-100)
#define TASK_PRIORITY_MOST 100
#define TASK_TIMEOUT_MOST_MS (INT64_C(7) * 86400 * 1000)

enum task_type { TASK_LOG, TASK_SHELL, TASK_HTTP, TASK_KAFKA, TASK_TYPE_COUNT };

const char *task_type_name(enum task_type type);
bool task_type_read(enum task_type *ret, const char *name);

struct task {
    struct uuid id;
    enum task_type type;
    const char *name; /* NULL: none */
    const char *queue;
    int priority;
    int64_t run_at_us; /* the database's clock */
    int64_t created_at_us;
    const char *on_lost; /* retry, fail */
    int64_t timeout_ms;  /* 0: the executor's default */
    struct json_object *payload, *work, *tags; /* NULL: none; part of source */
    const char *key; /* idempotency key, NULL: none */
    uint8_t fingerprint[32]; /* where has_fingerprint */
    bool has_fingerprint;
    struct json_object *source; /* owned */
};

/*
 * Reads what a caller asks for. `now_us` is the database's clock. False: `problems` says all that is
 * wrong, and *ret is untouched. `header_key` is the key of the Idempotency-Key header, or NULL.
 * The task takes its own reference to `object`. Id: version 7, or derived from the key.
 */
bool task_read(struct task *ret, struct json_object *object, const char *header_key,
               int64_t now_us, struct problems *problems);

/* The command's value for rota.commands; reading it back gives the same task. To be put. */
struct json_object *task_command(const struct task *task);

/* Reads the value of a schedule command from Kafka. */
bool task_read_command(struct task *ret, struct json_object *object, struct problems *problems);

void task_done(struct task *task);
