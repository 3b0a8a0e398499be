/* Receiving: where a partition begins, gaps, pauses, two members; against the mock and real Kafka.
 */
#include "tests/integration/real.h"

#include "common/bus.h"
#include "common/feed.h"

#define PARTS 4
#define RECORDS 400

static struct mock mock;

/* An owner that begins every partition where `from` says and counts what comes. */
struct reader {
    struct feed *feed;
    int64_t from;
    bool hold; /* does not begin by itself */
    int assigned, revoked, drained, gaps, records;
    bool mine[PARTS];
    int64_t next[PARTS]; /* -1: nothing seen */
    int disorder;        /* records that were not the next one */
    char gap[200];
};

static void on_assigned(void *data, const char *topic, int32_t partition)
{
    struct reader *reader = data;

    reader->assigned++;
    reader->mine[partition] = true;
    reader->next[partition] = -1;
    if (!reader->hold)
        feed_begin(reader->feed, topic, partition, reader->from);
}

static void on_revoked(void *data, const char *topic, int32_t partition)
{
    struct reader *reader = data;

    (void)topic;
    reader->revoked++;
    reader->mine[partition] = false;
}

static void on_received(void *data, rd_kafka_message_t *message)
{
    struct reader *reader = data;
    int64_t *next = &reader->next[message->partition];

    assert_true(reader->mine[message->partition]);
    reader->records++;
    reader->disorder += *next >= 0 && message->offset != *next;
    *next = message->offset + 1;
    rd_kafka_message_destroy(message);
}

static void on_drained(void *data)
{
    ((struct reader *)data)->drained++;
}

static void on_gap(void *data, const char *topic, int32_t partition, const struct fault *fault)
{
    struct reader *reader = data;

    (void)topic, (void)partition;
    reader->gaps++;
    snprintf(reader->gap, sizeof reader->gap, "%s", fault->text);
}

static void open_reader(struct reader *reader, const struct config *config, const char *topic)
{
    const struct feed_owner owner = {.assigned = on_assigned,
                                     .revoked = on_revoked,
                                     .received = on_received,
                                     .drained = on_drained,
                                     .gap = on_gap,
                                     .data = reader};
    struct fault fault;

    if (!feed_open(&reader->feed, loop, config, &topic, 1, &owner, &fault))
        fail_msg("%s", fault.text);
}

static int mine(const struct reader *reader)
{
    int count = 0;

    for (int i = 0; i < PARTS; i++)
        count += reader->mine[i];
    return count;
}

static int answered;

static void on_answer(void *data, const struct bus_position *where, const struct fault *fault)
{
    (void)data;
    if (fault)
        fail_msg("%s", fault->text);
    assert_non_null(where);
    answered++;
}

/* Sends `count` records, round the partitions. */
static void fill(struct bus *bus, const char *topic, int count)
{
    struct fault fault;

    answered = 0;
    for (int i = 0; i < count; i++) {
        struct bus_message message = {
            .topic = topic, .partition = i % PARTS, .value = "x", .value_size = 1};

        if (!bus_send(bus, &message, on_answer, NULL, &fault))
            fail_msg("%s", fault.text);
    }
    pump_until(answered == count);
}

struct stage {
    struct config config;
    const char *topic;
    struct bus *bus;
};

/* A topic with records; on the mock, or on real Kafka. */
static void set_stage(struct stage *stage, bool real, int records)
{
    struct fault fault;

    stage->topic = fresh_name("feed");
    stage->config = test_config(
        real ? real_kafka() : rd_kafka_mock_cluster_bootstraps(mock.cluster), stage->topic);
    if (!bus_open(
            &stage->bus, loop,
            &(struct bus_settings){
                .config = &stage->config, .timeout_ms = 20000, .linger_ms = 1, .look_ms = 1000},
            &fault))
        fail_msg("%s", fault.text);
    if (real)
        bus_ensure_topics(stage->bus,
                          &(struct bus_topic){.name = stage->topic, .partitions = PARTS}, 1);
    else
        mock_topic(&mock, stage->topic, PARTS);
    fill(stage->bus, stage->topic, records);
}

static void strike(struct stage *stage)
{
    bus_close(stage->bus, 100);
}

static void everything_in_order(bool real)
{
    struct reader reader = {.from = FEED_FIRST};
    struct stage stage;

    set_stage(&stage, real, RECORDS);
    open_reader(&reader, &stage.config, stage.topic);
    pump_until(reader.records == RECORDS);
    fill(stage.bus, stage.topic, RECORDS);
    pump_until(reader.records == 2 * RECORDS);
    assert_int_equal(reader.disorder, 0);
    assert_true(reader.drained > 0);
    assert_true(feed_is_joined(reader.feed));
    assert_non_null(feed_cluster(reader.feed));
    feed_tell(reader.feed, stage.topic, 0, 10);
    feed_close(reader.feed);
    strike(&stage);
}

static void nothing_before_it_is_begun(bool real)
{
    struct reader reader = {.hold = true};
    struct stage stage;

    set_stage(&stage, real, RECORDS);
    open_reader(&reader, &stage.config, stage.topic);
    pump_until(reader.assigned == PARTS);
    pump_for(500000);
    assert_int_equal(reader.records, 0);
    feed_begin(reader.feed, stage.topic, 1, 40);
    pump_until(reader.records == RECORDS / PARTS - 40);
    /* Begun again further back: from there, each once. */
    reader.next[1] = -1;
    reader.records = 0;
    feed_begin(reader.feed, stage.topic, 1, 10);
    pump_until(reader.records == RECORDS / PARTS - 10);
    pump_for(300000);
    assert_int_equal(reader.records, RECORDS / PARTS - 10);
    assert_int_equal(reader.disorder, 0);
    feed_close(reader.feed);
    strike(&stage);
}

