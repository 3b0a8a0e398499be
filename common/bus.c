#include "common/bus.h"

#include "common/clock.h"
#include "common/kafka.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"

#include <json-c/json.h>
#include <librdkafka/rdkafka.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_A_TURN 256
#define TELL_EVERY_MS 10000
#define DOUBT_US INT64_C(3000000) /* how long a message that was not delivered counts */
#define TOPICS_MOST 8
#define ADMIN_MS 10000
#define ADMIN_WAIT_US INT64_C(1000000)
#define REPLICAS_MOST 3
#define PURGE_US INT64_C(2000000)

struct sent {
    bus_reply *reply;
    void *data;
    int64_t at_us;
};

struct known_topic {
    char *name;
    int partitions;
};

struct bus {
    rd_kafka_t *kafka;
    rd_kafka_queue_t *events;
    int fd; /* written by librdkafka's threads when `events` stops being empty */
    sd_event_source *io;
    const struct config *config;
    char *cluster;
    int waiting;
    bool connected;
    int brokers; /* of the cluster, as far as they are known */
    int64_t failed_us, told_ms, told_delete_ms;
    struct known_topic known[TOPICS_MOST];
    size_t known_count;
    struct bus_topic topics[TOPICS_MOST]; /* still to be made */
    size_t topic_count;
    bool asking;
    int64_t ask_at_us;
};

static void answer(struct bus *bus, const rd_kafka_message_t *message)
{
    struct sent *sent = message->_private;
    struct bus_position where = {.partition = message->partition, .offset = message->offset};
    int64_t now = clock_boot_us();
    struct fault fault;

    bus->waiting--;
    if (message->err) {
        fault_set(&fault, kafka_kind_of(message->err), "kafka: %s", rd_kafka_err2str(message->err));
        if (fault_is_retryable(&fault))
            bus->failed_us = now;
        metrics_count(METRIC_PRODUCE_FAILED);
    } else {
        bus->failed_us = 0;
        bus->connected = true;
        metrics_count(METRIC_PRODUCE_OK);
        metrics_observe(METRIC_PRODUCE_DURATION, (double)(now - sent->at_us) / 1e6);
    }
    sent->reply(sent->data, message->err ? NULL : &where, message->err ? &fault : NULL);
    free(sent);
}

static void on_reports(struct bus *bus, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *message;

    while ((message = rd_kafka_event_message_next(event)))
        answer(bus, message);
    metrics_set(METRIC_PRODUCE_QUEUE, bus->waiting);
}

static void on_error(struct bus *bus, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t error = rd_kafka_event_error(event);

    if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        bus->connected = false;
    if (kafka_is_noise(error))
        return;
    metrics_count(METRIC_KAFKA_ERRORS);
    if (log_now_and_then(&bus->told_ms, TELL_EVERY_MS))
        log_warn("kafka.error", "client=bus code=%s cause=%s", rd_kafka_err2name(error),
                 LOG_VALUE(rd_kafka_event_error_string(event)));
}

/* The statistics name every broker with the state of its connection; node -1 is a bootstrap
 * address. */
static void read_brokers(struct bus *bus, struct json_object *brokers)
{
    bool connected = false;
    int known = 0;

    json_object_object_foreach(brokers, name, broker)
    {
        struct json_object *state = json_object_object_get(broker, "state");
        struct json_object *node = json_object_object_get(broker, "nodeid");

        (void)name;
        connected |= state && !strcmp(json_object_get_string(state), "UP");
        known += node && json_object_get_int(node) >= 0;
    }
    bus->connected = connected;
    if (known)
        bus->brokers = known;
}

/* The place of the topic, or the one behind the last. */
static size_t find_topic(const struct bus *bus, const char *name)
{
    size_t i = 0;

    while (i < bus->known_count && strcmp(bus->known[i].name, name) != 0)
        i++;
    return i;
}

static void know_topic(struct bus *bus, const char *name, int partitions)
{
    size_t place = find_topic(bus, name);

    if (place == TOPICS_MOST)
        return;
    if (place == bus->known_count)
        bus->known[bus->known_count++].name = mem_text(name);
    bus->known[place].partitions = partitions;
}

/* Partition -1 holds what has no place yet. */
static void read_topics(struct bus *bus, struct json_object *topics)
{
    json_object_object_foreach(topics, name, topic)
    {
        struct json_object *partitions = json_object_object_get(topic, "partitions");
        bool unplaced = partitions && json_object_object_get_ex(partitions, "-1", NULL);

        if (partitions)
            know_topic(bus, name, json_object_object_length(partitions) - unplaced);
    }
}

