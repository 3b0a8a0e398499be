/*
 * A command about a queue, applied: one statement that finds the version it asks for, or none, and
 * writes down where in Kafka the command stands, so that one that is read twice has its effect
 * once.
 */
#pragma once

#include "common/queue.h"
#include "consumer/change.h"

/* CHANGE_SAME: it had its effect before. `place->topic` must live until the reply. */
void bounds_apply(struct db *db, const struct queue_change *change,
                  const struct change_place *place, change_reply *reply, void *data);
