/*
 * Counters, gauges and histograms of this process, as rows of one table in metrics.c.
 *
 * Label values are fixed: a series is a row or, for histograms, a row with its buckets. Rows of one
 * name have one kind and one help text. Text format 0.0.4 of Prometheus, or OpenMetrics 1.0.0 where
 * asked for. Counting is an addition in an array, and any thread may do it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(identifier, name, kind, labels or "", help) */
#define METRICS(X)                                                                                 \
    X(HTTP_REQUESTS_2XX, "rota_http_requests_total", COUNTER, "code=\"2xx\"", "requests answered") \
    X(HTTP_REQUESTS_3XX, "rota_http_requests_total", COUNTER, "code=\"3xx\"", "requests answered") \
    X(HTTP_REQUESTS_4XX, "rota_http_requests_total", COUNTER, "code=\"4xx\"", "requests answered") \
    X(HTTP_REQUESTS_5XX, "rota_http_requests_total", COUNTER, "code=\"5xx\"", "requests answered") \
    X(HTTP_IN_FLIGHT, "rota_http_requests_in_flight", GAUGE, "", "requests without an answer")     \
    X(HTTP_CONNECTIONS, "rota_http_connections", GAUGE, "", "open connections")                    \
    X(HTTP_DURATION, "rota_http_request_duration_seconds", HISTOGRAM, "", "from head to answer")   \
    X(PRODUCE_OK, "rota_produce_total", COUNTER, "result=\"ok\"", "messages sent to Kafka")        \
    X(PRODUCE_FAILED, "rota_produce_total", COUNTER, "result=\"failed\"",                          \
      "messages sent to Kafka")                                                                    \
    X(PRODUCE_DURATION, "rota_produce_duration_seconds", HISTOGRAM, "", "until delivery report")   \
    X(PRODUCE_QUEUE, "rota_produce_queue_messages", GAUGE, "", "messages without a report")        \
    X(INGEST_STORED, "rota_ingest_messages_total", COUNTER, "result=\"stored\"", "records taken")  \
    X(INGEST_DUPLICATE, "rota_ingest_messages_total", COUNTER, "result=\"duplicate\"",             \
      "records taken")                                                                             \
    X(INGEST_REJECTED, "rota_ingest_messages_total", COUNTER, "result=\"rejected\"",               \
      "records taken")                                                                             \
    X(INGEST_BATCH, "rota_ingest_batch_duration_seconds", HISTOGRAM, "", "one store statement")    \
    X(INGEST_GAPS, "rota_ingest_gaps", GAUGE, "", "partitions that stand still at a gap")          \
    X(INGEST_FENCED, "rota_fenced_writes_total", COUNTER, "where=\"store\"",                       \
      "writes that came too late and changed nothing")                                             \
    X(DISPATCH_FENCED, "rota_fenced_writes_total", COUNTER, "where=\"dispatch\"",                  \
      "writes that came too late and changed nothing")                                             \
    X(FINISH_FENCED, "rota_fenced_writes_total", COUNTER, "where=\"finish\"",                      \
      "writes that came too late and changed nothing")                                             \
    X(REPORTED_AGAIN, "rota_reports_repeated_total", COUNTER, "",                                  \
      "accepted reports that the database had lost")                                               \
    X(DISPATCHED, "rota_dispatch_total", COUNTER, "result=\"ok\"", "tasks handed to executors")    \
    X(DISPATCH_DELAY, "rota_dispatch_delay_seconds", HISTOGRAM, "", "from due to assigned")        \
    X(FETCH_DURATION, "rota_fetch_duration_seconds", HISTOGRAM, "", "one dispatch statement")      \
    X(PLAN_FENCED, "rota_fenced_writes_total", COUNTER, "where=\"plan\"",                          \
      "writes that came too late and changed nothing")                                             \
    X(FIRES_RUN, "rota_schedule_fires_total", COUNTER, "result=\"fired\"",                         \
      "fires of schedules that were decided")                                                      \
    X(FIRES_SKIPPED, "rota_schedule_fires_total", COUNTER, "result=\"skipped\"",                   \
      "fires of schedules that were decided")                                                      \
    X(TASKS_EXPIRED, "rota_tasks_expired_total", COUNTER, "",                                      \
      "tasks that were not started within their start_deadline")                                   \
    X(RECOVERED, "rota_recovered_total", COUNTER, "", "attempts taken from lost executors")        \
    X(OVERDUE_ATTEMPTS, "rota_attempts_overdue", GAUGE, "", "open past their time-out")            \
    X(RETAINED, "rota_retained_total", COUNTER, "", "ended tasks removed")                         \
    X(EXECUTORS_LOST, "rota_executor_lost_total", COUNTER, "", "executors marked dead")            \
    X(IS_MASTER, "rota_node_is_master", GAUGE, "", "1 on the master")                              \
    X(EPOCH, "rota_master_epoch", GAUGE, "", "the epoch this node last held")                      \
    X(RENEWALS, "rota_lease_renewals_total", COUNTER, "result=\"ok\"", "renewals of the lease")    \
    X(RENEWALS_FAILED, "rota_lease_renewals_total", COUNTER, "result=\"failed\"",                  \
      "renewals of the lease")                                                                     \
    X(HEARTBEATS, "rota_heartbeats_total", COUNTER, "result=\"ok\"", "heartbeats written")         \
    X(HEARTBEATS_FAILED, "rota_heartbeats_total", COUNTER, "result=\"failed\"",                    \
      "heartbeats written")                                                                        \
    X(CLOCK_SKEW, "rota_clock_skew_seconds", GAUGE, "", "wall clock minus the database's")         \
    X(ATTEMPTS_SUCCEEDED, "rota_attempts_total", COUNTER, "outcome=\"succeeded\"", "ended here")   \
    X(ATTEMPTS_FAILED, "rota_attempts_total", COUNTER, "outcome=\"failed\"", "ended here")         \
    X(ATTEMPTS_TIMED_OUT, "rota_attempts_total", COUNTER, "outcome=\"timed_out\"", "ended here")   \
    X(ATTEMPTS_CANCELLED, "rota_attempts_total", COUNTER, "outcome=\"cancelled\"", "ended here")   \
    X(ATTEMPTS_RETURNED, "rota_attempts_total", COUNTER, "outcome=\"returned\"", "ended here")     \
    X(ATTEMPT_DURATION, "rota_attempt_duration_seconds", HISTOGRAM, "", "from start to end")       \
    X(START_DELAY, "rota_start_delay_seconds", HISTOGRAM, "", "from due to started")               \
    X(SLOTS, "rota_executor_slots", GAUGE, "", "slots of this executor")                           \
    X(SLOTS_BUSY, "rota_executor_slots_busy", GAUGE, "", "slots in use")                           \
    X(DB_UP, "rota_db_up", GAUGE, "", "1 while the database answers")                              \
    X(DB_ERRORS, "rota_db_errors_total", COUNTER, "", "statements that failed")                    \
    X(KAFKA_UP, "rota_kafka_up", GAUGE, "", "1 while a broker answers")                            \
    X(KAFKA_ERRORS, "rota_kafka_errors_total", COUNTER, "", "errors reported by the client")       \
    X(DEAD_LETTERS, "rota_dead_letters_total", COUNTER, "", "records sent to rota.dead-letters")   \
    X(LOG_DEBUG_LINES, "rota_log_messages_total", COUNTER, "level=\"debug\"", "lines logged")      \
    X(LOG_INFO_LINES, "rota_log_messages_total", COUNTER, "level=\"info\"", "lines logged")        \
    X(LOG_WARN_LINES, "rota_log_messages_total", COUNTER, "level=\"warn\"", "lines logged")        \
    X(LOG_ERROR_LINES, "rota_log_messages_total", COUNTER, "level=\"error\"", "lines logged")      \
    X(LOG_LOST, "rota_log_lines_lost_total", COUNTER, "", "lines dropped: the disk was too slow")

enum metric {
#define METRIC_NAME(id, ...) METRIC_##id,
    METRICS(METRIC_NAME)
#undef METRIC_NAME
        METRIC_COUNT
};

void metrics_add(enum metric metric, double amount);
#define metrics_count(metric) metrics_add((metric), 1)
void metrics_set(enum metric metric, double value);
double metrics_get(enum metric metric); /* histograms: how many were observed */
void metrics_observe(enum metric metric, double seconds);

/* producer, consumer, executor: the label of rota_node_info. A constant text. */
void metrics_set_role(const char *role);

/* The whole page, to be freed. Adds rota_build_info, rota_node_info and process_*. */
char *metrics_write(bool open_metrics, size_t *size);
