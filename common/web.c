#include "common/web.h"

#include "common/clock.h"
#include "common/listen.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/problem.h"
#include "common/sink.h"
#include "common/uri.h"
#include "common/uuid.h"

#include <assert.h>
#include <ctype.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>

#define BACKLOG 1024
#define CONNECTION_MEMORY (32u << 10) /* request line, headers and what is being read */
#define BODIES_MOST (256u << 20)      /* of all requests together */
#define DROPPED_MOST (64u << 10) /* of a body that nobody wants, before the connection is cut */
#define SURPLUS 64               /* connections beyond the limit that are told so */
#define REPLY_HEADERS_MOST 16
#define REQUEST_ID_MOST 128
#define FLUSH_TURNS 200

/* One connection. It waits where a whole request, or the taking of an answer, is up to the client.
 */
struct peer {
    TAILQ_ENTRY(peer) next;
    int fd;
    int64_t since_us; /* boot clock */
    bool waiting, surplus;
};

struct web {
    struct web_settings settings;
    char *token;
    struct MHD_Daemon *daemon;
    int fd, port;
    sd_event_source *ready, *timer, *resumed;
    struct sink *sink;
    TAILQ_HEAD(peer_list, peer) waiting; /* the longest one first */
    LIST_HEAD(request_list, web_request) held;
    int peers, open_requests, unsent;
    size_t body_bytes;
    bool quiet, closing;
};

struct reply_header {
    char *name, *value;
};

/*
 * It lives as long as libmicrohttpd has the connection at this request, and as long as a handler
 * holds it, whichever is longer.
 */
struct web_request {
    LIST_ENTRY(web_request) next;      /* in web->held */
    struct web *web;                   /* NULL: the server has been closed */
    struct MHD_Connection *connection; /* NULL: libmicrohttpd is through with it */
    struct peer *peer;
    const struct web_route *route; /* NULL: none fits */
    int64_t begun_us;

    uintptr_t target_begin, target_end; /* in libmicrohttpd's memory, only to be compared */
    char *method, *path, *query;
    struct uri_path segments;
    struct uri_params params, *form; /* form: NULL where none was sent */
    char id[REQUEST_ID_MOST + 1];

    bool has_body; /* one is announced */
    bool expects;  /* the client waits for 100 Continue */
    bool must_cut; /* answered without reading on */
    bool is_last;  /* nothing that follows on its connection is taken for a request */
    bool is_ndjson;
    uint64_t announced, received;
    char *body;
    size_t body_size, body_room;

    bool begun, held, suspended;
    struct reply_header headers[REPLY_HEADERS_MOST];
    int header_count;
    struct MHD_Response *response;
    int status;

    void *kept;
    void (*release)(void *value);
};

/* The peer has the next move from now on. */
static void peer_waits(struct web *web, struct peer *peer)
{
    if (peer->waiting)
        TAILQ_REMOVE(&web->waiting, peer, next);
    peer->waiting = true;
    peer->since_us = clock_boot_us();
    TAILQ_INSERT_TAIL(&web->waiting, peer, next);
}

static void peer_rests(struct web *web, struct peer *peer)
{
    if (peer->waiting)
        TAILQ_REMOVE(&web->waiting, peer, next);
    peer->waiting = false;
}

/* A socket that is shut down reads as ended, and libmicrohttpd closes the connection. */
static void cut_late_peers(struct web *web)
{
    int64_t least_us = clock_boot_us() - web->settings.timeout_ms * 2000;
    struct peer *peer;

    while ((peer = TAILQ_FIRST(&web->waiting)) && peer->since_us <= least_us) {
        peer_rests(web, peer);
        shutdown(peer->fd, SHUT_RDWR);
    }
}

static void arm_timer(struct web *web)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;
    struct peer *oldest = TAILQ_FIRST(&web->waiting);
    int64_t now_us = clock_boot_us(), next_us = INT64_MAX;

    if (MHD_get_timeout(web->daemon, &wait_ms) == MHD_YES)
        next_us = now_us + (int64_t)wait_ms * 1000;
    if (oldest && oldest->since_us + web->settings.timeout_ms * 2000 < next_us)
        next_us = oldest->since_us + web->settings.timeout_ms * 2000;
    if (next_us == INT64_MAX) {
        sd_event_source_set_enabled(web->timer, SD_EVENT_OFF);
        return;
    }
    sd_event_source_set_time(web->timer, (uint64_t)next_us);
    sd_event_source_set_enabled(web->timer, SD_EVENT_ONESHOT);
}

