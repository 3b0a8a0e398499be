/*
 * rota-producer: the front door. Takes tasks over HTTP, sends them to Kafka, answers once Kafka has
 * them; reads PostgreSQL for whoever asks, and writes nothing there. Each part has a file.
 */
#include "common/clock.h"
#include "common/command.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/migrate.h"
#include "common/rows.h"
#include "common/topics.h"
#include "producer/producer.h"
#include "producer/waiters.h"

#define MESSAGE_MS 10000 /* until a delivery report: well below what callers wait */
#define LINGER_MS 2
#define LOOK_MS 1000
#define TICK_US UINT64_C(1000000)
#define DRAIN_TICK_US UINT64_C(20000)
#define QUEUE_MOST 80000 /* messages without a report; librdkafka takes 100,000 */
#define BATCH_MOST (5 * 1024 * 1024)
#define FORM_MOST (384 * 1024)
#define ACTION_MOST 4096
#define SMALL_MOST 4096
#define SCHEDULE_MOST (TASK_BODY_MOST + 64 * 1024)
#define IMPORT_MOST (5 * 1024 * 1024)

/* --- The database's clock, and whether it has our tables ---------------------------------------
 */

static void on_clock(void *data, const PGresult *rows, const struct fault *fault)
{
    struct producer *producer = data;
    int64_t asked_us = producer->asked_us, now_us = clock_boot_us();

    producer->asked_us = 0;
    metrics_set(METRIC_DB_UP, !fault);
    if (fault)
        return;
    clock_heard(rows_time(rows, 0, 0), asked_us, now_us);
    metrics_set(METRIC_CLOCK_SKEW, (double)(clock_wall_us() - clock_database_us()) / 1e6);
}

static void ask_clock(struct producer *producer)
{
    if (producer->asked_us || !db_is_ready(producer->db))
        return;
    producer->asked_us = clock_boot_us();
    db_call(producer->db, QUERY_CLOCK, NULL, on_clock, producer);
}

static void on_schema(void *data, const struct fault *fault)
{
    struct producer *producer = data;

    producer->asking_schema = false;
    if (!fault)
        producer->schema_fits = true;
    else if (!fault_is_retryable(fault))
        service_fail(producer->service, fault);
}

static void ask_schema(struct producer *producer)
{
    if (producer->schema_fits || producer->asking_schema || !db_is_ready(producer->db))
        return;
    producer->asking_schema = true;
    migrate_run(producer->db, false, on_schema, producer);
}

/* --- Stopping ----------------------------------------------------------------------------------
 */

static bool is_idle(const struct producer *producer)
{
    return !web_open_requests(service_web(producer->service)) && !bus_waiting(producer->bus);
}

