/*
 * rota-consumer: stores what was accepted, sends its heartbeat, resolves the master; the one that
 * is the master dispatches, recovers and retains. Everything hangs together here; each part has a
 * file.
 */
#include "common/bus.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/migrate.h"
#include "common/service.h"
#include "common/topics.h"
#include "consumer/deadletter.h"
#include "consumer/dispatch.h"
#include "consumer/expire.h"
#include "consumer/master.h"
#include "consumer/member.h"
#include "consumer/plan.h"
#include "consumer/recover.h"
#include "consumer/retain.h"
#include "consumer/store.h"

#define MIGRATE_AGAIN_US UINT64_C(1000000)

struct consumer {
    struct service *service;
    sd_event *loop;
    const struct config *config;
    struct bus *bus;
    struct db *lease_db; /* heartbeat, lease, notifications */
    struct db *work_db;  /* all that only a master may write */
    struct db *look_db;  /* reads of the master, and its dead letters */
    bool schema_fits, asking_schema;
    sd_event_source *again;
    struct member *member;
    struct master *master;
    struct dispatch *dispatch;
    struct plan *plan;
    struct expire *expire;
    struct recover *recover;
    struct retain *retain;
    struct deadletter *deadletter;
    struct store *store;
};

static void on_doubt(void *data, const char *reason)
{
    struct consumer *consumer = data;

    /* What was on its way may still commit: a new epoch waits for it before it reads. */
    master_step_down(consumer->master, reason);
}

static void on_late(void *data)
{
    struct consumer *consumer = data;

    expire_some(consumer->expire);
}

static void on_looked(void *data, const PGresult *rows, int row)
{
    struct consumer *consumer = data;

    recover_looked(consumer->recover, rows, row);
}

static void on_came_back(void *data)
{
    struct consumer *consumer = data;

    dispatch_look(consumer->dispatch);
}

static void on_made(void *data, const char *lanes)
{
    struct consumer *consumer = data;

    dispatch_due(consumer->dispatch, lanes);
}

static void on_began(void *data, int64_t epoch)
{
    struct consumer *consumer = data;
    const struct uuid *id = master_id(consumer->master);

    db_listen(consumer->lease_db, "rota_due");
    db_listen(consumer->lease_db, "rota_credit");
    db_listen(consumer->lease_db, "rota_queue");
    db_listen(consumer->lease_db, "rota_plan");
    dispatch_begin(consumer->dispatch, id, epoch);
    plan_begin(consumer->plan, id, epoch);
    expire_begin(consumer->expire, id, epoch);
    recover_begin(consumer->recover, id, epoch);
    retain_begin(consumer->retain, id, epoch);
    deadletter_start(consumer->deadletter, id, epoch);
}

static void on_ended(void *data, const char *reason)
{
    struct consumer *consumer = data;

    (void)reason;
    db_unlisten(consumer->lease_db, "rota_due");
    db_unlisten(consumer->lease_db, "rota_credit");
    db_unlisten(consumer->lease_db, "rota_queue");
    db_unlisten(consumer->lease_db, "rota_plan");
    dispatch_end(consumer->dispatch);
    plan_end(consumer->plan);
    expire_end(consumer->expire);
    recover_end(consumer->recover);
    retain_end(consumer->retain);
    deadletter_stop(consumer->deadletter);
}

static int work_backend(void *data)
{
    struct consumer *consumer = data;

    return db_backend(consumer->work_db);
}

static void on_joined(void *data, const struct uuid *id)
{
    struct consumer *consumer = data;

    if (!service_is_stopping(consumer->service))
        master_identify(consumer->master, id);
}

static void on_dead(void *data)
{
    struct consumer *consumer = data;

    master_identify(consumer->master, NULL);
}