int bus_partitions(const struct bus *bus, const char *topic)
{
    size_t place = find_topic(bus, topic);

    return place < bus->known_count ? bus->known[place].partitions : 0;
}

/* What makes a topic durable: see promise 1 in the README. */
static void set_durability(const struct bus *bus, const struct bus_topic *topic, int replicas,
                           rd_kafka_NewTopic_t *wanted)
{
    const char *flush = bus->config->kafka_flush_messages;
    bool few = replicas < REPLICAS_MOST;

    if (!few) {
        rd_kafka_NewTopic_set_config(wanted, "min.insync.replicas", "2");
        rd_kafka_NewTopic_set_config(wanted, "unclean.leader.election.enable", "false");
    }
    if (flush && (!strcmp(flush, "yes") || (few && strcmp(flush, "no") != 0)))
        rd_kafka_NewTopic_set_config(wanted, "flush.messages", "1");
    if (topic->keep_all) {
        rd_kafka_NewTopic_set_config(wanted, "retention.ms", "-1");
        rd_kafka_NewTopic_set_config(wanted, "retention.bytes", "-1");
    }
}

static rd_kafka_AdminOptions_t *options_new(struct bus *bus, rd_kafka_admin_op_t kind)
{
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(bus->kafka, kind);
    char why[200];

    rd_kafka_AdminOptions_set_request_timeout(options, ADMIN_MS, why, sizeof why);
    return options;
}

