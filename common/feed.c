#include "common/feed.h"

#include "common/clock.h"
#include "common/kafka.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"

#include <sys/epoll.h>
#include <unistd.h>

#define RECORDS_A_TURN 1000
#define TICK_US UINT64_C(1000000)
#define MISSING_TICK_US UINT64_C(250000)
#define MISSING_TRIES 3
#define HOLD_US INT64_C(1000000)
#define TELL_EVERY_MS 10000

/*
 * One partition that the group gave to us. It is with librdkafka ("taken") only while it was begun
 * and the feed is not held: a long pause gives it back to librdkafka and takes it again at `next`,
 * so that there is one mechanism, and no record in a buffer of the past.
 */
struct part {
    char *topic;
    int32_t partition;
    bool owned, begun, taken;
    int64_t next;          /* the record after the last one delivered, or FEED_FIRST */
    int64_t told, to_tell; /* offsets for lag tools */
    struct part *after;
};

struct feed {
    rd_kafka_t *kafka;
    rd_kafka_queue_t *events;
    int fd;
    sd_event_source *io, *tick;
    struct feed_owner owner;
    struct part *parts;
    struct part *last; /* of the last record: records come in runs */
    char *cluster;
    rd_kafka_topic_partition_list_t *topics;
    bool joined, paused, held, closing;
    bool missing; /* a topic was not there, and nothing has been assigned yet */
    int tries;    /* to find it */
    int64_t paused_us, told_ms;
};

static struct part *find(const struct feed *feed, const char *topic, int32_t partition)
{
    for (struct part *part = feed->parts; part; part = part->after)
        if (part->partition == partition && !strcmp(part->topic, topic))
            return part;
    return NULL;
}

static struct part *find_or_add(struct feed *feed, const char *topic, int32_t partition)
{
    struct part *part = find(feed, topic, partition);

    if (!part) {
        part = mem_new(struct part, .topic = mem_text(topic), .partition = partition,
                       .after = feed->parts);
        feed->parts = part;
    }
    return part;
}

static void tell_refused(struct feed *feed, const char *what, rd_kafka_error_t *error)
{
    if (!error)
        return;
    metrics_count(METRIC_KAFKA_ERRORS);
    if (log_now_and_then(&feed->told_ms, TELL_EVERY_MS))
        log_warn("kafka.error", "client=feed what=%s cause=%s", what,
                 LOG_VALUE(rd_kafka_error_string(error)));
    rd_kafka_error_destroy(error);
}

static void take(struct feed *feed, struct part *part)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(list, part->topic, part->partition)->offset = part->next;
    rd_kafka_error_t *error = rd_kafka_incremental_assign(feed->kafka, list);
    part->taken = !error;
    tell_refused(feed, "take", error);
    rd_kafka_topic_partition_list_destroy(list);
}

static void give_back(struct feed *feed, struct part *part)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(list, part->topic, part->partition);
    tell_refused(feed, "give_back", rd_kafka_incremental_unassign(feed->kafka, list));
    part->taken = false;
    rd_kafka_topic_partition_list_destroy(list);
}

void feed_begin(struct feed *feed, const char *topic, int32_t partition, int64_t offset)
{
    struct part *part = find(feed, topic, partition);

    if (!part || !part->owned || feed->closing)
        return;
    if (part->taken)
        give_back(feed, part);
    part->begun = true;
    part->next = offset;
    if (!feed->held)
        take(feed, part);
}

/* The group's part is answered at once with nothing taken: that waits for feed_begin. */
static void on_assigned(struct feed *feed, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(1);

    tell_refused(feed, "assign", rd_kafka_incremental_assign(feed->kafka, none));
    rd_kafka_topic_partition_list_destroy(none);
    feed->joined = true;
    feed->missing = false;
    for (int i = 0; i < list->cnt; i++) {
        struct part *part = find_or_add(feed, list->elems[i].topic, list->elems[i].partition);

        part->owned = true;
        part->begun = false;
        feed->owner.assigned(feed->owner.data, part->topic, part->partition);
    }
}

static void on_revoked(struct feed *feed, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_topic_partition_list_t *taken = rd_kafka_topic_partition_list_new(list->cnt);

    if (rd_kafka_assignment_lost(feed->kafka))
        feed->joined = false;
    for (int i = 0; i < list->cnt; i++) {
        struct part *part = find(feed, list->elems[i].topic, list->elems[i].partition);

        if (!part || !part->owned)
            continue;
        if (part->taken)
            rd_kafka_topic_partition_list_add(taken, part->topic, part->partition);
        part->owned = part->begun = part->taken = false;
        if (!feed->closing)
            feed->owner.revoked(feed->owner.data, part->topic, part->partition);
    }
    tell_refused(feed, "unassign", rd_kafka_incremental_unassign(feed->kafka, taken));
    rd_kafka_topic_partition_list_destroy(taken);
}

