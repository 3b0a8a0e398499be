/*
 * HTTP on the loop, over libmicrohttpd without a thread of its own.
 *
 * Routes are rows. A handler is called once the body is there (within the route's limit) and answers
 * with web_reply at once or later: a request that waits holds memory, never a thread. The server
 * itself answers what no handler needs to see: 404, 405 with Allow, 413, 415, 401, 400 for broken
 * requests, 503 when it is full, each as application/problem+json (RFC 9457). Slow clients are cut
 * off after the timeout. Every answer carries X-Request-Id, and X-Content-Type-Options: nosniff.
 */
#pragma once

#include "common/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct web;
struct web_request;

/* `data` is what web_open was given. Must lead to exactly one web_reply, now or later. */
typedef void web_handler(struct web_request *request, void *data);

enum web_flags {
    WEB_OPEN = 1,  /* needs no token: probes */
    WEB_QUIET = 2, /* not counted nor logged as a request: probes */
    WEB_FORM = 4,  /* also takes application/x-www-form-urlencoded; see web_form */
    WEB_NDJSON = 8, /* also takes application/x-ndjson */
};

struct web_route {
    const char *method; /* "ANY" for every method */
    const char *path;   /* /api/v1/tasks/{id}: {id} stands for one segment */
    web_handler *handler;
    size_t body_most; /* 0: takes no body */
    unsigned flags;
    const char *label; /* for metrics; NULL: path */
};

struct web_settings {
    const char *address;     /* host:port, [v6]:port; port 0: any */
    const char *token;       /* Bearer token, NULL: none is asked for */
    int connections_most;
    int64_t timeout_ms;      /* without progress on a connection */
    const struct web_route *routes;
    size_t route_count;
    void *data;
};

bool web_open(struct web **ret, sd_event *loop, const struct web_settings *settings,
              struct fault *fault);

/* Takes no new connections; what is open is answered still. */
void web_quiesce(struct web *web);

/* Requests that are not answered yet. */
int web_open_requests(const struct web *web);

/* Ends what is left. Requests still held are answered 503 before. Takes NULL. */
void web_close(struct web *web);
int web_port(const struct web *web);

/* What was asked. Texts live until web_reply. */
const char *web_method(const struct web_request *request);
const char *web_path(const struct web_request *request);
const char *web_segment(const struct web_request *request, const char *name); /* {name} */
const char *web_query(const struct web_request *request, const char *name);   /* decoded, or NULL */
const char *web_header(const struct web_request *request, const char *name);  /* or NULL */
const char *web_body(const struct web_request *request, size_t *size);
const char *web_request_id(const struct web_request *request);

/* A field of a form body, decoded, or NULL. */
const char *web_form(struct web_request *request, const char *name);

/* Every query parameter in turn; stops where `each` returns false. */
void web_each_query(const struct web_request *request,
                    bool (*each)(void *data, const char *name, const char *value), void *data);

/* True where application/x-ndjson was sent. */
bool web_is_ndjson(const struct web_request *request);

/* Something that is released when the request is gone; at most one. */
void web_keep(struct web_request *request, void *value, void (*release)(void *value));

/* Before web_reply; the value is copied and must hold no line break. */
void web_reply_header(struct web_request *request, const char *name, const char *value);

/* Answers and gives the request up. `body` is copied; size 0 for none. */
void web_reply(struct web_request *request, int status, const char *type, const void *body,
               size_t size);

/* The preference wait=N of RFC 7240 in ms, 0 where absent; more than `most_ms` is cut to it. */
int64_t web_prefer_wait(const struct web_request *request, int64_t most_ms);