static int tick(sd_event_source *source, uint64_t usec, void *data)
{
    struct producer *producer = data;
    bool stopping = service_is_stopping(producer->service);

    (void)usec;
    ask_schema(producer);
    ask_clock(producer);
    metrics_set(METRIC_KAFKA_UP, bus_is_up(producer->bus));
    if (stopping && is_idle(producer)) {
        service_stopped(producer->service);
        return 0;
    }
    sd_event_source_set_time_relative(source, stopping ? DRAIN_TICK_US : TICK_US);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* What was sent to Kafka is answered still; who waits for more is told how far it is. */
static void drain(void *data)
{
    struct producer *producer = data;

    web_quiesce(service_web(producer->service));
    waiters_stop(producer->waiters);
    sd_event_source_set_time_relative(producer->tick, 0);
    sd_event_source_set_enabled(producer->tick, SD_EVENT_ONESHOT);
}

/* --- Starting ----------------------------------------------------------------------------------
 */

static void on_ready(void *data)
{
    struct producer *producer = data;

    producer->asked_us = 0;
    ask_schema(producer);
    ask_clock(producer);
}

static bool check_kafka(void *data, char why[static 160])
{
    struct producer *producer = data;

    if (!bus_is_up(producer->bus))
        snprintf(why, 160, "no broker answers, or messages are not delivered");
    else if (bus_waiting(producer->bus) >= QUEUE_MOST)
        snprintf(why, 160, "%d messages wait for their delivery report",
                 bus_waiting(producer->bus));
    else
        return true;
    return false;
}

static bool start(struct service *service, void **data, struct fault *fault)
{
    const struct config *config = service_config(service);
    struct producer *producer = mem_new(struct producer, .service = service,
                                        .loop = service_loop(service), .config = config);

    *data = producer;
    snprintf(producer->topic, sizeof producer->topic, "%scommands", config->kafka_topic_prefix);
    task_guard_topics(config->kafka_topic_prefix);
    if (!bus_open(&producer->bus, producer->loop,
                  &(struct bus_settings){.config = config,
                                         .timeout_ms = MESSAGE_MS,
                                         .linger_ms = LINGER_MS,
                                         .look_ms = LOOK_MS},
                  fault) ||
        !db_open(&producer->db, producer->loop,
                 &(struct db_settings){.conninfo = config->database_url,
                                       .name = "rota producer",
                                       .read_any = false,
                                       .ready = on_ready,
                                       .data = producer},
                 fault))
        return false;
    producer->waiters = waiters_new(producer->loop, producer->db);
    sd_event_add_time_relative(producer->loop, &producer->tick, CLOCK_BOOTTIME, TICK_US, 1000, tick,
                               producer);
    topics_ensure(producer->bus, producer->config);
    service_add_check(service, "kafka", check_kafka, producer);
    return true;
}

/* Waiting requests are answered while there is still something to ask. */
static void close_all(void *data)
{
    struct producer *producer = data;

    if (!producer)
        return;
    if (producer->waiters)
        waiters_stop(producer->waiters);
    db_close(producer->db);
    bus_close(producer->bus, 1000);
    waiters_free(producer->waiters);
    sd_event_source_disable_unref(producer->tick);
    free(producer);
}

int main(int count, char **arguments)
{
    static const struct web_route routes[] = {
        {"POST", "/schedule", accept_either, TASK_BODY_MOST, WEB_FORM, NULL, NULL},
        {"POST", "/api/v1/tasks", accept_task, TASK_BODY_MOST, 0, NULL, NULL},
        {"POST", "/api/v1/tasks:batch", accept_batch, BATCH_MOST, WEB_NDJSON, NULL, NULL},
        {"GET", "/api/v1/tasks", list_tasks, 0, 0, NULL, NULL},
        {"GET", "/api/v1/tasks/{id}", status_task, 0, 0, NULL, NULL},
        {"GET", "/api/v1/tasks/{id}/attempts", status_attempts, 0, 0, NULL, NULL},
        {"GET", "/api/v1/tasks/{id}/explain", task_explain, 0, 0, NULL, NULL},
        {"POST", "/api/v1/tasks/{id}/cancel", action_cancel, ACTION_MOST, 0, NULL, NULL},
        {"POST", "/api/v1/tasks/{id}/retry", action_retry, ACTION_MOST, 0, NULL, NULL},
        {"POST", "/api/v1/tasks/{id}/run-now", action_run_now, ACTION_MOST, 0, NULL, NULL},
        {"GET", "/api/v1/queues", queue_list, 0, 0, NULL, NULL},
        {"GET", "/api/v1/queues/{name}", queue_get, 0, 0, NULL, NULL},
        {"PATCH", "/api/v1/queues/{name}", queue_patch, SMALL_MOST, WEB_AS_JSON, NULL, NULL},
        {"POST", "/api/v1/queues/{name}/pause", queue_pause, SMALL_MOST, 0, NULL, NULL},
        {"POST", "/api/v1/queues/{name}/resume", queue_resume, SMALL_MOST, 0, NULL, NULL},
        {"GET", "/api/v1/schedules", schedule_list, 0, 0, NULL, NULL},
        {"POST", "/api/v1/schedules:import", schedule_import, IMPORT_MOST, WEB_NDJSON | WEB_CRONTAB,
         NULL, NULL},
        {"GET", "/api/v1/schedules/{name}", schedule_get, 0, 0, NULL, NULL},
        {"PUT", "/api/v1/schedules/{name}", schedule_put, SCHEDULE_MOST, WEB_AS_JSON, NULL, NULL},
        {"DELETE", "/api/v1/schedules/{name}", schedule_delete, 0, 0, NULL, NULL},
        {"POST", "/api/v1/schedules/{name}/pause", schedule_pause, SMALL_MOST, 0, NULL, NULL},
        {"POST", "/api/v1/schedules/{name}/resume", schedule_resume, SMALL_MOST, 0, NULL, NULL},
        {"POST", "/api/v1/schedules/{name}/trigger", schedule_trigger, TASK_BODY_MOST, 0, NULL,
         NULL},
        {"POST", "/api/v1/schedules/{name}/backfill", schedule_backfill, SMALL_MOST, 0, NULL, NULL},
        {"GET", "/api/v1/schedules/{name}/upcoming", schedule_upcoming, 0, 0, NULL, NULL},
        {"GET", "/api/v1/schedules/{name}/fires", schedule_fires, 0, 0, NULL, NULL},
        {"POST", "/api/v1/cron/explain", cron_explain, SMALL_MOST, 0, NULL, NULL},
        {"GET", "/api/v1/nodes", cluster_nodes, 0, 0, NULL, NULL},
        {"GET", "/api/v1/cluster", cluster_show, 0, 0, NULL, NULL},
        {"ANY", "/task/send", accept_legacy, FORM_MOST, WEB_FORM, NULL, NULL},
        {"ANY", "/task/health-check", legacy_health, 0, WEB_OPEN | WEB_QUIET, NULL, NULL},
    };
    static const struct service_program program = {
        .program = PROGRAM_PRODUCER,
        .start = start,
        .drain = drain,
        .close = close_all,
        .routes = routes,
        .route_count = COUNT(routes),
    };

    return service_run(&program, count, arguments);
}
