#include "executor/lease.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/migrate.h"
#include "common/point.h"
#include "common/rows.h"

#define SECOND_US INT64_C(1000000)
#define NO_STARTS_US (3 * SECOND_US)
#define TERM_US (2 * SECOND_US)
#define KILL_US SECOND_US
#define SCHEMA_AGAIN_US 500000
#define SCHEMA_LOG_MS 30000

enum step { STEP_HELD, STEP_TERM, STEP_KILL };

struct lease {
    struct executor *executor;
    struct lease_owner owner;
    struct db *db;
    struct uuid former;
    bool fits; /* the schema is there */
    bool joined, leaving, asking;
    int64_t asked_us, deadline_us;
    enum step step;
    int64_t told_ms;
    sd_event_source *beat, *alarm;
};

/* --- The deadline ---------------------------------------------------------------------------- */

static int64_t length_us(const struct lease *lease)
{
    int64_t whole_us = lease->executor->config->executor_lease_ms * 1000;

    return whole_us - whole_us / 100 - SECOND_US;
}

bool lease_may_start(const struct lease *lease)
{
    return lease->joined && lease->step == STEP_HELD &&
           clock_boot_us() < lease->deadline_us - NO_STARTS_US;
}

static int on_alarm(sd_event_source *source, uint64_t usec, void *data)
{
    struct lease *lease = data;
    int64_t left_us = lease->deadline_us - clock_boot_us();

    (void)usec;
    if (lease->step == STEP_HELD && left_us <= TERM_US) {
        lease->step = STEP_TERM;
        log_error("lease.running_out", "left_ms=%lld help=%s", (long long)left_us / 1000,
                  LOG_VALUE("no heartbeat was confirmed: stopping what runs"));
        lease->owner.stop_all(lease->owner.data);
    }
    if (lease->step == STEP_TERM && left_us <= KILL_US) {
        lease->step = STEP_KILL;
        lease->owner.kill_all(lease->owner.data);
        return 0;
    }
    sd_event_source_set_time(
        source, (uint64_t)(lease->deadline_us - (lease->step == STEP_HELD ? TERM_US : KILL_US)));
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

/* A stop that has begun is not taken back: what it stopped is for recovery to settle. */
static void extend(struct lease *lease)
{
    if (lease->step != STEP_HELD)
        return;
    lease->deadline_us = lease->asked_us + length_us(lease);
    leash_deadline(lease->executor->leash, lease->deadline_us);
    sd_event_source_set_time(lease->alarm, (uint64_t)(lease->deadline_us - TERM_US));
    sd_event_source_set_enabled(lease->alarm, SD_EVENT_ONESHOT);
}

static void heard(const struct lease *lease, const PGresult *rows)
{
    clock_heard(rows_time(rows, 0, 0), lease->asked_us, clock_boot_us());
    metrics_set(METRIC_CLOCK_SKEW, (double)(clock_wall_us() - clock_database_us()) / 1e6);
}

/* --- The former incarnation ------------------------------------------------------------------ */

static void on_former_gone(void *data, const PGresult *rows, const struct fault *fault)
{
    struct lease *lease = data;
    char id[UUID_TEXT];

    if (fault)
        return; /* the next beat tries again */
    POINT(FORMER_COMMITTED);
    log_info("node.former_gone", "id=%s marked=%s", uuid_write(id, &lease->former),
             PQntuples(rows) ? "now" : "before");
    lease->former = (struct uuid){0};
}

static void bury_former(struct lease *lease)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    if (uuid_is_nil(&lease->former))
        return;
    args_uuid(&args, &lease->former);
    args_text(&args, "process ended");
    POINT(FORMER_SENDING);
    db_call(lease->db, QUERY_NODE_LEAVE, &args, on_former_gone, lease);
}

/* --- Joining and beating --------------------------------------------------------------------- */

static void on_joined(void *data, const PGresult *rows, const struct fault *fault)
{
    struct lease *lease = data;
    struct executor *executor = lease->executor;

    lease->asking = false;
    if (fault) {
        if (log_now_and_then(&lease->told_ms, SCHEMA_LOG_MS))
            log_warn("node.not_joined", "error=%s", LOG_VALUE(fault->text));
        return;
    }
    POINT(JOIN_COMMITTED);
    lease->joined = true;
    leash_node(executor->leash, &executor->node);
    /* No row: an earlier try, whose answer was lost, has made it. Its heartbeat is older than this
     * request, so the first one that is confirmed begins the lease. */
    if (PQntuples(rows)) {
        heard(lease, rows);
        extend(lease);
    }
    bury_former(lease);
    log_info("node.up", "id=%s role=executor pid=%d version=%s queues=%s types=%s slots=%lld",
             executor->node_text, (int)getpid(), ROTA_VERSION,
             LOG_VALUE(executor->config->executor_queues),
             LOG_VALUE(executor->config->executor_types),
             (long long)executor->config->executor_slots);
    lease->owner.joined(lease->owner.data);
}

static void ask(struct lease *lease);

static void join(struct lease *lease)
{
    const struct executor *executor = lease->executor;
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    args_uuid(&args, &executor->node);
    args_text(&args, "executor");
    args_text(&args, log_node());
    args_text(&args, ROTA_VERSION);
    args_int4(&args, (int32_t)getpid());
    args_words(&args, executor->config->executor_queues);
    args_words(&args, executor->config->executor_types);
    args_int4(&args, (int32_t)executor->config->executor_slots);
    db_call(lease->db, QUERY_NODE_JOIN, &args, on_joined, lease);
}

