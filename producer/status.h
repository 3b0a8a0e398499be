/* What became of a task: read in one statement, with the record that asked for it. */
#pragma once

#include "producer/after.h"
#include "producer/answer.h"
#include "producer/waiters.h"

/*
 * Answers a request whose task is stored or refused by now: 201 with the task, 422 with the reason,
 * 202 where the database went away meanwhile.
 */
void status_created(struct producer *producer, struct web_request *request, const struct uuid *id,
                    const struct after *after);