static void on_notified(void *data, const char *channel, const char *payload)
{
    struct consumer *consumer = data;

    if (!consumer->master)
        return;
    if (!strcmp(channel, "rota_due"))
        dispatch_due(consumer->dispatch, payload);
    else if (!strcmp(channel, "rota_credit"))
        dispatch_credit(consumer->dispatch);
    else if (!strcmp(channel, "rota_queue"))
        dispatch_queue(consumer->dispatch, payload);
    else if (!strcmp(channel, "rota_plan"))
        plan_look(consumer->plan);
    else if (!strcmp(channel, "rota_master"))
        master_look(consumer->master);
}

static void on_work_lost(void *data, const struct fault *fault)
{
    struct consumer *consumer = data;

    if (consumer->master)
        master_step_down(consumer->master, fault->text);
}

static void on_work_ready(void *data)
{
    struct consumer *consumer = data;

    if (consumer->master)
        master_look(consumer->master);
}

static bool open_parts(struct consumer *consumer, struct fault *fault)
{
    const struct config *config = consumer->config;
    sd_event *loop = consumer->loop;

    consumer->dispatch = dispatch_new(
        loop, consumer->work_db, consumer->look_db, config,
        &(struct dispatch_owner){
            .doubt = on_doubt, .looked = on_looked, .late = on_late, .data = consumer});
    consumer->expire =
        expire_new(consumer->work_db, &(struct expire_owner){.doubt = on_doubt, .data = consumer});
    consumer->plan =
        plan_new(loop, consumer->work_db, consumer->look_db, config,
                 &(struct plan_owner){.doubt = on_doubt, .due = on_made, .data = consumer});
    consumer->recover = recover_new(
        loop, consumer->work_db, consumer->look_db, config,
        &(struct recover_owner){.doubt = on_doubt, .came_back = on_came_back, .data = consumer});
    consumer->retain = retain_new(loop, consumer->work_db, config,
                                  &(struct retain_owner){.doubt = on_doubt, .data = consumer});
    consumer->deadletter = deadletter_new(loop, consumer->look_db, consumer->bus, config);
    consumer->master = master_start(
        loop, consumer->lease_db, config,
        &(struct master_owner){
            .began = on_began, .ended = on_ended, .backend = work_backend, .data = consumer});
    consumer->member = member_start(
        loop, consumer->lease_db, config,
        &(struct member_owner){.joined = on_joined, .dead = on_dead, .data = consumer});
    db_listen(consumer->lease_db, "rota_master");
    return store_open(&consumer->store, loop, config, fault);
}

static void ask_schema(struct consumer *consumer);

static int ask_again(sd_event_source *source, uint64_t usec, void *data)
{
    struct consumer *consumer = data;

    (void)source, (void)usec;
    ask_schema(consumer);
    return 0;
}

static void on_schema(void *data, const struct fault *fault)
{
    struct consumer *consumer = data;
    struct fault refused;

    consumer->asking_schema = false;
    if (fault && !fault_is_retryable(fault)) {
        service_fail(consumer->service, fault);
        return;
    }
    if (fault) {
        sd_event_source_set_time_relative(consumer->again, MIGRATE_AGAIN_US);
        sd_event_source_set_enabled(consumer->again, SD_EVENT_ONESHOT);
        return;
    }
    consumer->schema_fits = true;
    if (!open_parts(consumer, &refused))
        service_fail(consumer->service, &refused);
}

static void ask_schema(struct consumer *consumer)
{
    if (consumer->schema_fits || consumer->asking_schema || !db_is_ready(consumer->lease_db))
        return;
    consumer->asking_schema = true;
    migrate_run(consumer->lease_db, true, on_schema, consumer);
}

static void on_lease_ready(void *data)
{
    ask_schema(data);
}

static bool check_database(void *data, char why[static 160])
{
    struct consumer *consumer = data;

    if (db_is_ready(consumer->lease_db) && consumer->schema_fits)
        return true;
    snprintf(why, 160, "%s",
             db_is_ready(consumer->lease_db) ? "the schema is not there yet" : "not connected");
    return false;
}

