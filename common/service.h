/*
 * What the mains share: settings, log, signals, the loop, the clean stop, and the page with /livez,
 * /readyz, /metrics and /version.
 *
 * A main fills a `struct service_program` and calls service_run. Signals are blocked before any
 * thread starts: TERM and INT begin the stop, HUP opens the log anew and reads the token file
 * again, a second TERM or INT ends at once.
 *
 * A stop: /readyz answers 503 and everything else goes on, `drain` is called, and when the program
 * says service_stopped, or ROTA_SHUTDOWN_TIMEOUT has passed, the loop is left, `close` is called
 * and the page is closed. A start that fails is one line on stderr: exit status 2 where a setting
 * is wrong (FAULT_REJECTED), else 1. With --healthcheck nothing is opened: the program that runs is
 * asked for /readyz, and the exit status says what it answered.
 *
 * /readyz?verbose lists the checks, ?exclude=name leaves one out; /healthz is the same. /startupz
 * is 200 once all checks have passed. These and /livez need no token.
 */
#pragma once

#include "common/config.h"
#include "common/web.h"

#include <systemd/sd-event.h>

struct service;

/* One line of /readyz?verbose: false puts the reason into `why`. */
typedef bool service_check(void *data, char why[static 160]);

struct service_program {
    enum program program;
    /* Opens everything; `data` of the program is returned through it. */
    bool (*start)(struct service *service, void **data, struct fault *fault);
    /* The stop was asked for: take nothing new, finish, then call service_stopped. May be NULL. */
    void (*drain)(void *data);
    /* Closes what start opened, also where start failed on its way and set `data`. May be NULL. */
    void (*close)(void *data);
    const struct web_route *routes; /* besides those of every program; called with `data` */
    size_t route_count;
};

/* The exit status of main. */
int service_run(const struct service_program *program, int count, char **arguments);

sd_event *service_loop(struct service *service);
const struct config *service_config(struct service *service);
struct web *service_web(struct service *service);

void service_add_check(struct service *service, const char *name, service_check *check, void *data);

/* All is done that drain was to do: leave the loop. */
void service_stopped(struct service *service);

/* Leaves the loop at once with a fault that is logged; exit status 1. */
void service_fail(struct service *service, const struct fault *fault);
bool service_is_stopping(const struct service *service);