/*
 * The only place that lets libmicrohttpd work while the server runs: on events of its epoll
 * descriptor, when its timer says so, and in the turn of the loop after a reply. Resuming makes no
 * event of its own (libmicrohttpd wakes only threads of its own), and a reply may come from within.
 */
static void turn(struct web *web)
{
    MHD_run(web->daemon);
    cut_late_peers(web);
    arm_timer(web);
}

static int on_ready(sd_event_source *source, int fd, uint32_t events, void *data)
{
    (void)source, (void)fd, (void)events;
    turn(data);
    return 0;
}

static int on_resumed(sd_event_source *source, void *data)
{
    (void)source;
    turn(data);
    return 0;
}

static int on_timer(sd_event_source *source, uint64_t now, void *data)
{
    (void)source, (void)now;
    turn(data);
    return 0;
}

static void clear_headers(struct web_request *request)
{
    while (request->header_count) {
        struct reply_header *header = &request->headers[--request->header_count];

        free(header->name);
        free(header->value);
    }
}

static void drop_body(struct web_request *request)
{
    if (request->web)
        request->web->body_bytes -= request->body_room;
    free(request->body);
    request->body = NULL;
    request->body_size = request->body_room = 0;
}

static void request_free(struct web_request *request)
{
    if (request->release)
        request->release(request->kept);
    if (request->response)
        MHD_destroy_response(request->response);
    drop_body(request);
    clear_headers(request);
    uri_path_done(&request->segments);
    uri_params_done(&request->params);
    if (request->form)
        uri_params_done(request->form);
    free(request->form);
    free(request->method);
    free(request->path);
    free(request);
}

static void hold(struct web_request *request)
{
    request->held = true;
    LIST_INSERT_HEAD(&request->web->held, request, next);
    request->web->open_requests++;
    metrics_add(METRIC_HTTP_IN_FLIGHT, 1);
    peer_rests(request->web, request->peer);
}

static void let_go(struct web_request *request)
{
    request->held = false;
    LIST_REMOVE(request, next);
    request->web->open_requests--;
    metrics_add(METRIC_HTTP_IN_FLIGHT, -1);
}

static enum MHD_Result send_answer(struct web_request *request)
{
    return MHD_queue_response(request->connection, (unsigned)request->status, request->response);
}

static bool is_token_char(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(const char *text)
{
    if (!*text)
        return false;
    while (is_token_char(*text))
        text++;
    return !*text;
}

/*
 * What must be true of the head before any of it is believed.
 *
 * Readers that understand one request differently are how a second one gets smuggled past a proxy.
 * So a field that frames the message or says who asks may come once; and each part of the head must
 * stand where it does if nothing but single spaces, colons and CRLF is between them. libmicrohttpd
 * leaves all parts where they were received, ended by a zero. That tells what it does not: a zero
 * byte that was sent, a line that ended otherwise, one that goes on in the next (which it takes for
 * a part of the name) and one that begins with a colon (which it takes for the end of the head).
 */
/* Later releases of libmicrohttpd cut white space off, and refuse all of this themselves. */
#define LEAVES_PARTS_IN_PLACE (MHD_VERSION < 0x00097700)

struct census {
    const char *twice, *wrong;
    uintptr_t next; /* where the next name begins */
    unsigned seen;
};

static void see_once(struct census *census, const char *name)
{
    static const char *const once[] = {"Content-Length", "Transfer-Encoding", "Host",
                                       "Content-Type",   "Authorization",     "Content-Encoding"};

    for (size_t i = 0; i < COUNT(once); i++)
        if (!strcasecmp(name, once[i])) {
            if (census->seen & 1u << i)
                census->twice = once[i];
            census->seen |= 1u << i;
        }
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7f)
            return true;
    return false;
}

#define HOST_CHARS                                                                                 \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:[]%"