static void ask_for_topics(struct bus *bus)
{
    int replicas = bus->brokers < REPLICAS_MOST ? bus->brokers : REPLICAS_MOST;
    rd_kafka_AdminOptions_t *options = options_new(bus, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_NewTopic_t *wanted[TOPICS_MOST];
    char why[200];

    for (size_t i = 0; i < bus->topic_count; i++) {
        wanted[i] = rd_kafka_NewTopic_new(bus->topics[i].name, bus->topics[i].partitions, replicas,
                                          why, sizeof why);
        set_durability(bus, &bus->topics[i], replicas, mem_or_end(wanted[i]));
    }
    bus->asking = true;
    rd_kafka_CreateTopics(bus->kafka, wanted, bus->topic_count, options, bus->events);
    rd_kafka_NewTopic_destroy_array(wanted, bus->topic_count);
    rd_kafka_AdminOptions_destroy(options);
}

static void on_statistics(struct bus *bus, rd_kafka_event_t *event)
{
    struct json_object *page = json_tokener_parse(rd_kafka_event_stats(event));
    struct json_object *brokers = page ? json_object_object_get(page, "brokers") : NULL;
    struct json_object *topics = page ? json_object_object_get(page, "topics") : NULL;

    if (brokers)
        read_brokers(bus, brokers);
    if (topics)
        read_topics(bus, topics);
    json_object_put(page);
    metrics_set(METRIC_KAFKA_UP, bus->connected);
    if (bus->topic_count && !bus->asking && bus->brokers && clock_boot_us() >= bus->ask_at_us)
        ask_for_topics(bus);
}

static void topic_is_there(struct bus *bus, const char *name)
{
    for (size_t i = 0; i < bus->topic_count; i++)
        if (!strcmp(bus->topics[i].name, name))
            bus->topics[i--] = bus->topics[--bus->topic_count];
}

static void topic_refused(struct bus *bus, rd_kafka_resp_err_t error, const char *name,
                          const char *why)
{
    /* A broker that cannot be asked to make topics has its own way to make them. */
    if (error == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE)
        bus->topic_count = 0;
    if (log_now_and_then(&bus->told_ms, TELL_EVERY_MS))
        log_warn("kafka.topic_not_made", "topic=%s code=%s cause=%s", name,
                 rd_kafka_err2name(error), LOG_VALUE(why ? why : rd_kafka_err2str(error)));
}

static void on_topics(struct bus *bus, rd_kafka_event_t *event)
{
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    size_t count = 0;
    const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(result, &count);

    bus->asking = false;
    bus->ask_at_us = clock_boot_us() + ADMIN_WAIT_US;
    if (rd_kafka_event_error(event))
        topic_refused(bus, rd_kafka_event_error(event), "all", rd_kafka_event_error_string(event));
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t error = rd_kafka_topic_result_error(topics[i]);
        const char *name = rd_kafka_topic_result_name(topics[i]);

        if (!error)
            log_info("kafka.topic_made", "topic=%s", name);
        if (!error || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
            topic_is_there(bus, name);
        else
            topic_refused(bus, error, name, rd_kafka_topic_result_error_string(topics[i]));
    }
}

static void deletion_failed(struct bus *bus, const char *topic, int32_t partition, const char *why)
{
    if (log_now_and_then(&bus->told_delete_ms, TELL_EVERY_MS))
        log_warn("kafka.records_not_deleted", "topic=%s partition=%d cause=%s", topic, partition,
                 LOG_VALUE(why));
}

static void on_deleted(struct bus *bus, rd_kafka_event_t *event)
{
    const rd_kafka_DeleteRecords_result_t *result = rd_kafka_event_DeleteRecords_result(event);
    const rd_kafka_topic_partition_list_t *places;

    if (rd_kafka_event_error(event)) {
        deletion_failed(bus, "all", -1, rd_kafka_event_error_string(event));
        return;
    }
    places = rd_kafka_DeleteRecords_result_offsets(result);
    for (int i = 0; i < places->cnt; i++) {
        const rd_kafka_topic_partition_t *place = &places->elems[i];

        if (place->err)
            deletion_failed(bus, place->topic, place->partition, rd_kafka_err2str(place->err));
        else
            log_info("kafka.records_deleted", "topic=%s partition=%d before=%lld", place->topic,
                     place->partition, (long long)place->offset);
    }
}

static void take_event(struct bus *bus, rd_kafka_event_t *event)
{
    static const struct {
        rd_kafka_event_type_t type;
        void (*take)(struct bus *bus, rd_kafka_event_t *event);
    } rows[] = {
        {RD_KAFKA_EVENT_DR, on_reports},
        {RD_KAFKA_EVENT_ERROR, on_error},
        {RD_KAFKA_EVENT_STATS, on_statistics},
        {RD_KAFKA_EVENT_CREATETOPICS_RESULT, on_topics},
        {RD_KAFKA_EVENT_DELETERECORDS_RESULT, on_deleted},
    };
    rd_kafka_event_type_t type = rd_kafka_event_type(event);

    for (size_t i = 0; i < COUNT(rows); i++)
        if (rows[i].type == type)
            rows[i].take(bus, event);
    rd_kafka_event_destroy(event);
}

static int events_ready(sd_event_source *source, int fd, uint32_t ready, void *data)
{
    struct bus *bus = data;
    rd_kafka_event_t *event;

    (void)source, (void)ready;
    kafka_heard(fd);
    for (int i = 0; i < EVENTS_A_TURN; i++) {
        event = rd_kafka_queue_poll(bus->events, 0);
        if (!event)
            return 0;
        take_event(bus, event);
    }
    kafka_wake(fd); /* others on the loop first */
    return 0;
}

static bool make_conf(rd_kafka_conf_t **ret, const struct bus_settings *settings,
                      struct fault *fault)
{
    char linger[24], timeout[24], look[24];
    const struct kafka_row defaults[] = {
        {"statistics.interval.ms", look},
        {"topic.metadata.refresh.interval.ms", "10000"},
        {"reconnect.backoff.max.ms", "2000"},
        {"message.max.bytes", "1048588"}, /* as much as a broker takes unless told otherwise */
        {"queue.buffering.max.kbytes", "65536"},
        {"socket.nagle.disable", "true"},
    };
    const struct kafka_row fixed[] = {
        {"enable.idempotence", "true"},
        {"acks", "all"},
        {"linger.ms", linger},
        {"message.timeout.ms", timeout},
    };

    snprintf(look, sizeof look, "%lld", (long long)settings->look_ms);
    snprintf(linger, sizeof linger, "%lld", (long long)settings->linger_ms);
    snprintf(timeout, sizeof timeout, "%lld", (long long)settings->timeout_ms);
    return kafka_conf(ret, settings->config, defaults, COUNT(defaults), fixed, COUNT(fixed), fault);
}

bool bus_open(struct bus **ret, sd_event *loop, const struct bus_settings *settings,
              struct fault *fault)
{
    rd_kafka_conf_t *conf;
    char why[200];

    if (!make_conf(&conf, settings, fault))
        return false;
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_STATS);
    rd_kafka_t *kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!kafka) {
        rd_kafka_conf_destroy(conf);
        return fault_set(fault, FAULT_REJECTED, "kafka: %s", why);
    }

    struct bus *bus = mem_new(struct bus, .kafka = kafka, .config = settings->config,
                              .events = rd_kafka_queue_get_main(kafka));
    bus->fd = kafka_watch(bus->events);
    sd_event_add_io(loop, &bus->io, bus->fd, EPOLLIN, events_ready, bus);
    *ret = bus;
    return true;
}

