#include "common/service.h"

#include "common/listen.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/probe.h"
#include "common/problem.h"
#include "common/zones.h"

#include <json-c/json.h>
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#define CHECKS_MOST 16
#define FILES_MOST (1u << 20)
#define FILES_BESIDES 256 /* descriptors for other things than HTTP connections */
#define PROBE_MS 3000

struct service {
    const struct service_program *program;
    struct config config;
    sd_event *loop;
    struct web *web;
    struct web_route *routes;
    void *data;
    sd_event_source *limit;
    struct {
        const char *name;
        service_check *check;
        void *data;
    } checks[CHECKS_MOST];
    int check_count;
    bool stopping, was_ready, has_log;
    int status;
};

sd_event *service_loop(struct service *service)
{
    return service->loop;
}

const struct config *service_config(struct service *service)
{
    return &service->config;
}

struct web *service_web(struct service *service)
{
    return service->web;
}

bool service_is_stopping(const struct service *service)
{
    return service->stopping;
}

void service_add_check(struct service *service, const char *name, service_check *check, void *data)
{
    if (service->check_count == CHECKS_MOST)
        abort();
    service->checks[service->check_count].name = name;
    service->checks[service->check_count].check = check;
    service->checks[service->check_count++].data = data;
}

static void answer_text(struct web_request *request, int status, const char *text)
{
    web_reply(request, status, "text/plain; charset=utf-8", text, strlen(text));
}

/* Whoever answers this has a loop that turns: no dependency is asked, or restarts would spread. */
static void answer_live(struct web_request *request, void *data)
{
    (void)data;
    answer_text(request, 200, "ok\n");
}

struct excluded {
    const char *name;
    bool found;
};

static bool see_exclude(void *data, const char *name, const char *value)
{
    struct excluded *excluded = data;

    excluded->found |= !strcmp(name, "exclude") && !strcmp(value, excluded->name);
    return !excluded->found;
}

static bool is_excluded(const struct web_request *request, const char *name)
{
    struct excluded excluded = {.name = name};

    if (request)
        web_each_query(request, see_exclude, &excluded);
    return excluded.found;
}

/* Writes a line for each check to `to`; what `request` excludes is left out. */
static bool run_checks(const struct service *service, const struct web_request *request, FILE *to)
{
    bool ready = !service->stopping;

    if (service->stopping)
        fputs("[-]shutdown: the program is stopping\n", to);
    for (int i = 0; i < service->check_count; i++) {
        char why[160] = "no reason was given";
        const char *name = service->checks[i].name;

        if (is_excluded(request, name))
            continue;
        if (service->checks[i].check(service->checks[i].data, why)) {
            fprintf(to, "[+]%s ok\n", name);
        } else {
            fprintf(to, "[-]%s: %s\n", name, why);
            ready = false;
        }
    }
    return ready;
}

static void answer_ready(struct web_request *request, void *data)
{
    struct service *service = data;
    char *lines = NULL;
    size_t size;
    FILE *to = mem_or_end(open_memstream(&lines, &size));
    bool ready = run_checks(service, request, to);

    fclose(to);
    if (ready && !web_query(request, "verbose"))
        answer_text(request, 200, "ok\n");
    else
        answer_text(request, ready ? 200 : 503, lines);
    free(lines);
}

static void answer_started(struct web_request *request, void *data)
{
    struct service *service = data;

    if (!service->was_ready) {
        FILE *nowhere = mem_or_end(fopen("/dev/null", "we"));

        service->was_ready = run_checks(service, NULL, nowhere);
        fclose(nowhere);
    }
    answer_text(request, service->was_ready ? 200 : 503,
                service->was_ready ? "ok\n" : "starting\n");
}

static void answer_metrics(struct web_request *request, void *data)
{
    const char *accept = web_header(request, "Accept");
    bool open_metrics = accept && strstr(accept, "application/openmetrics-text");
    size_t size;
    char *page = metrics_write(open_metrics, &size);

    (void)data;
    web_reply(request, 200,
              open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                           : "text/plain; version=0.0.4; charset=utf-8",
              page, size);
    free(page);
}

static void answer_version(struct web_request *request, void *data)
{
    struct service *service = data;
    struct json_object *body = json_object_new_object();
    const char *text;

    json_object_object_add(body, "version", json_object_new_string(ROTA_VERSION));
#ifdef ROTA_REVISION
    json_object_object_add(body, "revision", json_object_new_string(ROTA_REVISION));
#endif
    json_object_object_add(body, "program",
                           json_object_new_string(program_name(service->config.program)));
    if (*zones_version())
        json_object_object_add(body, "tzdata", json_object_new_string(zones_version()));
    text = json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN);
    web_reply(request, 200, "application/json; charset=utf-8", text, strlen(text));
    json_object_put(body);
}