static void on_rebalance(rd_kafka_t *kafka, rd_kafka_resp_err_t error,
                         rd_kafka_topic_partition_list_t *list, void *data)
{
    struct feed *feed = data;

    (void)kafka;
    if (error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && !feed->closing)
        on_assigned(feed, list);
    else
        on_revoked(feed, list);
}

static void on_error(rd_kafka_t *kafka, int error, const char *why, void *data)
{
    struct feed *feed = data;

    (void)kafka;
    if (kafka_is_noise((rd_kafka_resp_err_t)error))
        return;
    metrics_count(METRIC_KAFKA_ERRORS);
    if (log_now_and_then(&feed->told_ms, TELL_EVERY_MS))
        log_warn("kafka.error", "client=feed code=%s cause=%s",
                 rd_kafka_err2name((rd_kafka_resp_err_t)error), LOG_VALUE(why));
}

/* The partition whose record this is; NULL where it is not (any more) to be delivered. */
static struct part *part_of(struct feed *feed, const rd_kafka_message_t *message)
{
    const char *topic = message->rkt ? rd_kafka_topic_name(message->rkt) : "";

    if (!feed->last || feed->last->partition != message->partition ||
        strcmp(feed->last->topic, topic) != 0)
        feed->last = find(feed, topic, message->partition);
    return feed->last && feed->last->taken ? feed->last : NULL;
}

/* There is nothing at the place where we stood: the partition stops until it is begun again. */
static void on_gap(struct feed *feed, struct part *part, const rd_kafka_message_t *message)
{
    struct fault fault;

    fault_set(&fault, FAULT_REJECTED, "kafka: %s", rd_kafka_message_errstr(message));
    give_back(feed, part);
    part->begun = false;
    feed->owner.gap(feed->owner.data, part->topic, part->partition, &fault);
}

/*
 * At the very first start topics are made while we subscribe to them. librdkafka would look again
 * with its next look at all topics, seconds later; subscribing anew looks at once.
 */
static void on_missing(struct feed *feed)
{
    if (feed->joined || feed->missing)
        return;
    feed->missing = true;
    sd_event_source_set_time_relative(feed->tick, MISSING_TICK_US);
}

static rd_kafka_resp_err_t subscribe(struct feed *feed)
{
    return rd_kafka_subscribe(feed->kafka, feed->topics);
}

static void take_message(struct feed *feed, rd_kafka_message_t *message)
{
    struct part *part = part_of(feed, message);

    if (message->err) {
        if (message->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            on_missing(feed);
        if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET && part)
            on_gap(feed, part, message);
        else
            on_error(feed->kafka, message->err, rd_kafka_message_errstr(message), feed);
    } else if (part) {
        part->next = message->offset + 1;
        feed->owner.received(feed->owner.data, message);
        return;
    }
    rd_kafka_message_destroy(message);
}

static int records_ready(sd_event_source *source, int fd, uint32_t ready, void *data)
{
    struct feed *feed = data;
    bool received = false;

    (void)source, (void)ready;
    kafka_heard(fd);
    for (int i = 0; i < RECORDS_A_TURN; i++) {
        /* A short pause leaves records where they are; the tick sees to a long one. */
        if (feed->paused && !feed->held)
            break;
        rd_kafka_message_t *message = rd_kafka_consumer_poll(feed->kafka, 0);
        if (!message) {
            if (received)
                feed->owner.drained(feed->owner.data);
            return 0;
        }
        take_message(feed, message);
        received = true;
    }
    if (!feed->paused)
        kafka_wake(fd); /* others on the loop first */
    else if (received)
        feed->owner.drained(feed->owner.data);
    return 0;
}

/* All partitions go back to librdkafka: it keeps the membership, and drops what it had fetched. */
static void hold(struct feed *feed)
{
    feed->held = true;
    for (struct part *part = feed->parts; part; part = part->after)
        if (part->taken)
            give_back(feed, part);
    kafka_wake(feed->fd);
}

static void release(struct feed *feed)
{
    feed->held = false;
    for (struct part *part = feed->parts; part; part = part->after)
        if (part->owned && part->begun && !part->taken)
            take(feed, part);
}

