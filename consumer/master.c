#include "consumer/master.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/point.h"
#include "common/rows.h"

/* Part of the lease that is given up against clocks of different speed, and a fixed part. */
#define MARGIN_PART 50
#define MARGIN_MS 50
/* After a lease has passed the others wait a little, each a different while. */
#define SPREAD_MS 50

struct master {
    sd_event *loop;
    struct db *db;
    const struct config *config;
    struct master_owner owner;
    struct uuid id;
    bool identified, asking, releasing;
    bool awaited;        /* the answer under way ends the release */
    int64_t epoch;       /* 0: not the master */
    int64_t asked_us;    /* when the question under way was sent */
    int64_t deadline_us; /* until when the lease holds by our own clock */
    int64_t told_epoch;  /* whose mastership was logged last */
    int64_t told_ms;
    sd_event_source *resolve, *limit;
    void (*released)(void *data);
    void *released_data;
};

static void ask_in(struct master *master, int64_t wait_ms)
{
    sd_event_source_set_time_relative(master->resolve,
                                      (uint64_t)(wait_ms < 0 ? 0 : wait_ms) * 1000);
    sd_event_source_set_enabled(master->resolve, SD_EVENT_ONESHOT);
}

static int64_t trusted_ms(const struct master *master)
{
    return master->config->lease_ms - master->config->lease_ms / MARGIN_PART - MARGIN_MS;
}

/* The deadline counts from the moment the request was sent, not from its answer. */
static void set_deadline(struct master *master)
{
    master->deadline_us = master->asked_us + trusted_ms(master) * 1000;
    sd_event_source_set_time(master->limit, (uint64_t)master->deadline_us);
    sd_event_source_set_enabled(master->limit, SD_EVENT_ONESHOT);
}

static void end_term(struct master *master, const char *reason)
{
    int64_t epoch = master->epoch;

    if (!epoch)
        return;
    master->epoch = 0;
    sd_event_source_set_enabled(master->limit, SD_EVENT_OFF);
    metrics_set(METRIC_IS_MASTER, 0);
    log_warn("master.ended", "epoch=%lld reason=%s", (long long)epoch, LOG_VALUE(reason));
    master->owner.ended(master->owner.data, reason);
}

static void begin_term(struct master *master, int64_t epoch, const char *reason)
{
    master->epoch = epoch;
    master->told_epoch = epoch;
    set_deadline(master);
    metrics_set(METRIC_IS_MASTER, 1);
    metrics_set(METRIC_EPOCH, (double)epoch);
    log_info("master.began", "epoch=%lld reason=%s lease_ms=%lld", (long long)epoch, reason,
             (long long)master->config->lease_ms);
    master->owner.began(master->owner.data, epoch);
}

static void on_released(void *data, const PGresult *rows, const struct fault *fault)
{
    struct master *master = data;

    (void)rows, (void)fault;
    POINT(RELEASE_COMMITTED);
    master->released(master->released_data);
}

static void on_renewed(void *data, const PGresult *rows, const struct fault *fault)
{
    struct master *master = data;

    master->asking = false;
    if (master->awaited) {
        on_released(master, NULL, NULL);
        return;
    }
    if (!master->epoch)
        return;
    if (!fault && PQntuples(rows) == 1) {
        POINT(RENEW_COMMITTED);
        metrics_count(METRIC_RENEWALS);
        clock_heard(rows_time(rows, 0, 0), master->asked_us, clock_boot_us());
        set_deadline(master);
        return;
    }
    metrics_count(METRIC_RENEWALS_FAILED);
    end_term(master, fault ? fault->text : "another node has the lease");
    ask_in(master, 0);
}

static void renew(struct master *master)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    args_uuid(&args, &master->id);
    args_int8(&args, master->epoch);
    args_int8(&args, master->config->lease_ms);
    POINT(RENEW_SENDING);
    db_call(master->db, QUERY_MASTER_RENEW, &args, on_renewed, master);
}

/* Who else is master: logged when it changes. The next look is due when that lease passes. */
static void heed(struct master *master, const PGresult *rows)
{
    int64_t epoch = rows_int(rows, 0, 3), left_ms = rows_int(rows, 0, 4);

    if (epoch != master->told_epoch) {
        master->told_epoch = epoch;
        log_info("master.seen", "master=%s epoch=%lld", LOG_VALUE(rows_text(rows, 0, 2)),
                 (long long)epoch);
    }
    if (left_ms < master->config->resolve_ms)
        ask_in(master, left_ms + 1 + clock_boot_us() % SPREAD_MS);
}

static void on_terminated(void *data, const PGresult *rows, const struct fault *fault)
{
    struct master *master = data;

    if (!fault)
        log_warn("master.backends_ended", "count=%d", PQntuples(rows));
    ask_in(master, 0);
}

static void let_go(struct master *master, int64_t epoch)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    args_uuid(&args, &master->id);
    args_int8(&args, epoch);
    POINT(RELEASE_SENDING);
    db_call(master->db, QUERY_MASTER_RELEASE, &args, on_released, master);
}

