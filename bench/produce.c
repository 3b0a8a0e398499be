/*
 * What librdkafka does by itself: messages as rota-producer sends them (common/bus.c, size and
 * headers of a small task's command), a fixed number of them in flight.
 *
 *     produce BROKERS TOPIC IN_FLIGHT MILLISECONDS
 *
 * Prints one line of JSON: delivered messages a second, and from sending to report in ms. A message
 * that is not delivered ends it.
 */
#include "common/clock.h"
#include "common/mem.h"

#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

#define VALUE_SIZE 217
#define KEY_SIZE 36
#define SAMPLES_MOST (16 << 20)
#define WARM_UP_MS 30000

static const struct {
    const char *name, *value;
} headers[] = {
    {"ce_specversion", "1.0"},
    {"ce_id", "01a1fdfd-7e77-7edd-b6da-2b8072094825"},
    {"ce_source", "/rota/producer/producer-1"},
    {"ce_type", "rota.task.schedule.v1"},
    {"ce_time", "2026-01-01T00:00:00.000Z"},
    {"ce_subject", "tasks/01a1fdfd-7e77-7edd-b6da-2b8072094825"},
    {"content-type", "application/json"},
};

/* As common/bus.c sets them for rota-producer. */
static const struct {
    const char *key, *value;
} settings[] = {
    {"message.max.bytes", "1048588"},
    {"queue.buffering.max.kbytes", "65536"},
    {"socket.nagle.disable", "true"},
    {"enable.idempotence", "true"},
    {"acks", "all"},
    {"linger.ms", "2"},
    {"message.timeout.ms", "10000"},
};

struct run {
    rd_kafka_t *kafka;
    const char *topic;
    int64_t sent, delivered;
    int32_t *took_us;
    size_t samples;
    bool measuring;
};

static void end(const char *what, const char *why)
{
    fprintf(stderr, "produce: %s: %s\n", what, why);
    exit(1);
}

static void on_report(rd_kafka_t *kafka, const rd_kafka_message_t *message, void *data)
{
    struct run *run = data;
    int64_t took_us = clock_boot_us() - (int64_t)(intptr_t)message->_private;

    (void)kafka;
    if (message->err)
        end("not delivered", rd_kafka_err2str(message->err));
    run->delivered++;
    if (run->measuring && run->samples < SAMPLES_MOST)
        run->took_us[run->samples++] = (int32_t)took_us;
}

static rd_kafka_t *open_client(const char *brokers, struct run *run)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[200];

    for (size_t i = 0; i < COUNT(settings); i++)
        if (rd_kafka_conf_set(conf, settings[i].key, settings[i].value, why, sizeof why))
            end(settings[i].key, why);
    if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof why))
        end("bootstrap.servers", why);
    rd_kafka_conf_set_opaque(conf, run);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_t *kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!kafka)
        end("librdkafka", why);
    return kafka;
}

static rd_kafka_headers_t *make_headers(void)
{
    rd_kafka_headers_t *made = rd_kafka_headers_new(COUNT(headers));

    for (size_t i = 0; i < COUNT(headers); i++)
        rd_kafka_header_add(made, headers[i].name, -1, headers[i].value, -1);
    return made;
}

/* Keys differ, so that messages go to all partitions, as tasks do. */
static void send_one(struct run *run)
{
    static char value[VALUE_SIZE];
    char key[KEY_SIZE + 1];

    memset(value, 'x', sizeof value);
    snprintf(key, sizeof key, "01a1fdfd-7e77-7edd-b6da-%012" PRIx64, (uint64_t)run->sent);
    rd_kafka_resp_err_t error =
        rd_kafka_producev(run->kafka, RD_KAFKA_V_TOPIC(run->topic), RD_KAFKA_V_KEY(key, KEY_SIZE),
                          RD_KAFKA_V_VALUE(value, sizeof value), RD_KAFKA_V_HEADERS(make_headers()),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                          RD_KAFKA_V_OPAQUE((void *)(intptr_t)clock_boot_us()), RD_KAFKA_V_END);
    if (error)
        end("not sent", rd_kafka_err2str(error));
    run->sent++;
}

static void settle(struct run *run, const char *what)
{
    if (rd_kafka_flush(run->kafka, WARM_UP_MS))
        end(what, "no report in time");
}

static int by_size(const void *one, const void *other)
{
    int32_t a = *(const int32_t *)one, b = *(const int32_t *)other;

    return (a > b) - (a < b);
}

static double quantile_ms(const struct run *run, double share)
{
    return run->samples ? run->took_us[(size_t)((double)(run->samples - 1) * share)] / 1000.0 : 0;
}

static void measure(struct run *run, int64_t in_flight, int64_t length_us)
{
    int64_t before = run->delivered, began_us = clock_boot_us(), now_us;

    run->measuring = true;
    while ((now_us = clock_boot_us()) < began_us + length_us) {
        while (run->sent - run->delivered < in_flight)
            send_one(run);
        rd_kafka_poll(run->kafka, 10);
    }
    run->measuring = false;

    double rate = (double)(run->delivered - before) * 1e6 / (double)(now_us - began_us);

    settle(run, "the last messages");
    if (run->delivered != run->sent)
        end("delivered", "not what was sent");
    qsort(run->took_us, run->samples, sizeof *run->took_us, by_size);
    printf("{\"rate\": %f, \"p50_ms\": %f, \"p99_ms\": %f}\n", rate, quantile_ms(run, 0.5),
           quantile_ms(run, 0.99));
}

int main(int count, char **arguments)
{
    int64_t in_flight = count == 5 ? atoll(arguments[3]) : 0;
    int64_t length_ms = count == 5 ? atoll(arguments[4]) : 0;
    struct run run = {0};

    if (in_flight < 1 || in_flight > 50000 || length_ms < 1 || length_ms > 3600000) {
        fprintf(stderr, "usage: produce BROKERS TOPIC IN_FLIGHT MILLISECONDS\n");
        return 2;
    }
    run.topic = arguments[2];
    run.took_us = mem_or_end(malloc(SAMPLES_MOST * sizeof *run.took_us));
    run.kafka = open_client(arguments[1], &run);
    send_one(&run); /* connections and metadata come with it */
    settle(&run, "the first message");
    measure(&run, in_flight, length_ms * 1000);
    rd_kafka_destroy(run.kafka);
    free(run.took_us);
    return 0;
}
