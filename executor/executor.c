#include "executor/executor.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "executor/begin.h"
#include "executor/cancel.h"
#include "executor/inbox.h"
#include "executor/kin.h"
#include "executor/lease.h"
#include "executor/report.h"
#include "executor/request.h"
#include "executor/review.h"
#include "executor/run.h"

#include <signal.h>

#define BUS_TIMEOUT_MS 30000
#define BUS_LINGER_MS 2
#define BUS_LOOK_MS 3000
#define STOP_MARGIN_US INT64_C(2000000) /* of a clean stop, for reports and signing off */
#define DRAIN_LOOK_US 10000
#define KILL_AGAIN_US 10000
#define LONGEST_TERM_MS 60000 /* KILL comes by the lease, or by the drain, long before */

/* The whole program: what service_run is handed, and the timers of its ends. */
struct life {
    struct executor executor;
    struct executor_birth birth;
    sd_event_source *tick, *drain, *sweep;
    int64_t stop_us, kill_us; /* of a clean stop: when what runs gets TERM, and KILL */
    bool signed_off, started;
    char why[160];
};

/* Set by main before the service calls us. */
static struct life life;

/* --- The end without a sign-off -------------------------------------------------------------- */

/* KILL, and again, until nothing of ours is left; also what left its group and its parent. */
static int on_sweep(sd_event_source *source, uint64_t usec, void *data)
{
    char mark[64];
    struct fault fault;

    (void)usec, (void)data;
    snprintf(mark, sizeof mark, "ROTA_NODE=%s", life.executor.node_text);
    run_leave_all(life.executor.run, 0);
    if (kin_kill(getpid(), mark)) {
        sd_event_source_set_time_relative(source, KILL_AGAIN_US);
        sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        return 0;
    }
    leash_stopped(life.executor.leash);
    fault_set(&fault, FAULT_LOST, "%s", life.why);
    service_fail(life.executor.service, &fault);
    return 0;
}

void executor_give_up(struct executor *executor, const char *why)
{
    executor->leaving = true;
    if (life.sweep)
        return;
    snprintf(life.why, sizeof life.why, "%s", why);
    log_error("executor.giving_up", "reason=%s active=%lld", LOG_VALUE(why),
              (long long)run_active(executor->run));
    sd_event_add_time_relative(executor->loop, &life.sweep, CLOCK_BOOTTIME, 0, 1, on_sweep, NULL);
    sd_event_source_set_priority(life.sweep, SD_EVENT_PRIORITY_IMPORTANT);
}

static void on_lease_term(void *data)
{
    struct executor *executor = data;

    executor->leaving = true;
    run_leave_all(executor->run, LONGEST_TERM_MS);
}

static void on_lease_kill(void *data)
{
    executor_give_up(data, "the lease ran out");
}

static void on_guardian_gone(void *data)
{
    executor_give_up(data, "the guardian has ended");
}

/* As a signal, unless one came before: a second one would end us at once. */
static void on_guardian_stop(void *data)
{
    struct executor *executor = data;

    if (!service_is_stopping(executor->service))
        kill(getpid(), SIGTERM);
}

/* --- The clean stop -------------------------------------------------------------------------- */

static bool all_reported(const struct executor *executor)
{
    return report_open_count(executor->report) == 0 && review_is_over(executor->review);
}