/* The stop came while the lease was asked for: what was won is let go of at once. */
static void take_back(struct master *master, const PGresult *rows)
{
    if (rows && PQntuples(rows) == 1 && !rows_is_null(rows, 0, 0))
        let_go(master, rows_int(rows, 0, 0));
    else
        on_released(master, NULL, NULL);
}

static void on_taken(void *data, const PGresult *rows, const struct fault *fault)
{
    struct master *master = data;

    master->asking = false;
    if (master->awaited) {
        take_back(master, rows);
        return;
    }
    if (fault) {
        /* The lease is free but a former master's statement still holds the row. */
        if (fault->kind == FAULT_BUSY)
            db_call(master->db, QUERY_MASTER_TERMINATE, NULL, on_terminated, master);
        else if (log_now_and_then(&master->told_ms, 10000))
            log_warn("master.not_resolved", "cause=%s", LOG_VALUE(fault->text));
        return;
    }
    if (PQntuples(rows) != 1 || rows_int(rows, 0, 6) != 1) {
        if (log_now_and_then(&master->told_ms, 10000))
            log_error("master.row_missing", "rows=%d help=%s", PQntuples(rows),
                      LOG_VALUE("table master must hold exactly one row; nobody dispatches"));
        return;
    }
    clock_heard(rows_time(rows, 0, 5), master->asked_us, clock_boot_us());
    if (!rows_is_null(rows, 0, 0))
        POINT(TAKE_COMMITTED);
    if (rows_is_null(rows, 0, 0))
        heed(master, rows);
    else if (!master->identified || master->releasing)
        ; /* it passes by itself */
    else if (clock_boot_us() - master->asked_us > trusted_ms(master) * 1000)
        ask_in(master, 0); /* the answer took longer than the lease */
    else
        begin_term(master, rows_int(rows, 0, 0), rows_text(rows, 0, 1));
}

static void take(struct master *master)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;
    int pids[] = {master->owner.backend(master->owner.data), db_backend(master->db)};

    args_uuid(&args, &master->id);
    args_text(&args, log_node());
    args_int8(&args, master->config->lease_ms);
    args_array(&args, ARGS_INT4);
    for (size_t i = 0; i < COUNT(pids); i++)
        args_int4(&args, pids[i]);
    args_array_end(&args);
    POINT(TAKE_SENDING);
    db_call(master->db, QUERY_MASTER_TAKE, &args, on_taken, master);
}

static int resolve_due(sd_event_source *source, uint64_t usec, void *data)
{
    struct master *master = data;

    (void)source, (void)usec;
    ask_in(master, master->config->resolve_ms);
    /* Without the connection that writes there is nothing to be master for. */
    bool writes = master->owner.backend(master->owner.data);

    if (master->asking || master->releasing || !master->identified || !db_is_ready(master->db) ||
        (!master->epoch && !writes))
        return 0;
    master->asking = true;
    master->asked_us = clock_boot_us();
    if (master->epoch)
        renew(master);
    else
        take(master);
    return 0;
}

static int limit_passed(sd_event_source *source, uint64_t usec, void *data)
{
    struct master *master = data;

    (void)source, (void)usec;
    end_term(master, "the lease was not renewed in time");
    ask_in(master, 0);
    return 0;
}

struct master *master_start(sd_event *loop, struct db *db, const struct config *config,
                            const struct master_owner *owner)
{
    struct master *master =
        mem_new(struct master, .loop = loop, .db = db, .config = config, .owner = *owner);

    sd_event_add_time_relative(loop, &master->resolve, CLOCK_BOOTTIME, 0, 1000, resolve_due,
                               master);
    sd_event_add_time(loop, &master->limit, CLOCK_BOOTTIME, 0, 1, limit_passed, master);
    sd_event_source_set_enabled(master->limit, SD_EVENT_OFF);
    return master;
}

void master_stop(struct master *master)
{
    if (!master)
        return;
    sd_event_source_disable_unref(master->resolve);
    sd_event_source_disable_unref(master->limit);
    free(master);
}

void master_identify(struct master *master, const struct uuid *id)
{
    end_term(master, "a new identity");
    master->identified = id != NULL;
    if (id)
        master->id = *id;
    ask_in(master, 0);
}

void master_step_down(struct master *master, const char *reason)
{
    end_term(master, reason);
    ask_in(master, 0);
}

void master_release(struct master *master, void (*done)(void *data), void *data)
{
    int64_t epoch = master->epoch;

    master->releasing = true;
    master->released = done;
    master->released_data = data;
    end_term(master, "stopping");
    master->awaited = !epoch && master->asking;
    if (epoch)
        let_go(master, epoch);
    else if (!master->asking)
        done(data);
}

void master_look(struct master *master)
{
    if (!master->epoch)
        ask_in(master, 0);
}

int64_t master_epoch(const struct master *master)
{
    return master->epoch;
}

const struct uuid *master_id(const struct master *master)
{
    return &master->id;
}

bool master_holds(const struct master *master)
{
    return master->epoch && clock_boot_us() < master->deadline_us;
}