static enum MHD_Result see_header(void *data, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    struct census *census = data;
    const char *name_end = name + strlen(name);
    uintptr_t apart = (uintptr_t)value - (uintptr_t)name_end;

    (void)kind;
    see_once(census, name);
    if (!is_token(name))
        census->wrong = "a header's name is not a token";
    else if (LEAVES_PARTS_IN_PLACE &&
             ((uintptr_t)name != census->next || apart < 1 || apart > CONNECTION_MEMORY ||
              strspn(name_end + 1, " \t") + 1 < apart))
        census->wrong = "a header's line is not ended by CRLF, goes on in another or holds U+0000";
    else if (has_control(value))
        census->wrong = "a header's value holds control characters";
    else if (!strcasecmp(name, "Host") && value[strspn(value, HOST_CHARS)])
        census->wrong = "Host is not the name of a host";
    census->next = (uintptr_t)value + strlen(value) + 2;
    return MHD_YES;
}

/* Answers where the head is not one that every reader understands alike. */
static void check_head(struct web_request *request, const char *method, const char *version)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    uintptr_t begin = (uintptr_t)method, end = begin + info->header_size;
    struct census census = {.next = (uintptr_t)version + strlen(version) + 2};

    if (!is_token(method) ||
        (LEAVES_PARTS_IN_PLACE && (begin + strlen(method) + 1 != request->target_begin ||
                                   request->target_end + 1 != (uintptr_t)version)))
        census.wrong = "the first line is not a method, a target and a version";
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, see_header, &census);
    if (census.twice)
        problem_reply(request, PROBLEM_INVALID_REQUEST, "%s is given twice", census.twice);
    else if (census.wrong)
        problem_reply(request, PROBLEM_INVALID_REQUEST, "%s", census.wrong);
    else if (LEAVES_PARTS_IN_PLACE && census.next + 2 != end)
        problem_reply(request, PROBLEM_INVALID_REQUEST, "the headers do not end with CRLF CRLF");
}

/* The checks below answer the request themselves where they return false. */
static bool check_headers(struct web_request *request)
{
    const char *coding = web_header(request, "Transfer-Encoding");
    const char *size = web_header(request, "Content-Length");
    const char *expect = web_header(request, "Expect");

    request->has_body = coding || (size && strcmp(size, "0") != 0);
    request->announced = !coding && size ? strtoull(size, NULL, 10) : 0;
    request->expects = expect && !strcasecmp(expect, "100-continue");
    /* libmicrohttpd reads chunks more loosely than others do: nothing may follow them. */
    request->is_last = coding;
    if (request->response)
        return false;
    request->must_cut = true; /* until the framing is known to be sound */
    if (coding && size)
        problem_reply(request, PROBLEM_INVALID_REQUEST,
                      "Transfer-Encoding and Content-Length are both given");
    else if (coding && strcasecmp(coding, "chunked") != 0)
        problem_reply(request, PROBLEM_INVALID_REQUEST,
                      "the transfer coding must be chunked, and nothing else");
    request->must_cut = request->response != NULL;
    return !request->response;
}

static bool check_room(struct web_request *request)
{
    if (!request->peer->surplus && !request->web->closing)
        return true;
    request->must_cut = true;
    if (request->web->closing)
        problem_reply(request, PROBLEM_NOT_READY, "the server is stopping");
    else
        problem_reply(request, PROBLEM_OVERLOADED, "%d connections are open already",
                      request->web->settings.connections_most);
    return false;
}

/* The target as sent: to be cut at its '?', and freed of an absolute form's scheme and authority.
 */
static void read_target(struct web_request *request, const char *target)
{
    char *query;

    if (!strncasecmp(target, "http://", 7) || !strncasecmp(target, "https://", 8)) {
        target = strstr(target, "://") + 3;
        target += strcspn(target, "/?");
    }
    request->path = mem_text(*target == '?' || !*target ? "/" : target);
    query = strchr(request->path, '?');
    if (query)
        *query++ = '\0';
    request->query = query ? query : request->path + strlen(request->path);
}

