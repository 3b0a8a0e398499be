/*
 * A task as it was asked for: JSON in, checked once, every field held against one table.
 *
 * The same table serves the API (unknown fields are refused, all that is wrong is told at once) and
 * the commands on Kafka (unknown fields are passed over: a newer producer may say more). What a
 * command says is held against the same limits again. Defaults are written out in the command, so
 * that a later default changes no task that was accepted before.
 *
 * `object` must come from json_read: texts hold no U+0000.
 */
#pragma once

#include "common/field.h"
#include "common/uuid.h"

#include <json-c/json.h>

#define TASK_PAYLOAD_MOST (256 * 1024)
#define TASK_WORK_MOST (384 * 1024) /* the type's own part, as text */
#define TASK_BODY_MOST (512 * 1024) /* one task as a request */
#define TASK_TAGS_MOST 20
#define TASK_TAG_MOST 64 /* characters */
#define TASK_NAME_MOST 128
#define TASK_QUEUE_MOST 64
#define TASK_KEY_MOST 255
#define TASK_PRIORITY_LEAST (-100)
#define TASK_PRIORITY_MOST 100
#define TASK_TIMEOUT_MOST_MS (INT64_C(7) * 86400 * 1000)
#define TASK_DELAY_MOST_MS (INT64_C(36525) * 86400 * 1000) /* 100 years */
#define TASK_GRACE_MOST_MS (INT64_C(5) * 60 * 1000)

enum task_type { TASK_LOG, TASK_SHELL, TASK_HTTP, TASK_KAFKA, TASK_TYPE_COUNT };

const char *task_type_name(enum task_type type);
bool task_type_read(enum task_type *ret, const char *name);

/* name and queue belong to source; retry, payload, work and tags are references of the task's own.
 */
struct task {
    struct uuid id;
    enum task_type type;
    const char *name; /* NULL: none */
    const char *queue;
    int priority;
    int64_t run_at_us; /* the database's clock */
    int64_t created_at_us;
    const char *on_lost;                       /* retry, fail */
    int64_t timeout_ms;                        /* 0: the executor's default */
    int64_t start_deadline_ms;                 /* after run_at; 0: none */
    struct json_object *retry;                 /* in full (retry.h); NULL: one attempt */
    struct json_object *payload, *work, *tags; /* NULL: none */
    char *key;                                 /* idempotency key, NULL: none */
    uint8_t fingerprint[DIGEST_SIZE];          /* where has_fingerprint */
    bool has_fingerprint;
    struct json_object *source;
};

/*
 * Reads what a caller asks for. `now_us` is the database's clock. False: `problems` says all that
 * is wrong, and *ret is untouched. `header_key` is the Idempotency-Key header as it came (a quoted
 * string of RFC 8941, or bare), or NULL. The task takes its own reference to `object`. Id: version
 * 7, or derived from the key.
 */
bool task_read(struct task *ret, struct json_object *object, const char *header_key, int64_t now_us,
               struct problems *problems);

/*
 * Reads the Idempotency-Key header alone; "" where it is NULL. False, and `at` is refused, where it
 * is none.
 */
bool task_read_header_key(char ret[static TASK_KEY_MOST + 1], const char *header,
                          const struct field *at);

/*
 * Reads what each run of a schedule is made of: a task without id and instants. *ret is untouched
 * where it returns false. task_template writes it out again with its defaults.
 */
bool task_read_template(struct task *ret, struct json_object *object, bool strict,
                        const struct field *at);
struct json_object *task_template(const struct task *task);

/* Holds a list of tags against the limits. */
bool task_check_tags(struct json_object *value, const struct field *at);

/* {"execTs", "data"} of the founding system, as a log task named legacy.task. `data` NULL: none. */
void task_legacy(struct task *ret, const struct uuid *id, int64_t run_at_us, int64_t created_at_us,
                 struct json_object *data);

/*
 * The two members themselves: execTs as milliseconds since 1970, as an RFC 3339 text, or null or
 * absent for `now_us`. Unknown members are refused where `strict`.
 */
bool task_read_legacy(struct task *ret, struct json_object *object, const struct uuid *id,
                      int64_t now_us, bool strict, struct problems *problems);

/* The command's value for rota.commands, as JSON; reading it back gives the same task. To be freed.
 */
char *task_command(const struct task *task, size_t *ret_size);

/*
 * Reads the value of a schedule command from Kafka. False: *ret is untouched, except that its id is
 * set where that much could be read.
 */
bool task_read_command(struct task *ret, struct json_object *object, struct problems *problems);

void task_done(struct task *task);

/* The prefix of Rota's own topics, which no task may write to; "rota." always counts as well. The
 * text lives until the process ends. */
void task_guard_topics(const char *prefix);