static void a_place_outside_is_a_gap(bool real)
{
    struct reader reader = {.hold = true};
    struct stage stage;

    set_stage(&stage, real, RECORDS);
    open_reader(&reader, &stage.config, stage.topic);
    pump_until(reader.assigned == PARTS);
    feed_begin(reader.feed, stage.topic, 2, 1000000);
    feed_begin(reader.feed, stage.topic, 3, 0);
    pump_until(reader.gaps == 1);
    assert_non_null(strstr(reader.gap, "ffset"));
    pump_until(reader.records == RECORDS / PARTS);
    feed_begin(reader.feed, stage.topic, 2, FEED_FIRST);
    pump_until(reader.records == 2 * RECORDS / PARTS);
    assert_int_equal(reader.gaps, 1);
    feed_close(reader.feed);
    strike(&stage);
}

static void a_long_pause_loses_and_doubles_nothing(bool real)
{
    struct reader reader = {.from = FEED_FIRST};
    struct stage stage;
    int before;

    set_stage(&stage, real, RECORDS);
    open_reader(&reader, &stage.config, stage.topic);
    pump_until(reader.records == RECORDS);
    feed_pause(reader.feed);
    before = reader.records;
    fill(stage.bus, stage.topic, RECORDS);
    pump_for(2500000); /* beyond the hold */
    assert_int_equal(reader.records, before);
    assert_int_equal(mine(&reader), PARTS); /* the membership is kept */
    feed_resume(reader.feed);
    pump_until(reader.records == 2 * RECORDS);
    feed_pause(reader.feed);
    fill(stage.bus, stage.topic, RECORDS);
    pump_for(200000); /* a short one */
    feed_resume(reader.feed);
    pump_until(reader.records == 3 * RECORDS);
    assert_int_equal(reader.disorder, 0);
    feed_close(reader.feed);
    strike(&stage);
}

static void two_members_share(bool real)
{
    struct reader one = {.from = FEED_FIRST}, two = {.from = FEED_FIRST};
    struct stage stage;

    set_stage(&stage, real, RECORDS);
    open_reader(&one, &stage.config, stage.topic);
    pump_until(mine(&one) == PARTS);
    open_reader(&two, &stage.config, stage.topic);
    pump_until(mine(&one) == PARTS / 2 && mine(&two) == PARTS / 2);
    for (int i = 0; i < PARTS; i++)
        assert_true(one.mine[i] != two.mine[i]);
    feed_close(one.feed);
    pump_until(mine(&two) == PARTS);
    two.records = 0;
    fill(stage.bus, stage.topic, RECORDS);
    pump_until(two.records >= RECORDS);
    assert_int_equal(two.disorder, 0);
    feed_close(two.feed);
    strike(&stage);
}

#define BOTH(name)                                                                                 \
    static void mock_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        name(false);                                                                               \
    }                                                                                              \
    static void real_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        if (!real_kafka())                                                                         \
            skip();                                                                                \
        name(true);                                                                                \
    }

BOTH(everything_in_order)
BOTH(nothing_before_it_is_begun)
BOTH(a_place_outside_is_a_gap)
BOTH(a_long_pause_loses_and_doubles_nothing)
BOTH(two_members_share)

static void an_outage_passes(void **state)
{
    struct reader reader = {.from = FEED_FIRST};
    struct stage stage;

    (void)state;
    set_stage(&stage, false, RECORDS);
    open_reader(&reader, &stage.config, stage.topic);
    pump_until(reader.records == RECORDS);
    rd_kafka_mock_broker_set_down(mock.cluster, 1);
    pump_for(1500000);
    rd_kafka_mock_broker_set_up(mock.cluster, 1);
    fill(stage.bus, stage.topic, RECORDS);
    pump_until(reader.records == 2 * RECORDS);
    assert_int_equal(reader.disorder, 0);
    feed_close(reader.feed);
    strike(&stage);
}

/* The end of a program must not wait for a Kafka that is away. */
static void closing_is_quick_while_kafka_is_away(void **state)
{
    struct reader reader = {.from = FEED_FIRST};
    struct stage stage;

    (void)state;
    set_stage(&stage, false, RECORDS);
    open_reader(&reader, &stage.config, stage.topic);
    pump_until(reader.records == RECORDS);
    rd_kafka_mock_broker_set_down(mock.cluster, 1);
    int64_t start = clock_boot_us();
    feed_close(reader.feed);
    assert_true(clock_boot_us() - start < 5000000);
    rd_kafka_mock_broker_set_up(mock.cluster, 1);
    strike(&stage);
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
        cmocka_unit_test(mock_everything_in_order),
        cmocka_unit_test(mock_nothing_before_it_is_begun),
        cmocka_unit_test(mock_a_place_outside_is_a_gap),
        cmocka_unit_test(mock_a_long_pause_loses_and_doubles_nothing),
        cmocka_unit_test(mock_two_members_share),
        cmocka_unit_test(an_outage_passes),
        cmocka_unit_test(closing_is_quick_while_kafka_is_away),
        cmocka_unit_test(real_everything_in_order),
        cmocka_unit_test(real_nothing_before_it_is_begun),
        cmocka_unit_test(real_a_place_outside_is_a_gap),
        cmocka_unit_test(real_a_long_pause_loses_and_doubles_nothing),
        cmocka_unit_test(real_two_members_share),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