static bool check_target(struct web_request *request)
{
    struct fault fault;

    for (const char *c = request->path; *c; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f)
            *request->path = '\0';
    if (!*request->path) {
        request->must_cut = true;
        problem_reply(request, PROBLEM_INVALID_REQUEST,
                      "the target holds bytes that must be percent-encoded");
        return false;
    }
    if (!uri_path_read(&request->segments, request->path, strlen(request->path), &fault)) {
        problem_reply(request, PROBLEM_INVALID_REQUEST, "the path has %s", fault.text);
        return false;
    }
    if (!uri_params_read(&request->params, request->query, strlen(request->query), &fault)) {
        problem_reply(request, PROBLEM_INVALID_PARAMETER, "the query has %s", fault.text);
        return false;
    }
    return true;
}

static bool takes_method(const struct web_route *route, const char *method)
{
    return !strcmp(route->method, "ANY") || !strcmp(route->method, method) ||
           (!strcmp(method, "HEAD") && !strcmp(route->method, "GET"));
}

/* Adds to a list such as "GET, HEAD", once. */
static void list_method(char *list, size_t room, const char *method)
{
    size_t size = strlen(list), length = strlen(method);

    for (const char *at = list; (at = strstr(at, method)); at += length)
        if ((at == list || at[-1] == ' ') && (!at[length] || at[length] == ','))
            return;
    snprintf(list + size, room - size, "%s%s", size ? ", " : "", method);
}

static bool check_route(struct web_request *request)
{
    const struct web_settings *settings = &request->web->settings;
    char allowed[128] = "";

    for (size_t i = 0; i < settings->route_count; i++) {
        const struct web_route *route = &settings->routes[i];

        if (!uri_path_fits(&request->segments, route->path))
            continue;
        if (takes_method(route, request->method)) {
            request->route = route;
            return true;
        }
        list_method(allowed, sizeof allowed, route->method);
        if (!strcmp(route->method, "GET"))
            list_method(allowed, sizeof allowed, "HEAD");
    }
    if (*allowed) {
        web_reply_header(request, "Allow", allowed);
        problem_reply(request, PROBLEM_METHOD_NOT_ALLOWED, "%.32s is not one of %s",
                      request->method, allowed);
    } else {
        problem_reply(request, PROBLEM_NOT_FOUND, "no such path");
    }
    return false;
}

/* In a time that depends on what was sent, not on how much of it is right. */
static bool is_same_secret(const char *given, const char *secret)
{
    size_t size = strlen(given), length = strlen(secret);
    size_t differs = size ^ length;

    for (size_t i = 0; i < size; i++)
        differs |= (unsigned char)(given[i] ^ secret[length ? i % length : 0]);
    return !differs;
}

/* RFC 6454. Browsers say it of every request that may change something. */
static bool check_origin(struct web_request *request)
{
    const char *origin = web_header(request, "Origin"), *host = web_header(request, "Host");
    const char *from = origin ? strstr(origin, "://") : NULL;

    if (!origin || !strcmp(request->method, "GET") || !strcmp(request->method, "HEAD") ||
        (from && host && !strcasecmp(from + 3, host)))
        return true;
    problem_reply(request, PROBLEM_FORBIDDEN, "a page of another origin may not change anything");
    return false;
}

static bool check_token(struct web_request *request)
{
    const char *token = request->web->token;
    const char *given = web_header(request, "Authorization");

    if (!token || request->route->flags & WEB_OPEN)
        return true;
    if (given && !strncasecmp(given, "Bearer ", 7)) {
        given += 7;
        given += strspn(given, " ");
        if (is_same_secret(given, token))
            return true;
    }
    web_reply_header(request, "WWW-Authenticate", "Bearer realm=\"rota\"");
    problem_reply(request, PROBLEM_UNAUTHENTICATED,
                  given ? "the token is not the one this server asks for"
                        : "send the header Authorization: Bearer <token>");
    return false;
}

/* A media type without its parameters. */
static bool is_type(const char *value, const char *type)
{
    size_t size = strlen(type);

    return value && !strncasecmp(value, type, size) &&
           (!value[size] || strchr("; \t", value[size]));
}