/* Waits for what runs, then stops it; waits for the reports; signs off. */
static int on_drain(sd_event_source *source, uint64_t usec, void *data)
{
    struct executor *executor = data;
    int64_t now_us = clock_boot_us();

    (void)usec;
    if (run_active(executor->run) && now_us >= life.stop_us)
        run_leave_all(executor->run, now_us >= life.kill_us ? 0 : (life.kill_us - now_us) / 1000);
    if (!life.signed_off && !run_active(executor->run) &&
        (all_reported(executor) || now_us >= life.kill_us + STOP_MARGIN_US / 2)) {
        life.signed_off = true;
        lease_leave(executor->lease);
        return 0;
    }
    sd_event_source_set_time_relative(source, DRAIN_LOOK_US);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

static void on_left(void *data)
{
    struct executor *executor = data;

    leash_stopped(executor->leash);
    service_stopped(executor->service);
}

static void drain(void *data)
{
    struct executor *executor = data;
    const struct config *config = executor->config;
    int64_t most_us = config->shutdown_ms * 1000, grace_us = config->kill_grace_ms * 1000;
    int64_t now_us = clock_boot_us();

    if (grace_us > most_us / 3)
        grace_us = most_us / 3;
    life.kill_us = now_us + most_us - (most_us > 2 * STOP_MARGIN_US ? STOP_MARGIN_US : most_us / 3);
    life.stop_us = life.kill_us - grace_us;
    executor->draining = true;
    log_info("executor.draining", "active=%lld held=%zu", (long long)run_active(executor->run),
             executor->ledger.count);
    run_return_waiting(executor->run);
    if (executor->db)
        report_say(executor->report);
    sd_event_add_time_relative(executor->loop, &life.drain, CLOCK_BOOTTIME, 0, 1000, on_drain,
                               executor);
}

/* --- The work connection --------------------------------------------------------------------- */

static void on_db_ready(void *data)
{
    struct executor *executor = data;

    review_again(executor->review);
    report_again(executor->report);
    begin_again(executor->begin);
    inbox_again(executor->inbox);
    cancel_look(executor->cancel);
}

static void on_notified(void *data, const char *channel, const char *payload)
{
    struct executor *executor = data;

    (void)channel;
    if (!strcmp(payload, "cancel"))
        cancel_look(executor->cancel);
    else
        inbox_look(executor->inbox);
}

/* The net under timers and notifications. */
static int on_tick(sd_event_source *source, uint64_t usec, void *data)
{
    struct executor *executor = data;

    (void)usec;
    if (db_is_ready(executor->db) && !executor->leaving) {
        inbox_look_back(executor->inbox);
        cancel_look(executor->cancel);
        review_look(executor->review);
        report_say(executor->report);
        run_look_again(executor->run);
    }
    sd_event_source_set_time_relative(source, (uint64_t)executor->config->poll_ms * 1000);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

/* rota_x_ and the node without hyphens. */
static void listen_for_work(struct executor *executor)
{
    char channel[48] = "rota_x_";
    char *at = channel + strlen(channel);

    for (const char *c = executor->node_text; *c; c++)
        if (*c != '-')
            *at++ = *c;
    db_listen(executor->db, channel);
}

static void on_joined(void *data)
{
    struct executor *executor = data;
    const struct db_settings settings = {.conninfo = executor->config->database_url,
                                         .name = "rota-executor",
                                         .ready = on_db_ready,
                                         .notified = on_notified,
                                         .data = executor};
    struct fault fault;

    if (!db_open(&executor->db, executor->loop, &settings, &fault)) {
        service_fail(executor->service, &fault);
        return;
    }
    listen_for_work(executor);
    if (sd_event_add_time_relative(executor->loop, &life.tick, CLOCK_BOOTTIME, 0, 1000, on_tick,
                                   executor) < 0)
        abort();
}

/* --- Opening and closing --------------------------------------------------------------------- */

static bool check_database(void *data, char why[static 160])
{
    const struct executor *executor = data;

    if (executor->db && db_is_ready(executor->db))
        return true;
    snprintf(why, 160, "%s", executor->db ? "not connected" : "not registered yet");
    return false;
}

static bool check_lease(void *data, char why[static 160])
{
    const struct executor *executor = data;

    if (lease_may_start(executor->lease))
        return true;
    snprintf(why, 160, "no heartbeat was confirmed lately");
    return false;
}

static bool check_kafka(void *data, char why[static 160])
{
    const struct executor *executor = data;

    if (bus_is_up(executor->bus))
        return true;
    snprintf(why, 160, "no broker answers");
    return false;
}

/* rota-launch stands beside this program. */
static bool find_launcher(struct executor *executor, struct fault *fault)
{
    char *path = executor->launcher;
    ssize_t size = readlink("/proc/self/exe", path, sizeof executor->launcher - 16);

    if (size < 0)
        return fault_set(fault, FAULT_BROKEN, "/proc/self/exe cannot be read");
    path[size] = '\0';
    strcpy(strrchr(path, '/') + 1, "rota-launch");
    if (access(path, X_OK) < 0)
        return fault_set(fault, FAULT_REJECTED,
                         "%s is missing: shell tasks need it (or take shell out of "
                         "ROTA_EXECUTOR_TYPES)",
                         path);
    return true;
}

static bool open_types(struct executor *executor, struct fault *fault)
{
    const struct bus_settings settings = {.config = executor->config,
                                          .timeout_ms = BUS_TIMEOUT_MS,
                                          .linger_ms = BUS_LINGER_MS,
                                          .look_ms = BUS_LOOK_MS};

    if (run_allows(executor->run, "shell") && !find_launcher(executor, fault))
        return false;
    if (run_allows(executor->run, "http") &&
        !requests_open(&executor->requests, executor->loop, executor->config, fault))
        return false;
    if (!run_allows(executor->run, "kafka"))
        return true;
    if (!bus_open(&executor->bus, executor->loop, &settings, fault))
        return false;
    service_add_check(executor->service, "kafka", check_kafka, executor);
    return true;
}

static bool open_leash(struct executor *executor, struct fault *fault)
{
    const struct leash_owner owner = {
        .stop = on_guardian_stop, .gone = on_guardian_gone, .data = executor};

    return leash_open(&executor->leash, executor->loop, life.birth.line, &owner, fault);
}

static bool start(struct service *service, void **data, struct fault *fault)
{
    struct executor *executor = &life.executor;
    const struct lease_owner owner = {.joined = on_joined,
                                      .stop_all = on_lease_term,
                                      .kill_all = on_lease_kill,
                                      .left = on_left,
                                      .data = executor};

    *data = executor;
    executor->service = service;
    executor->loop = service_loop(service);
    executor->config = service_config(service);
    executor->node = uuid_random();
    uuid_write(executor->node_text, &executor->node);
    ledger_init(&executor->ledger);
    past_init(&executor->past);
    window_init(&executor->window, executor->config->executor_slots,
                executor->config->executor_window);
    executor->report = report_open(executor);
    executor->begin = begin_open(executor);
    executor->cancel = cancel_open(executor);
    executor->inbox = inbox_open(executor);
    executor->review = review_open(executor);
    service_add_check(service, "database", check_database, executor);
    life.started = run_open(&executor->run, executor, fault) && open_leash(executor, fault) &&
                   open_types(executor, fault) &&
                   lease_open(&executor->lease, executor, &life.birth.former, &owner, fault);
    if (life.started)
        service_add_check(service, "lease", check_lease, executor);
    return life.started;
}

/* The connections first: their last answers still find everything. */
static void close_all(void *data)
{
    struct executor *executor = data;

    executor->leaving = true;
    sd_event_source_disable_unref(life.tick);
    sd_event_source_disable_unref(life.drain);
    sd_event_source_disable_unref(life.sweep);
    db_close(executor->db);
    lease_close(executor->lease);
    leash_close(executor->leash);
    run_close(executor->run);
    bus_close(executor->bus, 0);
    requests_close(executor->requests);
    inbox_close(executor->inbox);
    cancel_close(executor->cancel);
    begin_close(executor->begin);
    report_close(executor->report);
    review_close(executor->review);
    ledger_done(&executor->ledger);
    past_done(&executor->past);
}

int executor_run(const struct executor_birth *birth, int count, char **arguments)
{
    static const struct service_program service = {
        .program = PROGRAM_EXECUTOR, .start = start, .drain = drain, .close = close_all};

    life.birth = *birth;
    return service_run(&service, count, arguments);
}
