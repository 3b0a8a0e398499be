/* Sending: reports, faults, topics; against the mock, which can be hurt, and real Kafka. */
#include "tests/integration/real.h"

#include "common/bus.h"

static struct mock mock;

struct heard {
    int answers, delivered;
    enum fault_kind kind;
    struct bus_position last;
};

static void on_answer(void *data, const struct bus_position *where, const struct fault *fault)
{
    struct heard *heard = data;

    assert_true(!where != !fault);
    heard->answers++;
    if (where) {
        heard->delivered++;
        heard->last = *where;
    } else {
        heard->kind = fault->kind;
    }
}

static struct bus *open_bus(const struct config *config, int64_t timeout_ms)
{
    struct bus *bus = NULL;
    struct fault fault;

    if (!bus_open(&bus, loop,
                  &(struct bus_settings){
                      .config = config, .timeout_ms = timeout_ms, .linger_ms = 1, .look_ms = 1000},
                  &fault))
        fail_msg("%s", fault.text);
    return bus;
}

static void post(struct bus *bus, const char *topic, const char *key, struct heard *heard)
{
    const struct bus_header headers[] = {{"ce_type", "test"}};
    const struct bus_message message = {.topic = topic,
                                        .partition = -1,
                                        .key = key,
                                        .key_size = strlen(key),
                                        .value = "hello",
                                        .value_size = 5,
                                        .headers = headers,
                                        .header_count = 1};
    struct fault fault;

    if (!bus_send(bus, &message, on_answer, heard, &fault))
        fail_msg("%s", fault.text);
}

static void each_message_has_its_position(void **state)
{
    const char *topic = fresh_name("bus");
    struct config config = test_config(rd_kafka_mock_cluster_bootstraps(mock.cluster), "x.");
    struct bus *bus = open_bus(&config, 10000);
    struct heard heard = {0};

    (void)state;
    mock_topic(&mock, topic, 4);
    for (int i = 0; i < 1000; i++)
        post(bus, topic, "one key", &heard);
    assert_int_equal(bus_waiting(bus), 1000);
    pump_until(heard.answers == 1000);
    assert_int_equal(heard.delivered, 1000);
    assert_int_equal(heard.last.offset, 999); /* one key, one partition */
    assert_int_equal(bus_waiting(bus), 0);
    assert_true(bus_is_up(bus));
    pump_until(bus_cluster(bus));
    bus_close(bus, 100);
}

static void what_can_never_go_is_rejected(void **state)
{
    static char large[2 << 20];
    const char *topic = fresh_name("bus");
    struct config config = test_config(rd_kafka_mock_cluster_bootstraps(mock.cluster), "x.");
    struct bus *bus = open_bus(&config, 10000);
    struct bus_message message = {
        .topic = topic, .partition = -1, .value = large, .value_size = sizeof large};
    struct heard heard = {0};
    struct fault fault;

    (void)state;
    mock_topic(&mock, topic, 1);
    assert_false(bus_send(bus, &message, on_answer, &heard, &fault));
    assert_int_equal(fault.kind, FAULT_REJECTED);
    assert_int_equal(heard.answers, 0);
    bus_close(bus, 100);
}

static void a_setting_that_promises_rest_on_is_refused(void **state)
{
    struct config config = test_config(rd_kafka_mock_cluster_bootstraps(mock.cluster), "x.");
    struct bus_settings settings = {
        .config = &config, .timeout_ms = 1000, .linger_ms = 1, .look_ms = 1000};
    struct bus *bus = NULL;
    struct fault fault;

    (void)state;
    config.kafka[0].key = "acks";
    config.kafka[0].value = "1";
    config.kafka_count = 1;
    assert_false(bus_open(&bus, loop, &settings, &fault));
    assert_non_null(strstr(fault.text, "acks"));
    config.kafka[0].key = "no.such.setting";
    assert_false(bus_open(&bus, loop, &settings, &fault));
    assert_int_equal(fault.kind, FAULT_REJECTED);
    assert_non_null(strstr(fault.text, "no.such.setting"));
}