/* Serves reports until none is waited for, at most until `deadline_us` of the boot clock. */
static void serve_until(struct bus *bus, int64_t deadline_us)
{
    while (bus->waiting && clock_boot_us() < deadline_us) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(bus->events, 20);

        if (event)
            take_event(bus, event);
    }
}

void bus_close(struct bus *bus, int wait_ms)
{
    if (!bus)
        return;
    bus->topic_count = 0;
    serve_until(bus, clock_boot_us() + wait_ms * INT64_C(1000));
    /* What is still open now is given up, and its senders hear of it like of any other failure. */
    rd_kafka_purge(bus->kafka, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    serve_until(bus, clock_boot_us() + PURGE_US);
    sd_event_source_disable_unref(bus->io);
    rd_kafka_queue_io_event_enable(bus->events, -1, NULL, 0);
    rd_kafka_queue_destroy(bus->events);
    rd_kafka_destroy(bus->kafka);
    close(bus->fd);
    for (size_t i = 0; i < bus->known_count; i++)
        free(bus->known[i].name);
    if (bus->cluster)
        rd_kafka_mem_free(NULL, bus->cluster);
    free(bus);
}

static rd_kafka_headers_t *headers_new(const struct bus_message *message)
{
    if (!message->header_count)
        return NULL;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(message->header_count);
    for (size_t i = 0; i < message->header_count; i++)
        rd_kafka_header_add(headers, message->headers[i].name, -1, message->headers[i].value, -1);
    return headers;
}

bool bus_send(struct bus *bus, const struct bus_message *message, bus_reply *reply, void *data,
              struct fault *fault)
{
    rd_kafka_headers_t *headers = headers_new(message);
    struct sent *sent =
        mem_new(struct sent, .reply = reply, .data = data, .at_us = clock_boot_us());

    rd_kafka_resp_err_t error = rd_kafka_producev(
        bus->kafka, RD_KAFKA_V_TOPIC(message->topic), RD_KAFKA_V_PARTITION(message->partition),
        RD_KAFKA_V_KEY((void *)(uintptr_t)message->key, message->key_size),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)message->value, message->value_size),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_OPAQUE(sent), RD_KAFKA_V_END);
    if (error) {
        if (headers)
            rd_kafka_headers_destroy(headers);
        free(sent);
        metrics_count(METRIC_PRODUCE_FAILED);
        return fault_set(fault, kafka_kind_of(error), "kafka: %s", rd_kafka_err2str(error));
    }
    bus->waiting++;
    return true;
}

int bus_waiting(const struct bus *bus)
{
    return bus->waiting;
}

bool bus_is_up(const struct bus *bus)
{
    return bus->connected && (!bus->failed_us || clock_boot_us() - bus->failed_us > DOUBT_US);
}

const char *bus_cluster(struct bus *bus)
{
    if (!bus->cluster)
        bus->cluster = rd_kafka_clusterid(bus->kafka, 0);
    return bus->cluster;
}

void bus_ensure_topics(struct bus *bus, const struct bus_topic *topics, size_t count)
{
    for (size_t i = 0; i < count && bus->topic_count < TOPICS_MOST; i++) {
        topic_is_there(bus, topics[i].name); /* asked for twice: once */
        bus->topics[bus->topic_count++] = topics[i];
    }
}

void bus_delete_before(struct bus *bus, const char *topic, int32_t partition, int64_t offset)
{
    rd_kafka_AdminOptions_t *options = options_new(bus, RD_KAFKA_ADMIN_OP_DELETERECORDS);
    rd_kafka_topic_partition_list_t *places = rd_kafka_topic_partition_list_new(1);
    rd_kafka_DeleteRecords_t *wanted;

    rd_kafka_topic_partition_list_add(places, topic, partition)->offset = offset;
    wanted = rd_kafka_DeleteRecords_new(places);
    rd_kafka_DeleteRecords(bus->kafka, &wanted, 1, options, bus->events);
    rd_kafka_DeleteRecords_destroy(wanted);
    rd_kafka_topic_partition_list_destroy(places);
    rd_kafka_AdminOptions_destroy(options);
}