static const struct web_route own_routes[] = {
    {.method = "GET", .path = "/livez", .handler = answer_live, .flags = WEB_OPEN | WEB_QUIET},
    {.method = "GET", .path = "/readyz", .handler = answer_ready, .flags = WEB_OPEN | WEB_QUIET},
    {.method = "GET", .path = "/healthz", .handler = answer_ready, .flags = WEB_OPEN | WEB_QUIET},
    {.method = "GET",
     .path = "/startupz",
     .handler = answer_started,
     .flags = WEB_OPEN | WEB_QUIET},
    {.method = "GET", .path = "/metrics", .handler = answer_metrics, .flags = WEB_QUIET},
    {.method = "GET", .path = "/version", .handler = answer_version, .flags = WEB_QUIET},
};

void service_stopped(struct service *service)
{
    sd_event_exit(service->loop, 0);
}

void service_fail(struct service *service, const struct fault *fault)
{
    log_error("service.failed", "kind=%s cause=%s", fault_kind_name(fault->kind),
              LOG_VALUE(fault->text));
    service->status = EXIT_FAILURE;
    sd_event_exit(service->loop, EXIT_FAILURE);
}

static int on_limit(sd_event_source *source, uint64_t now, void *data)
{
    struct service *service = data;

    (void)source, (void)now;
    log_warn("service.stop_late", "limit_ms=%lld open_requests=%d",
             (long long)service->config.shutdown_ms, web_open_requests(service->web));
    service_stopped(service);
    return 0;
}

static void stop(struct service *service)
{
    service->stopping = true;
    sd_notify(0, "STOPPING=1");
    if (sd_event_add_time_relative(service->loop, &service->limit, CLOCK_BOOTTIME,
                                   (uint64_t)service->config.shutdown_ms * 1000, 1, on_limit,
                                   service) < 0 ||
        !service->program->drain)
        service_stopped(service);
    else
        service->program->drain(service->data);
}

static int on_stop_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
    struct service *service = data;

    (void)source;
    if (service->stopping) {
        log_warn("service.stop_now", "signal=%s", sigabbrev_np((int)info->ssi_signo));
        log_close();
        _exit(EXIT_FAILURE);
    }
    log_info("service.stopping", "signal=%s", sigabbrev_np((int)info->ssi_signo));
    stop(service);
    return 0;
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
    struct service *service = data;
    struct fault fault;
    char *token;

    (void)source, (void)info;
    log_reopen();
    /* No token where one was asked for would open the door: only a restart may do that. */
    if (!config_read_token(&token, &fault)) {
        log_error("service.token_kept", "cause=%s", LOG_VALUE(fault.text));
        return 0;
    }
    if (token)
        web_set_token(service->web, token);
    free(token);
    log_info("service.reloaded", "token=%s", token ? "read" : "none");
    return 0;
}

/* Threads that are started later leave these signals to the loop. */
static void block_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static bool make_loop(struct service *service, struct fault *fault)
{
    if (sd_event_default(&service->loop) < 0 ||
        sd_event_add_signal(service->loop, NULL, SIGTERM, on_stop_signal, service) < 0 ||
        sd_event_add_signal(service->loop, NULL, SIGINT, on_stop_signal, service) < 0 ||
        sd_event_add_signal(service->loop, NULL, SIGHUP, on_hangup, service) < 0)
        return fault_set(fault, FAULT_BROKEN, "no event loop");
    sd_event_set_watchdog(service->loop, true);
    return true;
}

/* As many descriptors as the kernel lets us have, and no more connections than fit. */
static void raise_file_limit(struct config *config)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max < FILES_MOST ? limit.rlim_max : FILES_MOST;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    int64_t room = limit.rlim_cur > 2 * FILES_BESIDES ? (int64_t)limit.rlim_cur - FILES_BESIDES
                                                      : (int64_t)limit.rlim_cur / 2;

    if (config->http_max_connections <= room)
        return;
    log_warn("service.few_files", "limit=%llu connections=%lld help=%s",
             (unsigned long long)limit.rlim_cur, (long long)room,
             LOG_VALUE("raise the limit of open files (ulimit -n) for more connections"));
    config->http_max_connections = room;
}

static enum log_level level_of(const char *name)
{
    static const char *const names[LOG_LEVEL_COUNT] = {"debug", "info", "warn", "error"};

    for (int i = 0; i < LOG_LEVEL_COUNT; i++)
        if (!strcmp(names[i], name))
            return (enum log_level)i;
    return LOG_INFO;
}

