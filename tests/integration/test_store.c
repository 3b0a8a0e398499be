/*
 * The store between Kafka (the mock, so that it can be hurt; the real one for the way through) and
 * a real PostgreSQL: nothing lost, nothing twice, whatever happens in between.
 */
#include "tests/integration/real.h"

#include "common/command.h"
#include "common/json.h"
#include "common/metrics.h"
#include "common/migrate.h"
#include "consumer/deadletter.h"
#include "consumer/store.h"

static struct mock mock;

struct stage {
    struct config config;
    char commands[300];
    const char *database;
    PGconn *sql;
    struct bus *bus;
    struct store *store;
};

static int answered, failed;

static void on_answer(void *data, const struct bus_position *where, const struct fault *fault)
{
    (void)data, (void)fault;
    answered += where != NULL;
    failed += where == NULL;
}

static bool schema_there;

static void on_schema(void *data, const struct fault *fault)
{
    (void)data;
    if (fault)
        fail_msg("%s", fault->text);
    schema_there = true;
}

static void make_schema(const struct config *config)
{
    struct db *db = NULL;
    struct fault fault;

    if (!db_open(&db, loop,
                 &(struct db_settings){.conninfo = config->database_url, .name = "schema"}, &fault))
        fail_msg("%s", fault.text);
    pump_until(db_is_ready(db));
    schema_there = false;
    migrate_run(db, true, on_schema, NULL);
    pump_until(schema_there);
    db_close(db);
}

static void send_cancel(struct stage *stage, const struct uuid *id, const char *reason)
{
    const struct command_action cancel = {
        .kind = COMMAND_CANCEL, .id = *id, .command = uuid_random(), .reason = reason};
    struct fault fault;

    if (!command_send_action(stage->bus, stage->commands, "test", &cancel, on_answer, NULL, &fault))
        fail_msg("%s", fault.text);
}

static void open_store(struct stage *stage)
{
    struct fault fault;

    if (!store_open(&stage->store, loop, &stage->config, &fault))
        fail_msg("%s", fault.text);
}

static void set_stage(struct stage *stage, bool real)
{
    const char *prefix = fresh_name("store_");
    struct fault fault;

    stage->database = prefix;
    stage->config =
        test_config(real ? real_kafka() : rd_kafka_mock_cluster_bootstraps(mock.cluster), prefix);
    stage->config.database_url = make_database(stage->database);
    stage->sql = connect_to(stage->config.database_url);
    snprintf(stage->commands, sizeof stage->commands, "%scommands", prefix);
    make_schema(&stage->config);
    if (!bus_open(
            &stage->bus, loop,
            &(struct bus_settings){
                .config = &stage->config, .timeout_ms = 20000, .linger_ms = 2, .look_ms = 1000},
            &fault))
        fail_msg("%s", fault.text);
    if (real)
        bus_ensure_topics(
            stage->bus,
            &(struct bus_topic){.name = stage->commands, .partitions = 4, .keep_all = true}, 1);
    else
        mock_topic(&mock, stage->commands, 4);
    answered = failed = 0;
}

static void strike(struct stage *stage)
{
    store_close(stage->store);
    bus_close(stage->bus, 100);
    PQfinish(stage->sql);
    drop_database(stage->database);
}

static void post_record(struct stage *stage, const char *topic, const char *type, const char *key,
                        const char *value)
{
    const struct bus_header headers[] = {{"ce_type", type}};
    struct bus_message message = {.topic = topic,
                                  .partition = -1,
                                  .key = key,
                                  .key_size = strlen(key),
                                  .value = value,
                                  .value_size = strlen(value),
                                  .headers = headers,
                                  .header_count = *type ? 1 : 0};
    struct fault fault;

    if (!bus_send(stage->bus, &message, on_answer, NULL, &fault))
        fail_msg("%s", fault.text);
}