static void an_outage_is_told_and_passes(void **state)
{
    const char *topic = fresh_name("bus");
    struct config config = test_config(rd_kafka_mock_cluster_bootstraps(mock.cluster), "x.");
    struct bus *bus = open_bus(&config, 1500);
    struct heard heard = {0};

    (void)state;
    mock_topic(&mock, topic, 1);
    post(bus, topic, "a", &heard);
    pump_until(heard.delivered == 1);
    rd_kafka_mock_broker_set_down(mock.cluster, 1);
    post(bus, topic, "b", &heard);
    pump_until(heard.answers == 2);
    assert_int_equal(heard.kind, FAULT_DOWN);
    assert_false(bus_is_up(bus));
    rd_kafka_mock_broker_set_up(mock.cluster, 1);
    pump_until(bus_is_up(bus));
    post(bus, topic, "c", &heard);
    pump_until(heard.answers == 3);
    assert_int_equal(heard.delivered, 2);
    bus_close(bus, 100);
}

static void closing_answers_what_is_open(void **state)
{
    const char *topic = fresh_name("bus");
    struct config config = test_config(rd_kafka_mock_cluster_bootstraps(mock.cluster), "x.");
    struct bus *bus = open_bus(&config, 60000);
    struct heard heard = {0};

    (void)state;
    mock_topic(&mock, topic, 1);
    rd_kafka_mock_broker_set_down(mock.cluster, 1);
    for (int i = 0; i < 10; i++)
        post(bus, topic, "a", &heard);
    bus_close(bus, 100);
    rd_kafka_mock_broker_set_up(mock.cluster, 1);
    assert_int_equal(heard.answers, 10);
    assert_int_equal(heard.kind, FAULT_DOWN);
}

/* A consumer of its own: where the partition begins and ends. */
static void bounds(const char *topic, int64_t *low, int64_t *high)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[200];

    rd_kafka_conf_set(conf, "bootstrap.servers", real_kafka(), why, sizeof why);
    rd_kafka_t *kafka = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    rd_kafka_query_watermark_offsets(kafka, topic, 0, low, high, 5000);
    rd_kafka_destroy(kafka);
}

static bool begins_at(const char *topic, int64_t offset)
{
    int64_t low = -1, high = -1;

    sd_event_run(loop, 50000);
    bounds(topic, &low, &high);
    return low == offset;
}

static void real_topics_are_made_and_trimmed(void **state)
{
    const char *topic = fresh_name("bus");
    const struct bus_topic topics[] = {{.name = topic, .partitions = 1, .keep_all = true}};
    struct heard heard = {0};

    (void)state;
    if (!real_kafka())
        skip();
    struct config config = test_config(real_kafka(), "x.");
    struct bus *bus = open_bus(&config, 10000);
    bus_ensure_topics(bus, topics, 1);
    bus_ensure_topics(bus, topics, 1);
    for (int i = 0; i < 10; i++)
        post(bus, topic, "a", &heard);
    pump_until(heard.answers == 10);
    assert_int_equal(heard.delivered, 10);
    assert_true(bus_is_up(bus));
    bus_ensure_topics(bus, topics, 1); /* it is there already: nothing is wrong */
    bus_delete_before(bus, topic, 0, 7);
    pump_until(begins_at(topic, 7));
    bus_close(bus, 100);
}

static int begin(void **state)
{
    (void)state;
    mock_open(&mock, 1);
    return sd_event_default(&loop) < 0;
}

static int end(void **state)
{
    (void)state;
    mock_close(&mock);
    sd_event_unref(loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_message_has_its_position),
        cmocka_unit_test(what_can_never_go_is_rejected),
        cmocka_unit_test(a_setting_that_promises_rest_on_is_refused),
        cmocka_unit_test(an_outage_is_told_and_passes),
        cmocka_unit_test(closing_answers_what_is_open),
        cmocka_unit_test(real_topics_are_made_and_trimmed),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