static void tell_offsets(struct feed *feed)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);

    for (struct part *part = feed->parts; part; part = part->after)
        if (part->owned && part->to_tell > part->told) {
            rd_kafka_topic_partition_list_add(list, part->topic, part->partition)->offset =
                part->to_tell;
            part->told = part->to_tell;
        }
    if (list->cnt)
        rd_kafka_commit(feed->kafka, list, 1);
    rd_kafka_topic_partition_list_destroy(list);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *data)
{
    struct feed *feed = data;

    (void)usec;
    if (feed->paused && !feed->held && clock_boot_us() - feed->paused_us > HOLD_US)
        hold(feed);
    tell_offsets(feed);
    if (feed->missing && feed->tries++ < MISSING_TRIES)
        subscribe(feed);
    kafka_wake(feed->fd); /* librdkafka wants to be polled, or gives the membership up */
    sd_event_source_set_time_relative(source, TICK_US);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

void feed_pause(struct feed *feed)
{
    if (!feed->paused)
        feed->paused_us = clock_boot_us();
    feed->paused = true;
}

void feed_resume(struct feed *feed)
{
    if (!feed->paused)
        return;
    feed->paused = false;
    if (feed->held)
        release(feed);
    kafka_wake(feed->fd);
}

static bool make_conf(rd_kafka_conf_t **ret, const struct config *config, struct fault *fault)
{
    static const struct kafka_row defaults[] = {
        {"session.timeout.ms", "10000"},
        {"heartbeat.interval.ms", "1000"},
        {"fetch.min.bytes", "1"},
        {"fetch.wait.max.ms", "500"}, /* a partition taken anew waits for the fetch before it */
        {"fetch.error.backoff.ms", "100"},
        {"queued.max.messages.kbytes", "32768"}, /* when full, fetching rests for a whole second */
        {"reconnect.backoff.max.ms", "2000"},
        {"topic.metadata.refresh.interval.ms", "5000"}, /* see on_missing */
        {"socket.nagle.disable", "true"},
    };
    const struct kafka_row fixed[] = {
        {"group.id", config->kafka_group},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "error"},
        {"allow.auto.create.topics", "false"},
        {"partition.assignment.strategy", "cooperative-sticky"},
        {"isolation.level", "read_committed"},
    };

    return kafka_conf(ret, config, defaults, COUNT(defaults), fixed, COUNT(fixed), fault);
}

static rd_kafka_topic_partition_list_t *list_of(const char *const *topics, size_t count)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);

    for (size_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, topics[i], RD_KAFKA_PARTITION_UA);
    return list;
}

bool feed_open(struct feed **ret, sd_event *loop, const struct config *config,
               const char *const *topics, size_t count, const struct feed_owner *owner,
               struct fault *fault)
{
    struct feed *feed = mem_new(struct feed, .owner = *owner, .fd = -1);
    rd_kafka_conf_t *conf;
    rd_kafka_resp_err_t error;
    char why[200];

    if (!make_conf(&conf, config, fault)) {
        free(feed);
        return false;
    }
    rd_kafka_conf_set_opaque(conf, feed);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_error_cb(conf, on_error);
    feed->kafka = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (!feed->kafka) {
        rd_kafka_conf_destroy(conf);
        free(feed);
        return fault_set(fault, FAULT_REJECTED, "kafka: %s", why);
    }
    rd_kafka_poll_set_consumer(feed->kafka);
    feed->events = rd_kafka_queue_get_consumer(feed->kafka);
    feed->fd = kafka_watch(feed->events);
    sd_event_add_io(loop, &feed->io, feed->fd, EPOLLIN, records_ready, feed);
    sd_event_add_time_relative(loop, &feed->tick, CLOCK_BOOTTIME, TICK_US, 0, on_tick, feed);
    feed->topics = list_of(topics, count);
    error = subscribe(feed);
    if (error) {
        feed_close(feed);
        return fault_set(fault, FAULT_REJECTED, "kafka: cannot subscribe: %s",
                         rd_kafka_err2str(error));
    }
    *ret = feed;
    return true;
}

void feed_close(struct feed *feed)
{
    if (!feed)
        return;
    feed->closing = true;
    tell_offsets(feed);
    sd_event_source_disable_unref(feed->io);
    sd_event_source_disable_unref(feed->tick);
    rd_kafka_queue_io_event_enable(feed->events, -1, NULL, 0);
    rd_kafka_queue_destroy(feed->events);
    rd_kafka_consumer_close(feed->kafka);
    rd_kafka_destroy(feed->kafka);
    close(feed->fd);
    rd_kafka_topic_partition_list_destroy(feed->topics);
    while (feed->parts) {
        struct part *part = feed->parts;

        feed->parts = part->after;
        free(part->topic);
        free(part);
    }
    if (feed->cluster)
        rd_kafka_mem_free(NULL, feed->cluster);
    free(feed);
}

const char *feed_cluster(struct feed *feed)
{
    if (!feed->cluster)
        feed->cluster = rd_kafka_clusterid(feed->kafka, 0);
    return feed->cluster;
}

void feed_tell(struct feed *feed, const char *topic, int32_t partition, int64_t next)
{
    struct part *part = find(feed, topic, partition);

    if (part)
        part->to_tell = next;
}

bool feed_is_joined(const struct feed *feed)
{
    return feed->joined;
}