static bool check_ingest(void *data, char why[static 160])
{
    struct consumer *consumer = data;

    if (consumer->store)
        return store_check(consumer->store, why);
    snprintf(why, 160, "waits for the database");
    return false;
}

static bool open_databases(struct consumer *consumer, struct fault *fault)
{
    const struct config *config = consumer->config;
    /* Below the lease, so that a statement of a former master has ended when it passes. */
    int64_t statement_ms = config->lease_ms * 2 / 5;

    return db_open(&consumer->lease_db, consumer->loop,
                   &(struct db_settings){.conninfo = config->database_url,
                                         .name = "rota lease",
                                         .statement_ms = statement_ms,
                                         .ready = on_lease_ready,
                                         .notified = on_notified,
                                         .data = consumer},
                   fault) &&
           db_open(&consumer->work_db, consumer->loop,
                   &(struct db_settings){.conninfo = config->database_url,
                                         .name = "rota master",
                                         .statement_ms = statement_ms,
                                         .ready = on_work_ready,
                                         .lost = on_work_lost,
                                         .data = consumer},
                   fault) &&
           db_open(&consumer->look_db, consumer->loop,
                   &(struct db_settings){.conninfo = config->database_url, .name = "rota look"},
                   fault);
}

static bool start(struct service *service, void **data, struct fault *fault)
{
    struct consumer *consumer =
        mem_new(struct consumer, .service = service, .loop = service_loop(service),
                .config = service_config(service));

    *data = consumer;
    sd_event_add_time(consumer->loop, &consumer->again, CLOCK_BOOTTIME, 0, 0, ask_again, consumer);
    sd_event_source_set_enabled(consumer->again, SD_EVENT_OFF);
    if (!bus_open(
            &consumer->bus, consumer->loop,
            &(struct bus_settings){
                .config = consumer->config, .timeout_ms = 30000, .linger_ms = 5, .look_ms = 3000},
            fault) ||
        !open_databases(consumer, fault))
        return false;
    topics_ensure(consumer->bus, consumer->config);
    service_add_check(service, "database", check_database, consumer);
    service_add_check(service, "ingest", check_ingest, consumer);
    return true;
}

/* The clean stop: let go of the mastership, finish what is being stored, sign off. */
static void on_left(void *data)
{
    struct consumer *consumer = data;

    service_stopped(consumer->service);
}

static void on_store_drained(void *data)
{
    struct consumer *consumer = data;

    member_leave(consumer->member, on_left, consumer);
}

static void on_released(void *data)
{
    struct consumer *consumer = data;

    if (consumer->store)
        store_drain(consumer->store, on_store_drained, consumer);
    else
        on_store_drained(consumer);
}

static void drain(void *data)
{
    struct consumer *consumer = data;

    if (consumer->master)
        master_release(consumer->master, on_released, consumer);
    else
        service_stopped(consumer->service);
}

static void close_all(void *data)
{
    struct consumer *consumer = data;

    if (!consumer)
        return;
    store_close(consumer->store);
    consumer->store = NULL; /* answers that the databases' end brings look for it */
    if (consumer->master)
        master_step_down(consumer->master, "stopping");
    db_close(consumer->work_db);
    db_close(consumer->look_db);
    db_close(consumer->lease_db);
    bus_close(consumer->bus, 1000);
    deadletter_free(consumer->deadletter);
    retain_free(consumer->retain);
    recover_free(consumer->recover);
    plan_free(consumer->plan);
    expire_free(consumer->expire);
    dispatch_free(consumer->dispatch);
    master_stop(consumer->master);
    member_stop(consumer->member);
    sd_event_source_disable_unref(consumer->again);
    free(consumer);
}

int main(int count, char **arguments)
{
    static const struct service_program program = {
        .program = PROGRAM_CONSUMER,
        .start = start,
        .drain = drain,
        .close = close_all,
    };

    return service_run(&program, count, arguments);
}