/* Sends one task as the producer does; `key` may be NULL. */
static struct uuid post_task(struct stage *stage, const char *text, const char *key)
{
    struct problems problems = {0};
    struct json_object *object;
    struct task task;
    struct fault fault;

    if (!json_read(&object, text, strlen(text), &fault))
        fail_msg("%s", fault.text);
    if (!task_read(&task, object, key, clock_wall_us(), &problems))
        fail_msg("%s %s", problems.list[0].pointer, problems.list[0].detail);
    if (!command_send_task(stage->bus, stage->commands, "test", &task, on_answer, NULL, &fault))
        fail_msg("%s", fault.text);
    struct uuid id = task.id;
    task_done(&task);
    json_object_put(object);
    return id;
}

static void post_tasks(struct stage *stage, int count)
{
    for (int i = 0; i < count; i++)
        post_task(stage,
                  "{\"type\":\"log\",\"delay\":\"PT1H\",\"payload\":{\"a\":1},\"tags\":[\"t\"]}",
                  NULL);
}

static long tasks(struct stage *stage)
{
    return count_sql(stage->sql, "SELECT count(*) FROM task");
}

static long stored_upto(struct stage *stage)
{
    return count_sql(stage->sql, "SELECT coalesce(sum(next), 0) FROM ingest_offset");
}

static void check_whole(struct stage *stage, long count)
{
    assert_int_equal(tasks(stage), count);
    assert_int_equal(count_sql(stage->sql, "SELECT count(*) FROM due"), count);
    assert_int_equal(
        count_sql(stage->sql, "SELECT count(*) FROM task t JOIN due d ON d.task_id = t.id"), count);
}

static void all_are_stored_once(bool real, int count)
{
    struct stage stage;
    char why[160];

    set_stage(&stage, real);
    run_sql(stage.sql, "LISTEN rota_due");
    open_store(&stage);
    int64_t start = clock_boot_us();
    for (int sent = 0; sent < count; sent += 1000) {
        post_tasks(&stage, count - sent < 1000 ? count - sent : 1000);
        pump_until(bus_waiting(stage.bus) < 5000);
    }
    pump_until(stored_upto(&stage) == count);
    print_message("%d tasks in %.2f s\n", count, (double)(clock_boot_us() - start) / 1e6);
    check_whole(&stage, count);
    assert_int_equal(count_sql(stage.sql, "SELECT count(*) FROM task_tag"), count);
    assert_true(store_check(stage.store, why));
    PQconsumeInput(stage.sql);
    PGnotify *notice = PQnotifies(stage.sql);
    assert_non_null(notice);
    assert_int_equal(strncmp(notice->extra, "default 0 ", 10), 0);
    PQfreemem(notice);
    /* Another one goes on where this one stood. */
    store_close(stage.store);
    post_tasks(&stage, 100);
    open_store(&stage);
    pump_until(stored_upto(&stage) == count + 100);
    check_whole(&stage, count + 100);
    strike(&stage);
}

static void mock_all_are_stored_once(void **state)
{
    (void)state;
    all_are_stored_once(false, 3000);
}

static void real_all_are_stored_once(void **state)
{
    (void)state;
    if (!real_kafka())
        skip();
    all_are_stored_once(true, 50000);
}

static void the_same_id_twice_is_one_task(void **state)
{
    struct stage stage;

    (void)state;
    set_stage(&stage, false);
    for (int i = 0; i < 3; i++)
        post_task(&stage, "{\"type\":\"log\",\"payload\":1}", "key");
    post_task(&stage, "{\"type\":\"log\",\"payload\":2}", "key");
    open_store(&stage);
    pump_until(stored_upto(&stage) == 4);
    check_whole(&stage, 1);
    assert_string_equal(ask_sql(stage.sql, "SELECT payload FROM task"), "1");
    assert_string_equal(ask_sql(stage.sql, "SELECT code FROM rejected"), "idempotency-key-reused");
    assert_string_equal(
        ask_sql(stage.sql, "SELECT convert_from(bytes, 'UTF8')::jsonb -> 'payload' FROM rejected"),
        "2");
    strike(&stage);
}