static bool open_log(struct service *service, struct fault *fault)
{
    const struct config *config = &service->config;
    const struct log_settings settings = {
        .dir = config->log_dir,
        .role = program_role(config->program),
        .name = config->node_name,
        .least = level_of(config->log_level),
        .to_stderr = config->log_stderr,
        .most_bytes = config->log_max_size,
        .keep = (int)config->log_keep,
    };

    metrics_set_role(settings.role);
    service->has_log = log_open(&settings, fault);
    return service->has_log;
}

static bool open_web(struct service *service, struct fault *fault)
{
    size_t count = COUNT(own_routes) + service->program->route_count;
    struct web_settings settings = {
        .address = service->config.http_addr,
        .token = service->config.token,
        .connections_most = (int)service->config.http_max_connections,
        .timeout_ms = service->config.http_timeout_ms,
        .route_count = count,
        .data = service,
    };

    service->routes = mem_array(struct web_route, count);
    memcpy(service->routes, own_routes, sizeof own_routes);
    for (size_t i = COUNT(own_routes); i < count; i++)
        service->routes[i] = service->program->routes[i - COUNT(own_routes)];
    settings.routes = service->routes;
    return web_open(&service->web, service->loop, &settings, fault);
}

/* Handlers of the program are called with what its start returned. */
static bool start_program(struct service *service, struct fault *fault)
{
    size_t count = COUNT(own_routes) + service->program->route_count;
    bool ok = service->program->start(service, &service->data, fault);

    for (size_t i = COUNT(own_routes); i < count; i++)
        if (!service->routes[i].data)
            service->routes[i].data = service->data;
    return ok;
}

/* A text that is no address is not judged by who could reach it. */
static bool check_address(const struct config *config, struct fault *fault)
{
    struct listen_address address;

    return listen_read(&address, config->http_addr, fault) ||
           fault_while(fault, "ROTA_HTTP_ADDR=%s", config->http_addr);
}

static bool start(struct service *service, struct fault *fault)
{
    return check_address(&service->config, fault) &&
           config_check_exposure(&service->config, fault) && open_log(service, fault) &&
           make_loop(service, fault) && open_web(service, fault) && start_program(service, fault);
}

static void run(struct service *service)
{
    struct fault fault;
    int error;

    log_info("service.up", "program=%s version=%s port=%d pid=%d",
             program_name(service->config.program), ROTA_VERSION, web_port(service->web),
             (int)getpid());
    sd_notify(0, "READY=1");
    error = sd_event_loop(service->loop);
    if (error < 0) {
        fault_set(&fault, FAULT_BROKEN, "the event loop ended: %s", strerror(-error));
        log_error("service.failed", "cause=%s", LOG_VALUE(fault.text));
        service->status = EXIT_FAILURE;
    }
}

static void close_all(struct service *service)
{
    if (service->program->close && service->data)
        service->program->close(service->data);
    web_close(service->web);
    sd_event_source_disable_unref(service->limit);
    sd_event_unref(service->loop);
    free(service->routes);
}

/* One line on stderr, in plain words; the log has its own where it goes elsewhere. */
static int refuse(const struct service_program *program, const struct fault *fault)
{
    fprintf(stderr, "%s: %s\n", program_name(program->program), fault->text);
    return fault->kind == FAULT_REJECTED ? 2 : EXIT_FAILURE;
}

/*
 * Batches free thousands of small pieces in a row, and with its fast bins the C library gathers all
 * of them anew each time that a long free piece has formed (malloc_consolidate): a tenth of what a
 * consumer computes. Without them every piece is joined to its neighbours at once.
 */
static void set_up_heap(void)
{
    mallopt(M_MXFAST, 0);
}

int service_run(const struct service_program *program, int count, char **arguments)
{
    static struct service service; /* texts of its settings live until the process ends */
    struct fault fault;
    bool finished;

    service.program = program;
    if (!config_read(&service.config, program->program, count, arguments, &finished, &fault))
        return refuse(program, &fault);
    if (finished)
        return EXIT_SUCCESS;
    if (count > 1 && !strcmp(arguments[1], "--healthcheck"))
        return probe_run(service.config.http_addr, "/readyz", PROBE_MS, stdout);
    set_up_heap();
    block_signals();
    raise_file_limit(&service.config);
    if (start(&service, &fault)) {
        run(&service);
        close_all(&service);
        log_info("service.down", "status=%d", service.status);
    } else {
        service.status = refuse(program, &fault);
        if (service.has_log && *service.config.log_dir && !service.config.log_stderr)
            log_error("service.start_failed", "cause=%s", LOG_VALUE(fault.text));
        close_all(&service);
    }
    log_close();
    return service.status;
}