static bool check_type(struct web_request *request)
{
    static const struct {
        const char *type;
        unsigned flag; /* 0: every route with a body takes it */
    } types[] = {{"application/json", 0},
                 {"application/x-ndjson", WEB_NDJSON},
                 {"text/x-crontab", WEB_CRONTAB},
                 {"application/x-www-form-urlencoded", WEB_AS_JSON},
                 {"application/x-www-form-urlencoded", WEB_FORM}};
    const char *value = web_header(request, "Content-Type");
    char taken[128] = "";

    for (size_t i = 0; i < COUNT(types); i++) {
        if (types[i].flag && !(request->route->flags & types[i].flag))
            continue;
        if (is_type(value, types[i].type)) {
            request->is_ndjson = types[i].flag == WEB_NDJSON;
            if (types[i].flag == WEB_FORM)
                request->form = mem_new(struct uri_params, .count = 0);
            return true;
        }
        list_method(taken, sizeof taken, types[i].type);
    }
    web_reply_header(request, strcmp(request->method, "PATCH") ? "Accept-Post" : "Accept-Patch",
                     taken);
    problem_reply(request, PROBLEM_UNSUPPORTED_MEDIA_TYPE, "Content-Type must be %s", taken);
    return false;
}

static void refuse_size(struct web_request *request)
{
    size_t most = request->route->body_most;
    char detail[96];
    struct json_object *body;

    if (most)
        snprintf(detail, sizeof detail, "at most %zu bytes are taken here", most);
    else
        snprintf(detail, sizeof detail, "no body is taken here");
    body = problem_json(PROBLEM_PAYLOAD_TOO_LARGE, request->id, request->path, detail, NULL);
    json_object_object_add(body, "limit_bytes", json_object_new_int64((int64_t)most));
    problem_reply_json(request, PROBLEM_PAYLOAD_TOO_LARGE, body);
}

static bool check_body(struct web_request *request)
{
    const char *coding = web_header(request, "Content-Encoding");

    if (!request->has_body)
        return true;
    if (request->announced > request->route->body_most) {
        request->must_cut = true;
        refuse_size(request);
        return false;
    }
    if (coding && strcasecmp(coding, "identity") != 0) {
        web_reply_header(request, "Accept-Encoding", "identity");
        problem_reply(request, PROBLEM_UNSUPPORTED_MEDIA_TYPE, "the body must not be compressed");
        return false;
    }
    return check_type(request);
}

static void choose_id(struct web_request *request)
{
    const char *given = web_header(request, "X-Request-Id");
    size_t size = given ? strlen(given) : 0;
    struct uuid uuid;

    for (size_t i = 0; i < size; i++)
        if ((unsigned char)given[i] <= ' ' || (unsigned char)given[i] >= 0x7f)
            size = 0;
    if (size && size <= REQUEST_ID_MOST) {
        memcpy(request->id, given, size + 1);
        return;
    }
    uuid = uuid_ordered(clock_wall_us());
    uuid_write(request->id, &uuid);
}

/* How much of a body that was refused is read before the answer. */
static uint64_t drop_most(const struct web_request *request)
{
    size_t most = request->route ? request->route->body_most : 0;

    return DROPPED_MOST + (uint64_t)most * 2;
}

/* The head is there. What is refused already is answered now, or when its small body has passed. */
static enum MHD_Result begin(struct web_request *request, const char *method, const char *version)
{
    static bool (*const checks[])(struct web_request *) = {
        check_headers, check_room, check_target, check_route, check_origin, check_token, check_body,
    };

    request->begun = true;
    request->method = mem_text(method);
    request->peer = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
                        ->socket_context;
    choose_id(request);
    request->must_cut = true;
    check_head(request, method, version);
    request->must_cut = request->response != NULL;
    for (size_t i = 0; i < COUNT(checks) && checks[i](request); i++)
        continue;
    if (!request->response || !request->has_body)
        return MHD_YES;
    if (request->must_cut || request->expects || request->announced > drop_most(request)) {
        request->must_cut = true;
        return send_answer(request);
    }
    return MHD_YES;
}

static bool make_room(struct web_request *request, size_t size)
{
    struct web *web = request->web;
    size_t room = request->body_room;

    if (request->body_size + size < room)
        return true;
    while (room <= request->body_size + size)
        room = room ? room * 2 : 1024;
    if (web->body_bytes + room - request->body_room > BODIES_MOST)
        return false;
    web->body_bytes += room - request->body_room;
    request->body = mem_grow(request->body, room);
    request->body_room = room;
    return true;
}