static void what_cannot_be_read_is_kept_with_its_reason(void **state)
{
    struct stage stage;

    (void)state;
    set_stage(&stage, false);
    post_record(&stage, stage.commands, "", "a", "\xff\xfegarbage");
    post_record(&stage, stage.commands, "rota.task.schedule.v1", "b", "{\"id\":7}");
    post_record(&stage, stage.commands, "rota.task.schedule.v1", "c", "[1,2");
    post_record(&stage, stage.commands, "rota.task.schedule.v99", "d", "{}");
    post_record(&stage, stage.commands, "another.thing.v1", "e", "{}");
    post_tasks(&stage, 10);
    open_store(&stage);
    pump_until(stored_upto(&stage) == 15);
    check_whole(&stage, 10);
    assert_int_equal(count_sql(stage.sql, "SELECT count(*) FROM rejected"), 5);
    assert_int_equal(
        count_sql(stage.sql, "SELECT count(*) FROM rejected WHERE detail <> '' AND bytes <> ''"),
        5);
    strike(&stage);
}

static void what_the_database_refuses_is_found_by_halving(void **state)
{
    struct stage stage;

    (void)state;
    set_stage(&stage, false);
    run_sql(stage.sql, "ALTER TABLE task ADD CHECK (queue <> 'bad')");
    post_tasks(&stage, 200);
    post_task(&stage, "{\"type\":\"log\",\"queue\":\"bad\"}", NULL);
    post_tasks(&stage, 200);
    post_task(&stage, "{\"type\":\"log\",\"queue\":\"bad\"}", NULL);
    pump_until(answered == 402);
    open_store(&stage);
    pump_until(stored_upto(&stage) == 402);
    check_whole(&stage, 400);
    assert_int_equal(
        count_sql(stage.sql, "SELECT count(*) FROM rejected WHERE code = 'database-refused'"), 2);
    strike(&stage);
}

/* Somebody else stores the same task at the same moment, as another producer's partition may. */
static void who_was_first_is_seen_the_second_time(void **state)
{
    struct uuid id = uuid_derived("task", "key");
    struct stage stage;
    char text[UUID_TEXT], insert[400];

    (void)state;
    set_stage(&stage, false);
    PGconn *other = connect_to(stage.config.database_url);

    snprintf(
        insert, sizeof insert,
        "BEGIN; INSERT INTO task (id, type, queue, priority, run_at, created_at, on_lost, size)"
        " VALUES ('%s', 'log', 'default', 0, 'infinity', now(), 'retry', 0);"
        "INSERT INTO due SELECT id, queue, priority, run_at, 0, 0 FROM task",
        uuid_write(text, &id));
    run_sql(other, insert);
    post_tasks(&stage, 50);
    post_task(&stage, "{\"type\":\"log\",\"payload\":1}", "key");
    pump_until(answered == 51);
    open_store(&stage);
    pump_until(count_sql(stage.sql, "SELECT count(*) FROM pg_stat_activity WHERE datname ="
                                    " current_database() AND application_name = 'rota store'"
                                    " AND wait_event_type = 'Lock'"));
    run_sql(other, "COMMIT");
    PQfinish(other);
    pump_until(stored_upto(&stage) == 51);
    check_whole(&stage, 51);
    assert_string_equal(ask_sql(stage.sql, "SELECT code FROM rejected"), "idempotency-key-reused");
    strike(&stage);
}

