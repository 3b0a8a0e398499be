/*
 * Receiving from Kafka as a member of a consumer group, with the offsets kept by the owner.
 *
 * When partitions are assigned the owner looks up where each stands and calls feed_begin; until
 * then nothing of it is delivered. Offsets are never committed to Kafka for control (only told, as
 * information for lag tools). auto.offset.reset is "error": a position outside what Kafka has is
 * reported through `gap` and that partition stops.
 */
#pragma once

#include "common/config.h"
#include "common/fault.h"

#include <librdkafka/rdkafka.h>
#include <systemd/sd-event.h>

struct feed;

struct feed_owner {
    /* Partitions are ours from now on: answer with feed_begin for each, at any later time. */
    void (*assigned)(void *data, const char *topic, int32_t partition);
    /* No longer ours; what is under way must not be stored any more (the offset guards it). */
    void (*revoked)(void *data, const char *topic, int32_t partition);
    /* One record, of a partition that was begun; the owner gives it to rd_kafka_message_destroy. */
    void (*received)(void *data, rd_kafka_message_t *message);
    /* The burst of records that was at hand is over: a good moment to store. */
    void (*drained)(void *data);
    void (*gap)(void *data, const char *topic, int32_t partition, const struct fault *fault);
    void *data;
};

bool feed_open(struct feed **ret, sd_event *loop, const struct config *config,
               const char *const *topics, size_t count, const struct feed_owner *owner,
               struct fault *fault);

/* Leaves the group. Every record must have been given back before. Takes NULL. */
void feed_close(struct feed *feed);

#define FEED_FIRST INT64_C(-2) /* from the oldest record there is */

/*
 * Delivers from here on; also for one that was begun before. A record of the former place may still
 * come once: the owner compares offsets.
 */
void feed_begin(struct feed *feed, const char *topic, int32_t partition, int64_t offset);

/* While paused nothing is received, and the membership of the group is kept. */
void feed_pause(struct feed *feed);
void feed_resume(struct feed *feed);

/* Kafka's cluster id, NULL while it is not known. */
const char *feed_cluster(struct feed *feed);

/* Tells Kafka how far we stored: information only. */
void feed_tell(struct feed *feed, const char *topic, int32_t partition, int64_t next);
bool feed_is_joined(const struct feed *feed);
