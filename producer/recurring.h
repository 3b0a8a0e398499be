/*
 * POST /schedule with "cron" or "every": a task that comes again, written flat. Its members are
 * those of a spec, of a task, and "policy" and "description"; "name" is the schedule's. The same as
 * PUT /api/v1/schedules/{name}.
 */
#pragma once

#include "producer/producer.h"

void recurring_put(struct producer *producer, struct web_request *request,
                   struct json_object *object);