/* A row that should not be there: the record is kept aside, and holds up nobody. */
static void a_key_that_stays_taken_is_refused(void **state)
{
    struct uuid id = uuid_derived("task", "key");
    struct stage stage;
    char text[UUID_TEXT], insert[160];

    (void)state;
    set_stage(&stage, false);
    snprintf(insert, sizeof insert, "INSERT INTO due VALUES ('%s', 'default', 0, 'infinity', 0, 0)",
             uuid_write(text, &id));
    run_sql(stage.sql, insert);
    post_tasks(&stage, 50);
    post_task(&stage, "{\"type\":\"log\",\"payload\":1}", "key");
    post_tasks(&stage, 50);
    open_store(&stage);
    pump_until(stored_upto(&stage) == 101);
    assert_int_equal(tasks(&stage), 100);
    assert_string_equal(ask_sql(stage.sql, "SELECT code FROM rejected"), "database-refused");
    strike(&stage);
}

static void a_cancel_comes_after_what_came_before_it(void **state)
{
    struct stage stage;
    struct uuid id, late = uuid_random();

    (void)state;
    set_stage(&stage, false);
    for (int i = 0; i < 20; i++) {
        id = post_task(&stage, "{\"type\":\"log\",\"delay\":\"PT1H\"}", NULL);
        if (i % 2)
            send_cancel(&stage, &id, "not needed");
    }
    send_cancel(&stage, &late, "");
    open_store(&stage);
    pump_until(stored_upto(&stage) == 31);
    assert_int_equal(tasks(&stage), 20);
    assert_int_equal(count_sql(stage.sql, "SELECT count(*) FROM due"), 10);
    assert_int_equal(count_sql(stage.sql, "SELECT count(*) FROM task_end WHERE state = 'cancelled' "
                                          "AND reason = 'not needed'"),
                     10);
    strike(&stage);
}

static void an_open_attempt_is_asked_to_stop(void **state)
{
    struct stage stage;
    struct uuid id;

    (void)state;
    set_stage(&stage, false);
    open_store(&stage);
    id = post_task(&stage, "{\"type\":\"log\",\"delay\":\"PT1H\"}", NULL);
    pump_until(tasks(&stage) == 1);
    run_sql(stage.sql,
            "LISTEN rota_x_00000000000040008000000000000001;"
            "INSERT INTO attempt SELECT task_id, 1, '00000000-0000-4000-8000-000000000001', 1, "
            "now() FROM due; DELETE FROM due");
    send_cancel(&stage, &id, "stop it");
    pump_until(stored_upto(&stage) == 2);
    assert_string_equal(
        ask_sql(stage.sql, "SELECT cancel_reason FROM attempt WHERE cancel_at IS NOT NULL"),
        "stop it");
    PGnotify *notice = PQnotifies(stage.sql);
    assert_non_null(notice);
    assert_string_equal(notice->extra, "cancel");
    PQfreemem(notice);
    strike(&stage);
}

/* Connections are ended, tables are locked, in the middle of everything. */
static void outages_of_the_database_lose_and_double_nothing(void **state)
{
    struct stage stage;
    char why[160];

    (void)state;
    set_stage(&stage, false);
    open_store(&stage);
    for (int round = 0; round < 10; round++) {
        post_tasks(&stage, 500);
        pump_for(30000 + round * 7000);
        run_sql(stage.sql, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                           "WHERE application_name = 'rota store'");
    }
    pump_until(stored_upto(&stage) == 5000);
    run_sql(stage.sql, "BEGIN; LOCK TABLE task IN ACCESS EXCLUSIVE MODE");
    post_tasks(&stage, 6000);
    pump_for(2500000);
    assert_false(store_check(stage.store, why));
    run_sql(stage.sql, "COMMIT");
    pump_until(stored_upto(&stage) == 11000);
    check_whole(&stage, 11000);
    pump_until(store_check(stage.store, why));
    strike(&stage);
}

