/*
 * Accepting a task: read, checked, sent to Kafka; answered when the delivery report is there, never
 * before.
 */
#pragma once

#include "common/json.h"
#include "producer/after.h"
#include "producer/answer.h"

/* What the answer needs once the task itself is gone. */
struct accepted {
    struct uuid id;
    enum task_type type;
    int64_t run_at_us;
    char queue[TASK_QUEUE_MOST + 1];
    struct after after;
};

struct accepted accepted_of(const struct producer *producer, const struct task *task);

/* Adds the members of a 202's body, or of an item of a batch, without the braces around them. */
void accepted_write(GString *to, const struct accepted *accepted);

/* Answers with what is wrong: 422. */
void accept_refuse(struct web_request *request, const struct problems *problems);

/* Reads the body as one JSON value; false, and the request is answered. */
bool accept_read_json(struct json_object **ret, struct web_request *request);

/* The problem of a text that json_read_at refused: it is not JSON (400), or says what cannot be
 * kept (422, with its place in `problems`). */
enum problem accept_json_problem(struct problems *problems, const struct json_place *place,
                                 const struct fault *fault);

/* A new task gets its place in Kafka: its id may change, unless it came from a key. */
void accept_place(struct producer *producer, struct task *task);

/* Sends the task and answers the request, now or later. The task is still the caller's. */
void accept_send(struct producer *producer, struct web_request *request, const struct task *task);

/* A task as the API takes it: read, sent, answered. */
void accept_object(struct producer *producer, struct web_request *request,
                   struct json_object *object);
