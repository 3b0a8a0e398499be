/*
 * What the integration tests share: a loop that is turned until a condition holds, Kafka
 * (librdkafka's mock in this process, or the real one at TEST_KAFKA_BROKERS), and a database of its
 * own on the server at TEST_DATABASE_URL. A test that lacks its server is skipped.
 */
#pragma once

#include "tests/unit/unit.h"

#include "common/clock.h"
#include "common/config.h"
#include "common/log.h"

#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#define REAL_LIMIT_US INT64_C(30000000)

static sd_event *loop;

/* Turns the loop until `condition` holds; fails after half a minute. */
#define pump_until(condition)                                                                      \
    do {                                                                                           \
        int64_t pump_end = clock_boot_us() + REAL_LIMIT_US;                                        \
        while (!(condition)) {                                                                     \
            if (clock_boot_us() > pump_end)                                                        \
                fail_msg("not within 30 s: %s", #condition);                                       \
            sd_event_run(loop, 20000);                                                             \
        }                                                                                          \
    } while (0)

/* Turns the loop for a time in which something must not happen. */
static inline void pump_for(int64_t us)
{
    int64_t end = clock_boot_us() + us;

    while (clock_boot_us() < end)
        sd_event_run(loop, 20000);
}

struct mock {
    rd_kafka_t *kafka;
    rd_kafka_mock_cluster_t *cluster;
};

static inline void mock_open(struct mock *mock, int brokers)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char why[200];

    rd_kafka_conf_set(conf, "log_level", "0", why, sizeof why);
    mock->kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    mock->cluster = rd_kafka_mock_cluster_new(mock->kafka, brokers);
    assert_non_null(mock->cluster);
}

static inline void mock_close(struct mock *mock)
{
    rd_kafka_mock_cluster_destroy(mock->cluster);
    rd_kafka_destroy(mock->kafka);
}

static inline void mock_topic(struct mock *mock, const char *name, int partitions)
{
    assert_int_equal(rd_kafka_mock_topic_create(mock->cluster, name, partitions, 1), 0);
}

/* Settings as config_read would make them. `group` and the prefix are new in each test. */
static inline struct config test_config(const char *brokers, const char *prefix)
{
    return (struct config){.kafka_brokers = brokers,
                           .kafka_topic_prefix = prefix,
                           .kafka_group = prefix,
                           .kafka_legacy_topic = "",
                           .kafka_partitions = 4,
                           .kafka_keep_ms = INT64_C(3600000),
                           .kafka_flush_messages = "auto",
                           .kafka_accept_gap = "",
                           .batch = 1000};
}

/* A name that no other test and no former run has. */
static inline const char *fresh_name(const char *stem)
{
    static char names[100][64];
    static size_t count;

    assert_true(count < COUNT(names));
    snprintf(names[count], sizeof names[count], "%s%d_%lld_%zu", stem, getpid(),
             (long long)(clock_wall_us() % 1000000000), count);
    return names[count++];
}

static inline const char *real_kafka(void)
{
    return getenv("TEST_KAFKA_BROKERS");
}

/* --- the database --- */

static inline PGconn *connect_to(const char *url)
{
    PGconn *conn = PQconnectdb(url);

    if (PQstatus(conn) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(conn));
    return conn;
}

static inline void run_sql(PGconn *conn, const char *sql)
{
    PGresult *rows = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(rows);

    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    PQclear(rows);
}

/* The first field of the answer as a text, in a buffer that the next call uses again. */
static inline const char *ask_sql(PGconn *conn, const char *sql)
{
    static char text[1000];
    PGresult *rows = PQexec(conn, sql);

    if (PQresultStatus(rows) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    snprintf(text, sizeof text, "%s", PQntuples(rows) ? PQgetvalue(rows, 0, 0) : "none");
    PQclear(rows);
    return text;
}

static inline long count_sql(PGconn *conn, const char *sql)
{
    return atol(ask_sql(conn, sql));
}

/* Makes an empty database and returns its address, for the life of the test; NULL: no server. */
static inline const char *make_database(const char *name)
{
    static char urls[100][256];
    static size_t count;
    const char *server = getenv("TEST_DATABASE_URL"), *path;
    char sql[200];

    if (!server)
        return NULL;
    PGconn *conn = connect_to(server);
    snprintf(sql, sizeof sql, "CREATE DATABASE %s", name);
    run_sql(conn, sql);
    PQfinish(conn);
    path = strrchr(server, '/');
    assert_true(path && count < COUNT(urls));
    snprintf(urls[count], sizeof urls[count], "%.*s/%s", (int)(path - server), server, name);
    return urls[count++];
}

static inline void drop_database(const char *name)
{
    char sql[200];
    PGconn *conn = connect_to(getenv("TEST_DATABASE_URL"));

    snprintf(sql, sizeof sql, "DROP DATABASE %s WITH (FORCE)", name);
    run_sql(conn, sql);
    PQfinish(conn);
}
