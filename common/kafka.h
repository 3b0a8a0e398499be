/*
 * What sending to and receiving from Kafka share: how settings reach librdkafka, and what its
 * errors mean. Only bus.c and feed.c use this.
 *
 * Settings come in three layers: our defaults, what ROTA_KAFKA_<KEY> says, and what the promises
 * rest on (acks, offsets, identity), which nobody may change.
 */
#pragma once

#include "common/config.h"
#include "common/fault.h"

#include <librdkafka/rdkafka.h>
#include <stddef.h>
#include <stdint.h>

struct kafka_row {
    const char *key, *value;
};

/* FAULT_REJECTED names the setting that librdkafka refuses, or that is not for others to set. */
bool kafka_conf(rd_kafka_conf_t **ret, const struct config *config,
                const struct kafka_row *defaults, size_t default_count,
                const struct kafka_row *fixed, size_t fixed_count, struct fault *fault);

enum fault_kind kafka_kind_of(rd_kafka_resp_err_t error);

/* An error on its way to reconnect, or that asking again cures without a word. */
bool kafka_is_noise(rd_kafka_resp_err_t error);

/* An eventfd that `queue` writes to whenever it stops being empty. */
int kafka_watch(rd_kafka_queue_t *queue);

/* Clears the eventfd: before the queue is read, so that what comes meanwhile wakes us again. */
void kafka_heard(int fd);

/* Wakes the owner of the eventfd again, for what was left in the queue. */
void kafka_wake(int fd);