static enum MHD_Result take_body(struct web_request *request, const char *bytes, size_t size)
{
    request->received += size;
    if (request->response)
        return request->received > drop_most(request) ? MHD_NO : MHD_YES;
    if (request->received > request->route->body_most) {
        drop_body(request);
        refuse_size(request);
        return MHD_YES;
    }
    if (!make_room(request, size)) {
        drop_body(request);
        problem_reply(request, PROBLEM_OVERLOADED, "too many bodies are being received");
        return MHD_YES;
    }
    memcpy(request->body + request->body_size, bytes, size);
    request->body_size += size;
    request->body[request->body_size] = '\0';
    return MHD_YES;
}

static bool read_form(struct web_request *request)
{
    struct fault fault;

    if (!request->form || uri_params_read(request->form, request->body ? request->body : "",
                                          request->body_size, &fault))
        return true;
    problem_reply(request, PROBLEM_INVALID_PARAMETER, "the form has %s", fault.text);
    return false;
}

/* The request is whole, or it was resumed because its answer is there. */
static enum MHD_Result finish(struct web_request *request)
{
    const struct web_route *route = request->route;

    if (!request->response && read_form(request)) {
        hold(request);
        route->handler(request, route->data ? route->data : request->web->settings.data);
    }
    if (request->response)
        return send_answer(request);
    request->suspended = true;
    MHD_suspend_connection(request->connection);
    return MHD_YES;
}

/* The first word of a request, before its headers were read. */
static void *on_target(void *data, const char *target, struct MHD_Connection *connection)
{
    struct web *web = data;
    struct web_request *request = mem_new(struct web_request, .web = web, .connection = connection,
                                          .begun_us = clock_boot_us());

    read_target(request, target ? target : "");
    request->target_begin = (uintptr_t)target;
    request->target_end = target ? (uintptr_t)target + strlen(target) : 0;
    return request;
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **context)
{
    struct web_request *request = *context;
    size_t size = *upload_size;

    (void)data, (void)connection, (void)url;
    if (!request->begun)
        return begin(request, method, version);
    *upload_size = 0;
    return size ? take_body(request, upload, size) : finish(request);
}

static void on_completed(void *data, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
    struct web *web = data;
    struct web_request *request = *context;

    (void)connection;
    if (!request)
        return;
    *context = NULL;
    if (request->response)
        web->unsent--;
    if (request->peer) {
        if ((request->must_cut || request->is_last) && code == MHD_REQUEST_TERMINATED_COMPLETED_OK)
            sink_take(web->sink, fcntl(request->peer->fd, F_DUPFD_CLOEXEC, 0));
        peer_waits(web, request->peer);
    }
    request->connection = NULL;
    if (!request->held)
        request_free(request);
}

static void on_connection(void *data, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct web *web = data;
    struct peer *peer = *context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;

        *context = peer = mem_new(struct peer, .fd = fd);
        peer->surplus = ++web->peers > web->settings.connections_most;
        peer_waits(web, peer);
    } else {
        peer_rests(web, peer);
        free(peer);
        web->peers--;
    }
    metrics_set(METRIC_HTTP_CONNECTIONS, web->peers);
}

/* Percent signs are decoded after the target was cut, not before. */
static size_t leave_encoded(void *data, struct MHD_Connection *connection, char *text)
{
    (void)data, (void)connection;
    return strlen(text);
}

static bool start_daemon(struct web *web, struct fault *fault)
{
    const struct web_settings *settings = &web->settings;

    web->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, web,
        MHD_OPTION_LISTEN_SOCKET, web->fd, MHD_OPTION_URI_LOG_CALLBACK, on_target, web,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, web, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
        web, MHD_OPTION_UNESCAPE_CALLBACK, leave_encoded, NULL, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)(settings->connections_most + SURPLUS), MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)((settings->timeout_ms + 999) / 1000), MHD_OPTION_END);
    return web->daemon || fault_set(fault, FAULT_BROKEN, "libmicrohttpd did not start");
}

