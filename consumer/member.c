#include "consumer/member.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/rows.h"

#include <unistd.h>

struct member {
    struct db *db;
    const struct config *config;
    struct member_owner owner;
    struct uuid id;
    bool joined, asking, leaving;
    int64_t asked_us;
    sd_event_source *beat;
    void (*left)(void *data);
    void *left_data;
};

static void on_joined(void *data, const PGresult *rows, const struct fault *fault)
{
    struct member *member = data;
    char id[UUID_TEXT];

    member->asking = false;
    if (fault || !PQntuples(rows))
        return; /* the next beat tries again */
    clock_heard(rows_time(rows, 0, 0), member->asked_us, clock_boot_us());
    member->joined = true;
    log_info("node.up", "id=%s role=consumer pid=%d version=%s", uuid_write(id, &member->id),
             (int)getpid(), ROTA_VERSION);
    member->owner.joined(member->owner.data, &member->id);
}

static void join(struct member *member)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    member->id = uuid_random();
    args_uuid(&args, &member->id);
    args_text(&args, "consumer");
    args_text(&args, log_node());
    args_text(&args, ROTA_VERSION);
    args_int4(&args, (int32_t)getpid());
    args_empty_array(&args, ARGS_TEXT);
    args_empty_array(&args, ARGS_TEXT);
    args_int4(&args, 0);
    db_call(member->db, QUERY_NODE_JOIN, &args, on_joined, member);
}

static void on_beat(void *data, const PGresult *rows, const struct fault *fault)
{
    struct member *member = data;

    member->asking = false;
    if (fault) {
        metrics_count(METRIC_HEARTBEATS_FAILED);
        return;
    }
    if (PQntuples(rows)) {
        metrics_count(METRIC_HEARTBEATS);
        clock_heard(rows_time(rows, 0, 0), member->asked_us, clock_boot_us());
        metrics_set(METRIC_CLOCK_SKEW, (double)(clock_wall_us() - clock_database_us()) / 1000000.0);
        return;
    }
    log_warn("node.dead", "help=%s", LOG_VALUE("was marked dead, registers as a new node"));
    member->joined = false;
    member->owner.dead(member->owner.data);
}

static void beat(struct member *member)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    args_uuid(&args, &member->id);
    db_call(member->db, QUERY_NODE_BEAT, &args, on_beat, member);
}

static int beat_due(sd_event_source *source, uint64_t usec, void *data)
{
    struct member *member = data;

    (void)usec;
    sd_event_source_set_time_relative(source, (uint64_t)member->config->heartbeat_ms * 1000);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    if (member->asking || member->leaving || !db_is_ready(member->db))
        return 0;
    member->asking = true;
    member->asked_us = clock_boot_us();
    if (member->joined)
        beat(member);
    else
        join(member);
    return 0;
}

struct member *member_start(sd_event *loop, struct db *db, const struct config *config,
                            const struct member_owner *owner)
{
    struct member *member = mem_new(struct member, .db = db, .config = config, .owner = *owner);

    sd_event_add_time_relative(loop, &member->beat, CLOCK_BOOTTIME, 0, 1000, beat_due, member);
    return member;
}

static void on_left(void *data, const PGresult *rows, const struct fault *fault)
{
    struct member *member = data;

    (void)rows, (void)fault;
    member->left(member->left_data);
}

void member_leave(struct member *member, void (*done)(void *data), void *data)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    member->leaving = true;
    member->left = done;
    member->left_data = data;
    if (!member->joined) {
        done(data);
        return;
    }
    args_uuid(&args, &member->id);
    args_text(&args, "stopped");
    db_call(member->db, QUERY_NODE_LEAVE, &args, on_left, member);
}

void member_stop(struct member *member)
{
    if (!member)
        return;
    sd_event_source_disable_unref(member->beat);
    free(member);
}

const struct uuid *member_id(const struct member *member)
{
    return &member->id;
}