static void on_schema(void *data, const struct fault *fault)
{
    struct lease *lease = data;

    lease->asking = false;
    lease->fits = !fault;
    if (!fault)
        ask(lease);
    else if (fault->kind == FAULT_REJECTED || fault->kind == FAULT_BROKEN)
        service_fail(lease->executor->service, fault);
    else if (log_now_and_then(&lease->told_ms, SCHEMA_LOG_MS))
        log_info("schema.awaited", "reason=%s", LOG_VALUE(fault->text));
}

static void on_beat(void *data, const PGresult *rows, const struct fault *fault)
{
    struct lease *lease = data;

    lease->asking = false;
    if (fault) {
        metrics_count(METRIC_HEARTBEATS_FAILED);
        return;
    }
    if (!PQntuples(rows)) {
        if (!lease->leaving)
            executor_give_up(lease->executor, "this node was marked dead");
        return;
    }
    POINT(BEAT_COMMITTED);
    metrics_count(METRIC_HEARTBEATS);
    heard(lease, rows);
    extend(lease);
    bury_former(lease);
}

static void beat(struct lease *lease)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    args_uuid(&args, &lease->executor->node);
    db_call(lease->db, QUERY_NODE_BEAT, &args, on_beat, lease);
}

static int64_t next_us(const struct lease *lease)
{
    int64_t wait_us = lease->executor->config->heartbeat_ms * 1000;

    return !lease->joined && wait_us > SCHEMA_AGAIN_US ? SCHEMA_AGAIN_US : wait_us;
}

static void ask(struct lease *lease)
{
    if (lease->asking || lease->leaving || !db_is_ready(lease->db))
        return;
    lease->asking = true;
    lease->asked_us = clock_boot_us();
    if (!lease->fits)
        migrate_run(lease->db, false, on_schema, lease);
    else if (!lease->joined)
        join(lease);
    else
        beat(lease);
}

static int on_beat_due(sd_event_source *source, uint64_t usec, void *data)
{
    struct lease *lease = data;

    (void)usec;
    ask(lease);
    sd_event_source_set_time_relative(source, (uint64_t)next_us(lease));
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

static void on_ready(void *data)
{
    struct lease *lease = data;

    metrics_set(METRIC_DB_UP, 1);
    ask(lease);
}

static void on_lost(void *data, const struct fault *fault)
{
    (void)data, (void)fault;
    metrics_set(METRIC_DB_UP, 0);
}

/* --- Leaving --------------------------------------------------------------------------------- */

static void on_left(void *data, const PGresult *rows, const struct fault *fault)
{
    struct lease *lease = data;

    (void)rows;
    POINT(LEAVE_COMMITTED);
    if (fault)
        log_warn("node.not_signed_off", "error=%s", LOG_VALUE(fault->text));
    else
        log_info("node.left", "id=%s", lease->executor->node_text);
    if (lease->owner.left) /* not while closing */
        lease->owner.left(lease->owner.data);
}

void lease_leave(struct lease *lease)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    lease->leaving = true;
    if (!lease->joined) {
        lease->owner.left(lease->owner.data);
        return;
    }
    args_uuid(&args, &lease->executor->node);
    args_text(&args, "stopped");
    db_call(lease->db, QUERY_NODE_LEAVE, &args, on_left, lease);
}

bool lease_is_joined(const struct lease *lease)
{
    return lease->joined;
}

/* --- Opening --------------------------------------------------------------------------------- */

bool lease_open(struct lease **ret, struct executor *executor, const struct uuid *former,
                const struct lease_owner *owner, struct fault *fault)
{
    struct lease *lease =
        mem_new(struct lease, .executor = executor, .former = *former, .owner = *owner);
    const struct db_settings settings = {.conninfo = executor->config->database_url,
                                         .name = "rota-executor lease",
                                         .ready = on_ready,
                                         .lost = on_lost,
                                         .data = lease};

    *ret = lease;
    if (sd_event_add_time_relative(executor->loop, &lease->beat, CLOCK_BOOTTIME, 0, 1000,
                                   on_beat_due, lease) < 0 ||
        sd_event_add_time(executor->loop, &lease->alarm, CLOCK_BOOTTIME, 0, 1000, on_alarm, lease) <
            0)
        return fault_set(fault, FAULT_BROKEN, "no event source for the heartbeat");
    sd_event_source_set_enabled(lease->alarm, SD_EVENT_OFF);
    /* The lease is looked at before any work of the same turn of the loop. */
    sd_event_source_set_priority(lease->alarm, SD_EVENT_PRIORITY_IMPORTANT);
    sd_event_source_set_priority(lease->beat, SD_EVENT_PRIORITY_IMPORTANT);
    return db_open(&lease->db, executor->loop, &settings, fault);
}

void lease_close(struct lease *lease)
{
    if (!lease)
        return;
    lease->leaving = true;
    lease->owner = (struct lease_owner){0};
    db_close(lease->db);
    sd_event_source_disable_unref(lease->beat);
    sd_event_source_disable_unref(lease->alarm);
    free(lease);
}