static bool join_loop(struct web *web, sd_event *loop, struct fault *fault)
{
    int fd = MHD_get_daemon_info(web->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;

    if (sd_event_add_io(loop, &web->ready, fd, EPOLLIN, on_ready, web) < 0 ||
        sd_event_add_time(loop, &web->timer, CLOCK_BOOTTIME, 0, 1, on_timer, web) < 0 ||
        sd_event_add_defer(loop, &web->resumed, on_resumed, web) < 0 ||
        sd_event_source_set_enabled(web->resumed, SD_EVENT_OFF) < 0)
        return fault_set(fault, FAULT_BROKEN, "the loop refused the HTTP server");
    sd_event_source_set_description(web->ready, "web");
    return true;
}

bool web_open(struct web **ret, sd_event *loop, const struct web_settings *settings,
              struct fault *fault)
{
    struct web *web = mem_new(struct web, .settings = *settings, .fd = -1);
    struct listen_address address;

    TAILQ_INIT(&web->waiting);
    web_set_token(web, settings->token);
    if (!listen_read(&address, settings->address, fault) ||
        !listen_open(&web->fd, &address, BACKLOG, fault)) {
        fault_while(fault, "ROTA_HTTP_ADDR=%s", settings->address);
        free(web->token);
        free(web);
        return false;
    }
    web->port = listen_port(web->fd);
    web->sink = sink_new(loop);
    if (!start_daemon(web, fault) || !join_loop(web, loop, fault)) {
        web_close(web);
        return false;
    }
    *ret = web;
    return true;
}

void web_set_token(struct web *web, const char *token)
{
    char *copy = token && *token ? mem_text(token) : NULL;

    free(web->token);
    web->token = copy;
}

void web_quiesce(struct web *web)
{
    if (web->quiet)
        return;
    web->quiet = true;
    MHD_quiesce_daemon(web->daemon);
    close(web->fd);
    web->fd = -1;
}

/* Answers what handlers still hold; whoever holds it may come later and find nothing to do. */
static void answer_held(struct web *web)
{
    struct web_request *request;

    while ((request = LIST_FIRST(&web->held))) {
        problem_reply(request, PROBLEM_NOT_READY, "the server is stopping");
        request->held = true;
        request->web = NULL;
    }
}

void web_close(struct web *web)
{
    if (!web)
        return;
    web->closing = true;
    if (web->daemon) {
        web_quiesce(web);
        answer_held(web);
        for (int i = 0; i < FLUSH_TURNS && web->unsent; i++)
            MHD_run(web->daemon);
    }
    sd_event_source_disable_unref(web->ready);
    sd_event_source_disable_unref(web->timer);
    sd_event_source_disable_unref(web->resumed);
    if (web->daemon)
        MHD_stop_daemon(web->daemon);
    if (web->fd >= 0)
        close(web->fd);
    sink_free(web->sink);
    free(web->token);
    free(web);
}

int web_open_requests(const struct web *web)
{
    return web->open_requests;
}

int web_port(const struct web *web)
{
    return web->port;
}

const char *web_method(const struct web_request *request)
{
    return request->method;
}

const char *web_path(const struct web_request *request)
{
    return request->path;
}

const char *web_segment(const struct web_request *request, const char *name)
{
    return uri_path_value(&request->segments, request->route->path, name);
}

const char *web_query(const struct web_request *request, const char *name)
{
    return uri_params_find(&request->params, name);
}

void web_each_query(const struct web_request *request,
                    bool (*each)(void *data, const char *name, const char *value), void *data)
{
    for (int i = 0; i < request->params.count; i++)
        if (!each(data, request->params.list[i].name, request->params.list[i].value))
            return;
}

const char *web_header(const struct web_request *request, const char *name)
{
    if (!request->connection)
        return NULL;
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *web_body(const struct web_request *request, size_t *size)
{
    if (size)
        *size = request->body_size;
    return request->body ? request->body : "";
}

const char *web_request_id(const struct web_request *request)
{
    return request->id;
}

const char *web_form(struct web_request *request, const char *name)
{
    return request->form ? uri_params_find(request->form, name) : NULL;
}

bool web_is_ndjson(const struct web_request *request)
{
    return request->is_ndjson;
}

void web_keep(struct web_request *request, void *value, void (*release)(void *value))
{
    assert(!request->release);
    request->kept = value;
    request->release = release;
}

static bool is_header_value(const char *value)
{
    for (; *value; value++)
        if (((unsigned char)*value < ' ' && *value != '\t') || (unsigned char)*value >= 0x7f)
            return false;
    return true;
}

bool web_reply_header(struct web_request *request, const char *name, const char *value)
{
    if (request->header_count == REPLY_HEADERS_MOST || !is_token(name) || !is_header_value(value))
        return false;
    request->headers[request->header_count++] =
        (struct reply_header){.name = mem_text(name), .value = mem_text(value)};
    return true;
}

static void put_default(struct MHD_Response *response, const char *name, const char *value)
{
    if (!MHD_get_response_header(response, name))
        MHD_add_response_header(response, name, value);
}

static struct MHD_Response *make_response(struct web_request *request, const char *type,
                                          const void *body, size_t size)
{
    /* libmicrohttpd 0.9 takes the bytes as not constant, and copies them. */
    struct MHD_Response *response = mem_or_end(MHD_create_response_from_buffer(
        size, size ? (void *)(uintptr_t)body : (void *)(uintptr_t) "", MHD_RESPMEM_MUST_COPY));

    for (int i = 0; i < request->header_count; i++)
        MHD_add_response_header(response, request->headers[i].name, request->headers[i].value);
    if (type && size)
        put_default(response, "Content-Type", type);
    put_default(response, "Cache-Control", "no-store");
    put_default(response, "X-Content-Type-Options", "nosniff");
    put_default(response, "X-Request-Id", request->id);
    if (request->must_cut || request->is_last || request->web->quiet)
        put_default(response, "Connection", "close");
    clear_headers(request);
    return response;
}

static void count_answer(const struct web_request *request)
{
    static const enum metric by_class[] = {
        [2] = METRIC_HTTP_REQUESTS_2XX,
        [3] = METRIC_HTTP_REQUESTS_3XX,
        [4] = METRIC_HTTP_REQUESTS_4XX,
        [5] = METRIC_HTTP_REQUESTS_5XX,
    };
    const struct web_route *route = request->route;
    double seconds = (double)(clock_boot_us() - request->begun_us) / 1e6;
    int class = request->status / 100;

    if (route && route->flags & WEB_QUIET)
        return;
    assert(class >= 2 && class <= 5);
    metrics_count(by_class[class]);
    metrics_observe(METRIC_HTTP_DURATION, seconds);
    if (log_wants(LOG_DEBUG))
        log_debug("http.answered", "method=%s route=%s status=%d duration_ms=%.3f request=%s",
                  LOG_VALUE(request->method),
                  route ? route->label ? route->label : route->path : "none", request->status,
                  seconds * 1e3, LOG_VALUE(request->id));
}

void web_reply(struct web_request *request, int status, const char *type, const void *body,
               size_t size)
{
    if (!request->web) { /* the server was closed and has answered in our place */
        request->held = false;
        if (!request->connection)
            request_free(request);
        return;
    }
    assert(!request->response);
    request->status = status;
    request->response = make_response(request, type, body, size);
    request->web->unsent++;
    count_answer(request);
    if (request->held) {
        let_go(request);
        peer_waits(request->web, request->peer);
    }
    if (!request->suspended)
        return;
    request->suspended = false;
    MHD_resume_connection(request->connection);
    sd_event_source_set_enabled(request->web->resumed, SD_EVENT_ONESHOT);
}

/* One preference of the header, up to its comma: true where it is wait=N. */
static bool read_wait(const char *at, int64_t *seconds)
{
    at += strspn(at, " \t");
    if (strncasecmp(at, "wait", 4) != 0)
        return false;
    at += 4 + strspn(at + 4, " \t");
    if (*at != '=')
        return false;
    at += 1 + strspn(at + 1, " \t\"");
    if (!isdigit((unsigned char)*at))
        return false;
    *seconds = strtoll(at, NULL, 10);
    return true;
}

int64_t web_prefer_wait(const struct web_request *request, int64_t most_ms)
{
    int64_t seconds;

    for (const char *at = web_header(request, "Prefer"); at && *at; at += *at == ',') {
        if (read_wait(at, &seconds))
            return seconds > most_ms / 1000 ? most_ms : seconds * 1000;
        at += strcspn(at, ",");
    }
    return 0;
}
