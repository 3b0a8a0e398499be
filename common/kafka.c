#include "common/kafka.h"

#include "common/log.h"
#include "common/mem.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* librdkafka's own lines; errors that matter come as events. Called from its threads. */
static void on_log(const rd_kafka_t *kafka, int level, const char *facility, const char *text)
{
    (void)kafka;
    if (log_wants(LOG_DEBUG))
        log_debug("kafka.client", "level=%d facility=%s text=%s", level, facility, LOG_VALUE(text));
}

static bool set(rd_kafka_conf_t *conf, const char *key, const char *value, struct fault *fault)
{
    char why[200];

    if (rd_kafka_conf_set(conf, key, value, why, sizeof why) == RD_KAFKA_CONF_OK)
        return true;
    return fault_set(fault, FAULT_REJECTED, "Kafka setting %s: %s", key, why);
}

static bool set_rows(rd_kafka_conf_t *conf, const struct kafka_row *rows, size_t count,
                     struct fault *fault)
{
    for (size_t i = 0; i < count; i++)
        if (!set(conf, rows[i].key, rows[i].value, fault))
            return false;
    return true;
}

/* Some fixed settings have a second name; those that hand over control are refused as well. */
static bool is_fixed(const char *key, const struct kafka_row *fixed, size_t count)
{
    static const char *const ours[] = {
        "bootstrap.servers",
        "metadata.broker.list",
        "request.required.acks",
        "delivery.timeout.ms",
        "message.timeout.ms",
        "transactional.id",
        "acks",
        "enable.idempotence",
        "group.id",
        "group.instance.id",
        "auto.offset.reset",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "partition.assignment.strategy",
        "isolation.level",
    };

    for (size_t i = 0; i < count; i++)
        if (!strcmp(fixed[i].key, key))
            return true;
    for (size_t i = 0; i < COUNT(ours); i++)
        if (!strcmp(ours[i], key))
            return true;
    return false;
}

static bool set_others(rd_kafka_conf_t *conf, const struct config *config,
                       const struct kafka_row *fixed, size_t count, struct fault *fault)
{
    for (int i = 0; i < config->kafka_count; i++) {
        const char *key = config->kafka[i].key;

        if (is_fixed(key, fixed, count))
            return fault_set(fault, FAULT_REJECTED,
                             "Kafka setting %s: Rota's promises rest on it, it cannot be set", key);
        if (!set(conf, key, config->kafka[i].value, fault))
            return false;
    }
    return true;
}

bool kafka_conf(rd_kafka_conf_t **ret, const struct config *config,
                const struct kafka_row *defaults, size_t default_count,
                const struct kafka_row *fixed, size_t fixed_count, struct fault *fault)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    if (!set(conf, "bootstrap.servers", config->kafka_brokers, fault) ||
        !set(conf, "client.id", log_node(), fault) ||
        !set_rows(conf, defaults, default_count, fault) ||
        !set_others(conf, config, fixed, fixed_count, fault) ||
        !set_rows(conf, fixed, fixed_count, fault)) {
        rd_kafka_conf_destroy(conf);
        return false;
    }
    rd_kafka_conf_set_log_cb(conf, on_log);
    *ret = conf;
    return true;
}

enum fault_kind kafka_kind_of(rd_kafka_resp_err_t error)
{
    switch (error) {
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
    case RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED:
        return FAULT_BUSY;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
        return FAULT_REJECTED;
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return FAULT_BROKEN;
    default:
        return FAULT_DOWN;
    }
}

bool kafka_is_noise(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR__PARTITION_EOF ||
           error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
           error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
           error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

int kafka_watch(rd_kafka_queue_t *queue)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    if (fd < 0)
        abort();
    rd_kafka_queue_io_event_enable(queue, fd, &(uint64_t){1}, sizeof(uint64_t));
    return fd;
}

void kafka_heard(int fd)
{
    uint64_t wakeups;

    (void)!read(fd, &wakeups, sizeof wakeups);
}

void kafka_wake(int fd)
{
    (void)!write(fd, &(uint64_t){1}, sizeof(uint64_t));
}