static void an_outage_of_kafka_passes(void **state)
{
    struct stage stage;

    (void)state;
    set_stage(&stage, false);
    open_store(&stage);
    post_tasks(&stage, 500);
    pump_until(stored_upto(&stage) == 500);
    rd_kafka_mock_broker_set_down(mock.cluster, 1);
    pump_for(1000000);
    rd_kafka_mock_broker_set_up(mock.cluster, 1);
    post_tasks(&stage, 500);
    pump_until(stored_upto(&stage) == 1000);
    check_whole(&stage, 1000);
    strike(&stage);
}

/* A database that failed over and lost its last commits, or another owner: what it says counts. */
static void an_offset_that_moved_is_followed(void **state)
{
    struct stage stage;

    (void)state;
    set_stage(&stage, false);
    open_store(&stage);
    post_tasks(&stage, 1000);
    pump_until(stored_upto(&stage) == 1000);
    run_sql(stage.sql, "BEGIN; DELETE FROM task; DELETE FROM due; DELETE FROM task_tag;"
                       "UPDATE ingest_offset SET next = next / 2; COMMIT");
    double before = metrics_get(METRIC_INGEST_FENCED);
    long kept = stored_upto(&stage);
    post_tasks(&stage, 100);
    pump_until(stored_upto(&stage) == 1100);
    assert_true(metrics_get(METRIC_INGEST_FENCED) > before);
    check_whole(&stage, 1100 - kept);
    strike(&stage);
}

static void two_stores_share_and_take_over(void **state)
{
    struct stage stage;
    struct store *other = NULL;
    struct fault fault;

    (void)state;
    set_stage(&stage, false);
    open_store(&stage);
    post_tasks(&stage, 1000);
    pump_until(stored_upto(&stage) == 1000);
    assert_true(store_open(&other, loop, &stage.config, &fault));
    for (int i = 0; i < 40; i++) {
        post_tasks(&stage, 100);
        pump_for(100000);
    }
    pump_until(stored_upto(&stage) == 5000);
    store_close(stage.store);
    stage.store = other;
    post_tasks(&stage, 1000);
    pump_until(stored_upto(&stage) == 6000);
    check_whole(&stage, 6000);
    strike(&stage);
}

static void another_kafka_stops_the_partition_until_accepted(void **state)
{
    struct stage stage;
    char why[160];

    (void)state;
    set_stage(&stage, false);
    run_sql(stage.sql, "INSERT INTO ingest_offset VALUES ('x', 0, 'other', 70)");
    PQclear(PQexec(stage.sql, "UPDATE ingest_offset SET topic = current_database() || 'commands'"));
    post_tasks(&stage, 400);
    pump_until(answered == 400);
    open_store(&stage);
    pump_until(count_sql(stage.sql, "SELECT count(*) FROM ingest_offset WHERE next > 0") == 4);
    pump_for(500000);
    assert_true(tasks(&stage) < 400);
    assert_int_equal(
        count_sql(stage.sql, "SELECT next FROM ingest_offset WHERE cluster_id = 'other'"), 70);
    assert_false(store_check(stage.store, why));
    assert_non_null(strstr(why, "stands still"));
    store_close(stage.store);
    stage.config.kafka_accept_gap = "nothing/0, all/7";
    char accepted[320];
    snprintf(accepted, sizeof accepted, "other/1,%s/0", stage.commands);
    stage.config.kafka_accept_gap = accepted;
    open_store(&stage);
    pump_until(tasks(&stage) == 400);
    pump_until(stored_upto(&stage) == 400);
    check_whole(&stage, 400);
    strike(&stage);
}

static void a_place_outside_of_kafka_stops_the_partition_until_accepted(void **state)
{
    struct stage stage;
    char why[160];

    (void)state;
    set_stage(&stage, false);
    post_tasks(&stage, 400);
    open_store(&stage);
    pump_until(stored_upto(&stage) == 400);
    store_close(stage.store);
    run_sql(stage.sql, "UPDATE ingest_offset SET next = 1000000 WHERE partition = 1");
    open_store(&stage);
    pump_until(!store_check(stage.store, why) && strstr(why, "stands still"));
    store_close(stage.store);
    stage.config.kafka_accept_gap = "all";
    open_store(&stage);
    pump_until(stored_upto(&stage) == 400);
    check_whole(&stage, 400);
    strike(&stage);
}

