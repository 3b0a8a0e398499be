/*
 * Sending to Kafka.
 *
 * Each message is answered once, by its delivery report with acks=all from an idempotent producer;
 * a report that does not come within the message timeout is FAULT_DOWN. A full queue is FAULT_BUSY
 * at once. Works before the broker can be reached.
 */
#pragma once

#include "common/config.h"
#include "common/fault.h"

#include <systemd/sd-event.h>

struct bus;

struct bus_header {
    const char *name, *value;
};

struct bus_message {
    const char *topic;
    int32_t partition; /* -1: by key */
    const void *key;
    size_t key_size;
    const void *value;
    size_t value_size;
    const struct bus_header *headers;
    size_t header_count;
};

struct bus_position {
    int32_t partition;
    int64_t offset;
};

/* Exactly one of `where` and `fault` is set. */
typedef void bus_reply(void *data, const struct bus_position *where, const struct fault *fault);

struct bus_settings {
    const struct config *config;
    int64_t timeout_ms; /* of a message: delivery report or fault */
    int64_t linger_ms;
    int64_t look_ms; /* how often it looks at brokers and topics; a look costs a millisecond */
};

bool bus_open(struct bus **ret, sd_event *loop, const struct bus_settings *settings,
              struct fault *fault);

/* Waits up to `wait_ms` for what is under way; the rest is answered with FAULT_DOWN. Takes NULL. */
void bus_close(struct bus *bus, int wait_ms);

/* Copies the message. False: it was refused and `reply` will not be called. */
bool bus_send(struct bus *bus, const struct bus_message *message, bus_reply *reply, void *data,
              struct fault *fault);

int bus_waiting(const struct bus *bus); /* messages without an answer */
bool bus_is_up(
    const struct bus *bus); /* brokers are connected, and none of what was asked failed */

/* Kafka's cluster id, NULL while it is not known. Lives as long as the bus. */
const char *bus_cluster(struct bus *bus);

/* How many partitions a topic that was sent to has; 0 while it is not known. */
int bus_partitions(const struct bus *bus, const char *topic);

struct bus_topic {
    const char *name; /* lives as long as the bus */
    int partitions;
    bool keep_all; /* retention without end: the master deletes what is stored */
};

/* Makes the topics that are missing; asks again until it succeeds. Durability per DESIGN promise 1.
 */
void bus_ensure_topics(struct bus *bus, const struct bus_topic *topics, size_t count);

/* Deletes the records before `offset`. The outcome is logged. */
void bus_delete_before(struct bus *bus, const char *topic, int32_t partition, int64_t offset);
