/*
 * A change of what holds for a queue, as it travels over Kafka: {"id", "name", "created_at",
 * "version", "set"}; `set` is what the client asked for, {"paused", "reason", "concurrency",
 * "rate": {"per_second", "burst"}}. What is left out stays; null takes a bound away.
 */
#pragma once

#include "common/field.h"
#include "common/task.h"
#include "common/uuid.h"

#define QUEUE_REASON_MOST 255 /* bytes */
#define QUEUE_CONCURRENCY_MOST 100000
#define QUEUE_RATE_LEAST 0.001
#define QUEUE_RATE_MOST 1e6

struct queue_change {
    struct uuid id; /* of the command */
    char name[TASK_QUEUE_MOST + 1];
    int64_t created_at_us; /* the database's clock */
    int version;           /* the only one that may be changed; 0: any */
    bool has_paused, paused;
    char reason[QUEUE_REASON_MOST + 1]; /* of a pause */
    bool has_concurrency;
    int concurrency; /* 0: no bound */
    bool has_rate;
    double per_second, burst; /* 0: no bound */
};

bool queue_name_fits(const char *name);

/* Reads what a client asks for into ret; nothing at all is refused. *ret is untouched where it
 * returns false. */
bool queue_read_set(struct queue_change *ret, struct json_object *object, bool strict,
                    const struct field *at);

/* The value of its command. To be freed. */
char *queue_command(const struct queue_change *change, size_t *ret_size);

/* Reads it back. False: *ret is untouched, except that its id is set where that could be read. */
bool queue_read_command(struct queue_change *ret, struct json_object *object,
                        struct problems *problems);