static void the_founding_topic_is_taken_too(void **state)
{
    struct stage stage;

    (void)state;
    set_stage(&stage, false);
    stage.config.kafka_legacy_topic = fresh_name("legacy");
    mock_topic(&mock, stage.config.kafka_legacy_topic, 1);
    post_record(&stage, stage.config.kafka_legacy_topic, "", "",
                "{\"execTs\":1893456000000,\"data\":\"hello\"}");
    post_record(&stage, stage.config.kafka_legacy_topic, "", "", "{\"execTs\":\"soon\"}");
    open_store(&stage);
    pump_until(stored_upto(&stage) == 2);
    check_whole(&stage, 1);
    assert_string_equal(ask_sql(stage.sql, "SELECT extract(epoch FROM run_at)::bigint FROM task"),
                        "1893456000");
    assert_int_equal(count_sql(stage.sql, "SELECT count(*) FROM rejected"), 1);
    strike(&stage);
}

static bool drained;

static void on_drained(void *data)
{
    (void)data;
    drained = true;
}

static void a_drain_ends_after_what_is_under_way(void **state)
{
    struct stage stage;

    (void)state;
    set_stage(&stage, false);
    open_store(&stage);
    post_tasks(&stage, 2000);
    pump_until(tasks(&stage) > 0);
    drained = false;
    store_drain(stage.store, on_drained, NULL);
    pump_until(drained);
    long count = tasks(&stage);
    pump_for(300000);
    assert_int_equal(tasks(&stage), count);
    assert_int_equal(stored_upto(&stage), count);
    strike(&stage);
}

static void rejections_become_dead_letters(void **state)
{
    struct stage stage;
    char letters[300];
    struct db *db = NULL;
    struct fault fault;
    struct uuid owner = uuid_random();
    char text[UUID_TEXT], sql[300];

    (void)state;
    set_stage(&stage, false);
    snprintf(letters, sizeof letters, "%sdead-letters", stage.database);
    mock_topic(&mock, letters, 1);
    for (int i = 0; i < 50; i++)
        post_record(&stage, stage.commands, "", "key", "garbage");
    open_store(&stage);
    pump_until(stored_upto(&stage) == 50);
    assert_true(db_open(
        &db, loop, &(struct db_settings){.conninfo = stage.config.database_url, .name = "letters"},
        &fault));
    struct deadletter *deadletter = deadletter_new(loop, db, stage.bus, &stage.config);
    snprintf(sql, sizeof sql,
             "UPDATE master SET owner = '%s', epoch = 3, expires_at = now() + interval '1 hour'",
             uuid_write(text, &owner));
    run_sql(stage.sql, sql);
    /* One that is not the master (any more) marks nothing. */
    deadletter_start(deadletter, &owner, 2);
    double before = metrics_get(METRIC_DEAD_LETTERS);
    pump_until(metrics_get(METRIC_DEAD_LETTERS) >= before + 20);
    pump_for(200000);
    assert_int_equal(count_sql(stage.sql, "SELECT count(published_at) FROM rejected"), 0);
    deadletter_stop(deadletter);
    deadletter_start(deadletter, &owner, 3);
    pump_until(count_sql(stage.sql, "SELECT count(published_at) FROM rejected") == 50);
    deadletter_stop(deadletter);
    db_close(db);
    strike(&stage);
    deadletter_free(deadletter);
}

static int64_t oldest(const char *topic)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int64_t low = -1, high = -1;
    char why[200];

    rd_kafka_conf_set(conf, "bootstrap.servers", real_kafka(), why, sizeof why);
    rd_kafka_t *kafka = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    rd_kafka_query_watermark_offsets(kafka, topic, 0, &low, &high, 5000);
    rd_kafka_destroy(kafka);
    return low;
}

