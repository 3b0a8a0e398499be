/* A question about one task, on its way to an answer: what is read of it, and what the rows of
 * task_read.sql say. */
#pragma once

#include "producer/after.h"
#include "producer/answer.h"

#include <libpq-fe.h>

struct action;

struct question {
    struct producer *producer;
    struct web_request *request;
    struct uuid id;
    struct after after;
    int64_t wait_ms;
    const struct action *action; /* where it is about one */
    struct uuid command;         /* of the action */
    char *reason;                /* of the action; NULL: none */
    void (*answer)(struct question *question, const PGresult *rows, const struct fault *fault);
};

void question_free(struct question *question);

/* Reads the task (task_read.sql); `answer` gets the rows. */
void question_ask(struct question *question);

/* The same with another statement. The keys are its first parameters: the task's id, and topic,
 * partition and offset of ?after= or nulls. */
void question_add_keys(const struct question *question, struct args *args);
void question_call(struct question *question, enum query query, const struct args *args);

/* The header Preference-Applied. */
void question_say_waited(struct question *question);

/* ?after=, which is of a topic whose offsets are kept. False: the request is answered. */
bool question_read_after(struct after *ret, struct producer *producer, struct web_request *request);

bool question_is_found(const PGresult *rows);
bool question_is_behind(const PGresult *rows); /* the record is not stored yet */
bool question_has_ended(const PGresult *rows);

/* The rejection is of the very record that was asked for, or there is nothing else to tell. */
bool question_is_rejected(const PGresult *rows);
