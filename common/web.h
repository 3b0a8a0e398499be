/*
 * HTTP on the loop, over libmicrohttpd without a thread of its own.
 *
 * Routes are rows. A handler is called once the body is there (within the route's limit) and
 * answers with web_reply at once or later: a request that waits holds memory, never a thread. The
 * server itself answers what no handler needs to see: 404, 405 with Allow, 413, 415, 401, 400 for
 * broken requests, 503 when it is full, each as application/problem+json (RFC 9457). What
 * libmicrohttpd itself cannot read (a request line or headers over 32 KiB: 431 or 414) it answers
 * in plain words.
 *
 * A page of a stranger's site can make a browser send a request, but not hide where it comes from:
 * one that changes something and names another Origin than this server is refused (403).
 *
 * A request that others might read differently is refused and the connection closed (RFC 9112, 11):
 * lengths given twice or in two ways, lines without CRLF, folded lines, U+0000, names that are no
 * tokens. A chunked request is the last one of its connection.
 *
 * A body over the route's limit is refused at once where Content-Length tells, else at its end; far
 * beyond the limit the connection is cut. Slow clients are cut off: a connection without progress
 * after the timeout, a request that is not there whole, or an answer that was not taken, after
 * twice the timeout. A request that waits for its answer has no limit here: whoever holds it has
 * one.
 *
 * Every answer carries X-Request-Id (the caller's where it has 1 to 128 visible ASCII characters,
 * else a new UUID), Cache-Control: no-store and X-Content-Type-Options: nosniff.
 */
#pragma once

#include "common/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct web;
struct web_request;

/* `data` is the route's, or what web_open was given. Leads to exactly one web_reply, now or later.
 */
typedef void web_handler(struct web_request *request, void *data);

enum web_flags {
    WEB_OPEN = 1,     /* needs no token: probes */
    WEB_QUIET = 2,    /* not counted nor logged as a request: probes */
    WEB_FORM = 4,     /* also takes application/x-www-form-urlencoded; see web_form */
    WEB_NDJSON = 8,   /* also takes application/x-ndjson */
    WEB_CRONTAB = 16, /* also takes text/x-crontab */
    WEB_AS_JSON = 32, /* takes what says to be a form (curl -d) as JSON; for PUT only, see below */
};

/* The first row that fits is taken. Routes with a body take application/json. */
struct web_route {
    const char *method; /* "ANY" for every method; where GET is, HEAD is too */
    const char *path;   /* /api/v1/tasks/{id}: {id} stands for one segment */
    web_handler *handler;
    size_t body_most; /* 0: takes no body */
    unsigned flags;
    const char *label; /* in log lines; NULL: path */
    void *data;        /* for the handler; NULL: what web_open was given */
};

struct web_settings {
    const char *address; /* host:port, [v6]:port; port 0: any */
    const char *token;   /* Bearer token, NULL: none is asked for */
    int connections_most;
    int64_t timeout_ms;             /* without progress on a connection; whole seconds count */
    const struct web_route *routes; /* must live as long as the server */
    size_t route_count;
    void *data;
};

/* FAULT_REJECTED: the address is wrong; FAULT_BUSY: the port is taken. The fault names the setting.
 */
bool web_open(struct web **ret, sd_event *loop, const struct web_settings *settings,
              struct fault *fault);

/* From now on this token is asked for; NULL: none. */
void web_set_token(struct web *web, const char *token);

/* Takes no new connections; what is open is answered still. Not from within a handler. */
void web_quiesce(struct web *web);

/* Requests that a handler has taken and not answered yet. */
int web_open_requests(const struct web *web);

/*
 * Ends what is left. Requests still held are answered 503 before; a web_reply for one of them after
 * this is allowed and does nothing. Not from within a handler. Takes NULL.
 */
void web_close(struct web *web);
int web_port(const struct web *web);

/* What was asked. Texts live until web_reply. */
const char *web_method(const struct web_request *request);
const char *web_path(const struct web_request *request); /* as sent, without the query */
const char *web_segment(const struct web_request *request, const char *name); /* {name}, decoded */
const char *web_query(const struct web_request *request, const char *name);   /* decoded, or NULL */
const char *web_header(const struct web_request *request, const char *name);  /* or NULL */

/* Ends in a zero beyond `size`; "" where there is none. `size` may be NULL. */
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

/*
 * Before web_reply; the value is copied. Refused where the name is not a token, or the value holds
 * anything but visible ASCII, spaces and tabs: then false, and nothing is added.
 */
bool web_reply_header(struct web_request *request, const char *name, const char *value);

/*
 * Answers and gives the request up: whatever was asked of it is gone when this returns. `body` is
 * copied; size 0 for none. A client that has gone away is no fault.
 */
void web_reply(struct web_request *request, int status, const char *type, const void *body,
               size_t size);

/* The preference wait=N of RFC 7240 in ms, 0 where absent; more than `most_ms` is cut to it. */
int64_t web_prefer_wait(const struct web_request *request, int64_t most_ms);