static void real_commands_leave_behind_the_store(void **state)
{
    struct stage stage;
    struct db *db = NULL;
    struct fault fault;
    struct uuid owner = uuid_random();
    char text[UUID_TEXT], sql[400];

    (void)state;
    if (!real_kafka())
        skip();
    set_stage(&stage, true);
    post_tasks(&stage, 400);
    open_store(&stage);
    pump_until(stored_upto(&stage) == 400);
    assert_true(db_open(
        &db, loop, &(struct db_settings){.conninfo = stage.config.database_url, .name = "letters"},
        &fault));
    pump_until(db_is_ready(db) && bus_cluster(stage.bus));
    snprintf(sql, sizeof sql,
             "UPDATE master SET owner = '%s', epoch = 3, expires_at = now() + interval '1 hour';"
             "INSERT INTO ingest_mark SELECT topic, 0, now() - h * interval '1 hour', 50 - h * 10 "
             "FROM ingest_offset, generate_series(0, 3) h WHERE partition = 0",
             uuid_write(text, &owner));
    run_sql(stage.sql, sql);
    struct deadletter *deadletter = deadletter_new(loop, db, stage.bus, &stage.config);
    deadletter_start(deadletter, &owner, 3);
    /* Kept for an hour: the newest mark older than that is the one at 40. */
    for (int64_t low = 0; low != 40; low = oldest(stage.commands))
        sd_event_run(loop, 50000);
    assert_int_equal(count_sql(stage.sql, "SELECT count(*) FROM ingest_mark WHERE partition = 0"),
                     2);
    assert_int_equal(count_sql(stage.sql, "SELECT count(*) FROM ingest_mark"), 5);
    deadletter_stop(deadletter);
    db_close(db);
    strike(&stage);
    deadletter_free(deadletter);
}

static int begin(void **state)
{
    (void)state;
    if (!getenv("TEST_DATABASE_URL"))
        exit(77);
    log_open(&(struct log_settings){.least = LOG_WARN, .to_stderr = true, .name = "test"}, NULL);
    mock_open(&mock, 1);
    return sd_event_default(&loop) < 0;
}

static int end(void **state)
{
    (void)state;
    mock_close(&mock);
    sd_event_unref(loop);
    log_close();
    return 0;
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mock_all_are_stored_once),
        cmocka_unit_test(the_same_id_twice_is_one_task),
        cmocka_unit_test(what_cannot_be_read_is_kept_with_its_reason),
        cmocka_unit_test(what_the_database_refuses_is_found_by_halving),
        cmocka_unit_test(who_was_first_is_seen_the_second_time),
        cmocka_unit_test(a_key_that_stays_taken_is_refused),
        cmocka_unit_test(a_cancel_comes_after_what_came_before_it),
        cmocka_unit_test(an_open_attempt_is_asked_to_stop),
        cmocka_unit_test(outages_of_the_database_lose_and_double_nothing),
        cmocka_unit_test(an_outage_of_kafka_passes),
        cmocka_unit_test(an_offset_that_moved_is_followed),
        cmocka_unit_test(two_stores_share_and_take_over),
        cmocka_unit_test(another_kafka_stops_the_partition_until_accepted),
        cmocka_unit_test(a_place_outside_of_kafka_stops_the_partition_until_accepted),
        cmocka_unit_test(the_founding_topic_is_taken_too),
        cmocka_unit_test(a_drain_ends_after_what_is_under_way),
        cmocka_unit_test(rejections_become_dead_letters),
        cmocka_unit_test(real_all_are_stored_once),
        cmocka_unit_test(real_commands_leave_behind_the_store),
    };

    if (count > 1)
        cmocka_set_test_filter(arguments[1]);
    return cmocka_run_group_tests(tests, begin, end);
}
