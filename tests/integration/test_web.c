/*
 * A real server on the loop, and clients that behave as they should not: one thread, so that what
 * happens in between is known. Clients are sockets that never block; pump() turns the loop until a
 * condition holds, and fails where it does not within the limit.
 */
#include "tests/unit/unit.h"

#include "common/clock.h"
#include "common/metrics.h"
#include "common/problem.h"
#include "common/web.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_US INT64_C(10000000)
#define TIMEOUT_MS 1000
#define ECHO_MOST 1000
#define CONNECTIONS_MOST 12000
#define HELD_MOST 4000
#define IDLE 10000
#define HEARD_MOST 65536

static sd_event *loop;
static struct web *web;
static struct web_request *held[HELD_MOST];
static int held_count, echoed, kept;

struct client {
    int fd;
    bool ended; /* closed by the server, or reset */
    int error;
    size_t size;
    char heard[HEARD_MOST];
};

/* --- the server's handlers --- */

static void answer(struct web_request *request, const char *text)
{
    web_reply(request, 200, "text/plain", text, strlen(text));
}

static void echo(struct web_request *request, void *data)
{
    char text[ECHO_MOST + 200];
    size_t size;
    const char *body = web_body(request, &size), *field = web_form(request, "field");

    assert_ptr_equal(data, &echoed);
    assert_int_equal(body[size], 0);
    echoed++;
    snprintf(text, sizeof text, "[%s|%zu|%.*s|%s|%d]", web_method(request), size, (int)size, body,
             field ? field : "-", web_is_ndjson(request));
    answer(request, text);
}

static void show(struct web_request *request, void *data)
{
    char text[1024];
    const char *q = web_query(request, "q"), *header = web_header(request, "X-Word");

    (void)data;
    snprintf(text, sizeof text, "<%s|%s|%s|%lld>", web_segment(request, "id"), q ? q : "-",
             header ? header : "-", (long long)web_prefer_wait(request, 30000));
    answer(request, text);
}

static void release_kept(void *value)
{
    (*(int *)value)--;
}

static void hold(struct web_request *request, void *data)
{
    (void)data;
    assert_true(held_count < HELD_MOST);
    kept++;
    web_keep(request, &kept, release_kept);
    held[held_count++] = request;
}

static void inject(struct web_request *request, void *data)
{
    static const struct {
        const char *name, *value;
    } wrong[] = {{"X-A", "a\r\nX-Evil: 1"},
                 {"X-A", "a\nX-Evil: 1"},
                 {"X-A", "a\rb"},
                 {"X-A\r\nX-Evil", "1"},
                 {"X A", "1"},
                 {"", "1"},
                 {"X-A:", "1"},
                 {"X-A", "\x7f"},
                 {"X-A", "\xc3\xa4"}};

    (void)data;
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_false(web_reply_header(request, wrong[i].name, wrong[i].value));
    assert_true(web_reply_header(request, "X-Good", "a b\tc"));
    assert_true(web_reply_header(request, "Cache-Control", "max-age=9"));
    answer(request, "fine");
}

static void probe(struct web_request *request, void *data)
{
    (void)data;
    answer(request, "alive");
}

static const struct web_route routes[] = {
    {.method = "POST",
     .path = "/echo",
     .handler = echo,
     .body_most = ECHO_MOST,
     .flags = WEB_FORM | WEB_NDJSON,
     .data = &echoed},
    {.method = "PUT", .path = "/echo", .handler = echo, .body_most = ECHO_MOST, .data = &echoed},
    {.method = "GET", .path = "/items/{id}", .handler = show},
    {.method = "POST", .path = "/items:batch", .handler = probe, .body_most = 10},
    {.method = "ANY", .path = "/any", .handler = probe},
    {.method = "GET", .path = "/hold", .handler = hold},
    {.method = "GET", .path = "/inject", .handler = inject},
    {.method = "GET", .path = "/alive", .handler = probe, .flags = WEB_OPEN | WEB_QUIET},
};

/* --- the loop and its clients --- */

static void listen_to(struct client *client)
{
    while (!client->ended && client->size < HEARD_MOST - 1) {
        ssize_t size = recv(client->fd, client->heard + client->size, HEARD_MOST - 1 - client->size,
                            MSG_DONTWAIT);

        if (size < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (size < 0)
            client->error = errno;
        if (size <= 0)
            client->ended = true;
        else
            client->size += (size_t)size;
        client->heard[client->size] = '\0';
    }
}

static void turn(uint64_t most_us)
{
    assert_true(sd_event_run(loop, most_us) >= 0);
}

/* Turns the loop until the condition holds. */
#define pump(condition)                                                                            \
    do {                                                                                           \
        int64_t until_us = clock_boot_us() + LIMIT_US;                                             \
                                                                                                   \
        while (!(condition)) {                                                                     \
            assert_true(clock_boot_us() < until_us);                                               \
            turn(5000);                                                                            \
        }                                                                                          \
    } while (0)

static int dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)web_port(web)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_true(!connect(fd, (struct sockaddr *)&address, sizeof address) || errno == EINPROGRESS);
    return fd;
}

static struct client *client_new(void)
{
    struct client *client = mem_array(struct client, 1);

    client->fd = dial();
    return client;
}

static void client_free(struct client *client)
{
    close(client->fd);
    free(client);
}

static void say_bytes(struct client *client, const char *bytes, size_t size)
{
    while (size) {
        ssize_t sent = send(client->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0) {
            assert_true(errno == EAGAIN || errno == ENOTCONN || errno == EPIPE ||
                        errno == ECONNRESET);
            if (errno == EPIPE || errno == ECONNRESET) {
                client->error = errno;
                return;
            }
            turn(1000);
            listen_to(client);
            continue;
        }
        bytes += sent;
        size -= (size_t)sent;
    }
}

static void say(struct client *client, const char *text)
{
    say_bytes(client, text, strlen(text));
}

static bool hears(struct client *client, const char *text)
{
    listen_to(client);
    return strstr(client->heard, text);
}

static bool has_ended(struct client *client)
{
    listen_to(client);
    return client->ended;
}

static int count_of(const char *text, const char *part)
{
    int count = 0;

    for (; (text = strstr(text, part)); text += strlen(part))
        count++;
    return count;
}

/* Sends a request on a connection of its own and waits until the answer is whole. */
static void ask(const char *request, size_t size, char answer_text[static HEARD_MOST])
{
    struct client *client = client_new();

    say_bytes(client, request, size);
    pump(hears(client, "\r\n\r\n"));
    char *length = strcasestr(client->heard, "content-length:");

    if (length && strncmp(request, "HEAD", 4) != 0) {
        size_t whole = (size_t)(strstr(client->heard, "\r\n\r\n") + 4 - client->heard) +
                       strtoul(length + 15, NULL, 10);

        pump((listen_to(client), client->size >= whole));
    }
    memcpy(answer_text, client->heard, client->size + 1);
    client_free(client);
}

static void answer_all_held(int status)
{
    while (held_count)
        web_reply(held[--held_count], status, "text/plain", "late", 4);
}

static void open_server(const char *token, int connections_most, int64_t timeout_ms)
{
    struct web_settings settings = {
        .address = "127.0.0.1:0",
        .token = token,
        .connections_most = connections_most,
        .timeout_ms = timeout_ms,
        .routes = routes,
        .route_count = COUNT(routes),
    };
    struct fault fault;

    assert_true(sd_event_new(&loop) >= 0);
    assert_true(web_open(&web, loop, &settings, &fault));
}

static int set_up(void **state)
{
    (void)state;
    open_server(NULL, CONNECTIONS_MOST, TIMEOUT_MS);
    return 0;
}

static int set_up_token(void **state)
{
    (void)state;
    open_server("sesame", CONNECTIONS_MOST, TIMEOUT_MS);
    return 0;
}

static int set_up_small(void **state)
{
    (void)state;
    open_server(NULL, 3, 30000);
    return 0;
}

static int set_up_patient(void **state)
{
    (void)state;
    open_server(NULL, CONNECTIONS_MOST, 30000);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    web_close(web);
    web = NULL;
    loop = sd_event_unref(loop);
    return kept || held_count;
}

/* --- one row a request: what it is answered with --- */

struct exchange {
    const char *request;
    int status;
    const char *says; /* in the answer; NULL: whatever */
};

#define HOST "Host: x\r\n"
#define JSON "Content-Type: application/json\r\n"

static void try_all(const struct exchange *cases, size_t count)
{
    static char heard[HEARD_MOST];

    for (size_t i = 0; i < count; i++) {
        char status[16];

        ask(cases[i].request, strlen(cases[i].request), heard);
        snprintf(status, sizeof status, "HTTP/1.1 %d ", cases[i].status);
        if (strncmp(heard, status, strlen(status)) != 0 ||
            (cases[i].says && !strstr(heard, cases[i].says)))
            fail_msg("%s\nwanted %d and %s, got\n%s", cases[i].request, cases[i].status,
                     cases[i].says ? cases[i].says : "", heard);
    }
}

static void requests_reach_their_handlers(void **state)
{
    static const struct exchange cases[] = {
        {"GET /items/7 HTTP/1.1\r\n" HOST "\r\n", 200, "<7|-|-|0>"},
        {"GET /items/a%2Fb?x=1&q=c+d%26 HTTP/1.1\r\n" HOST "X-Word: w\r\n\r\n", 200,
         "<a/b|c d&|w|0>"},
        {"GET http://x/items/8?q=1 HTTP/1.1\r\n" HOST "\r\n", 200, "<8|1|-|0>"},
        {"GET /items/7 HTTP/1.1\r\n" HOST "Prefer: respond-async, wait=5\r\n\r\n", 200, "|5000>"},
        {"GET /items/7 HTTP/1.1\r\n" HOST "Prefer: wait=99999999999999999999\r\n\r\n", 200,
         "|30000>"},
        {"GET /items/7 HTTP/1.1\r\n" HOST "Prefer: wait=-1\r\n\r\n", 200, "|0>"},
        {"HEAD /items/7 HTTP/1.1\r\n" HOST "\r\n", 200, "Content-Length: 9"},
        {"DELETE /any HTTP/1.1\r\n" HOST "\r\n", 200, "alive"},
        {"POST /items:batch HTTP/1.1\r\n" HOST "\r\n", 200, "alive"},
        {"POST /echo HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\n\r\n{}", 200, "[POST|2|{}|-|0]"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Type: Application/JSON ; charset=utf-8\r\n"
         "Content-Length: 2\r\n\r\n{}",
         200, "[POST|2|{}|-|0]"},
        {"POST /echo HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\n"
         "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
         200, "[POST|5|abcde|-|0]"},
        {"POST /echo HTTP/1.1\r\n" HOST "\r\n", 200, "[POST|0||-|0]"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 200, "[POST|0||-|0]"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Type: application/x-www-form-urlencoded\r\n"
         "Content-Length: 9\r\n\r\nfield=a+b",
         200, "|a b|0]"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Type: application/x-ndjson\r\n"
         "Content-Length: 1\r\n\r\n1",
         200, "|-|1]"},
    };

    (void)state;
    try_all(cases, COUNT(cases));
}

static void crooked_requests_are_refused(void **state)
{
    static const struct exchange cases[] = {
        {"GET /nowhere HTTP/1.1\r\n" HOST "\r\n", 404, "/problems/not-found"},
        {"GET /items/ HTTP/1.1\r\n" HOST "\r\n", 404, NULL},
        {"GET /items/%00 HTTP/1.1\r\n" HOST "\r\n", 400, "invalid-request"},
        {"GET /items/%zz HTTP/1.1\r\n" HOST "\r\n", 400, "percent sign"},
        {"GET /items/%ff HTTP/1.1\r\n" HOST "\r\n", 400, "UTF-8"},
        {"GET /items/\xff HTTP/1.1\r\n" HOST "\r\n", 400, "percent-encoded"},
        {"GET /items/1?q=%00 HTTP/1.1\r\n" HOST "\r\n", 400, "invalid-parameter"},
        {"DELETE /echo HTTP/1.1\r\n" HOST "\r\n", 405, "Allow: POST, PUT\r\n"},
        {"POST /items/7 HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\n\r\n{}", 405,
         "Allow: GET, HEAD\r\n"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Type: text/xml\r\nContent-Length: 2\r\n\r\n{}",
         415, "Accept-Post: application/json, application/x-ndjson"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 415, NULL},
        {"PUT /echo HTTP/1.1\r\n" HOST "Content-Type: application/x-ndjson\r\n"
         "Content-Length: 2\r\n\r\n{}",
         415, "Accept-Post: application/json\r\n"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Type: application/jsonp\r\n"
         "Content-Length: 2\r\n\r\n{}",
         415, NULL},
        {"POST /echo HTTP/1.1\r\n" HOST JSON
         "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
         415, "compressed"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Type: application/x-www-form-urlencoded\r\n"
         "Content-Length: 3\r\n\r\na=%",
         400, "the form has"},
        {"GET /items/7 HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\n\r\n{}", 413,
         "\"limit_bytes\":0"},
        {"POST /echo HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
         400, "Content-Length is given twice"},
        {"POST /echo HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
         400, "Connection: close"},
        {"POST /echo HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n"
         "Content-Length: 2\r\n\r\n0\r\n\r\n",
         400, NULL},
        {"POST /echo HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
         400, NULL},
        {"POST /echo HTTP/1.1\r\n" HOST JSON "Content-Length: -2\r\n\r\n{}", 400, NULL},
        {"POST /echo HTTP/1.1\r\n" HOST JSON "Content-Length: 2x\r\n\r\n{}", 400, NULL},
        {"POST /echo HTTP/1.1\r\n" HOST JSON "Content-Length : 2\r\n\r\n{}", 400, NULL},
        {"GET /items/7 HTTP/1.1\r\n\r\n", 400, NULL},
        {"GET /items/7 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, NULL},
        {"POST /echo HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, NULL},
        {"POST /echo HTTP/1.1\n" HOST JSON "Content-Length: 2\r\n\r\n{}", 400, NULL},
        {"POST /echo HTTP/1.1\r\nHost: x\n" JSON "Content-Length: 2\r\n\r\n{}", 400, "CRLF"},
        {"POST /echo HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\n\n{}", 400, "CRLF CRLF"},
        {"POST /echo HTTP/1.1\r\n" HOST JSON "X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}", 400,
         "goes on"},
        {"POST /echo HTTP/1.1\r\n" HOST JSON "Content-: 2\r\n Length\r\n\r\n{}", 400, "goes on"},
        {"POST /echo HTTP/1.1\r\n" HOST JSON ": x\r\nContent-Length: 2\r\n\r\n{}", 400,
         "CRLF CRLF"},
        {"POST /echo HTTP/1.1\r\n" HOST JSON "X: a\rY: b\r\nContent-Length: 2\r\n\r\n{}", 400,
         "control characters"},
        {"POST  /echo HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\n\r\n{}", 400, "first line"},
        {"\"}POST /echo HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\n\r\n{}", 400,
         "Connection: close"},
        {"GET /items/7 HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "Host is not"},
    };
    int before = echoed;

    (void)state;
    try_all(cases, COUNT(cases));
    assert_int_equal(echoed, before);
}

static void nul_bytes_do_no_harm(void **state)
{
    static const char target[] = "GET /items/7\0x HTTP/1.1\r\n" HOST "\r\n";
    static const char header[] = "GET /items/7 HTTP/1.1\r\n" HOST "X-Word: a\0b\r\n\r\n";
    static const char body[] = "POST /echo HTTP/1.1\r\n" HOST JSON "Content-Length: 3\r\n\r\na\0b";
    static char heard[HEARD_MOST];

    (void)state;
    ask(target, sizeof target - 1, heard);
    assert_non_null(strstr(heard, "HTTP/1.1 400 "));
    ask(header, sizeof header - 1, heard);
    assert_non_null(strstr(heard, "HTTP/1.1 400 "));
    ask(body, sizeof body - 1, heard);
    assert_non_null(strstr(heard, "[POST|3|"));
}

static void every_answer_has_its_headers(void **state)
{
    static char heard[HEARD_MOST];
    static const char given[] = "GET /alive HTTP/1.1\r\n" HOST "X-Request-Id: my-id/7\r\n\r\n";
    static const char spaced[] = "GET /no HTTP/1.1\r\n" HOST "X-Request-Id: my id\r\n\r\n";
    static const char evil[] = "GET /inject HTTP/1.1\r\n" HOST "\r\n";

    (void)state;
    ask(given, strlen(given), heard);
    assert_non_null(strstr(heard, "X-Request-Id: my-id/7\r\n"));
    assert_non_null(strstr(heard, "Cache-Control: no-store\r\n"));
    assert_non_null(strstr(heard, "X-Content-Type-Options: nosniff\r\n"));
    ask(spaced, strlen(spaced), heard);
    assert_null(strstr(heard, "my id"));
    assert_non_null(strstr(heard, "X-Request-Id: "));
    assert_non_null(strstr(heard, "Content-Type: application/problem+json\r\n"));
    assert_non_null(strstr(heard, "\"instance\":\"/no\""));
    ask(evil, strlen(evil), heard);
    assert_non_null(strstr(heard, "200 OK"));
    assert_null(strstr(heard, "X-Evil"));
    assert_non_null(strstr(heard, "X-Good: a b\tc\r\n"));
    assert_non_null(strstr(heard, "Cache-Control: max-age=9\r\n"));
    assert_int_equal(count_of(heard, "Cache-Control"), 1);
}

static void a_token_is_asked_for(void **state)
{
    static const struct exchange cases[] = {
        {"GET /items/7 HTTP/1.1\r\n" HOST "\r\n", 401, "WWW-Authenticate: Bearer realm=\"rota\""},
        {"GET /items/7 HTTP/1.1\r\n" HOST "Authorization: Bearer wrong\r\n\r\n", 401,
         "/problems/unauthenticated"},
        {"GET /items/7 HTTP/1.1\r\n" HOST "Authorization: Bearer sesam\r\n\r\n", 401, NULL},
        {"GET /items/7 HTTP/1.1\r\n" HOST "Authorization: Bearer sesamesesame\r\n\r\n", 401, NULL},
        {"GET /items/7 HTTP/1.1\r\n" HOST "Authorization: Bearer \r\n\r\n", 401, NULL},
        {"GET /items/7 HTTP/1.1\r\n" HOST "Authorization: Basic sesame\r\n\r\n", 401, NULL},
        {"POST /echo HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\n\r\n{}", 401, NULL},
        {"GET /items/7 HTTP/1.1\r\n" HOST "authorization: bearer sesame\r\n\r\n", 200, NULL},
        {"GET /alive HTTP/1.1\r\n" HOST "\r\n", 200, NULL},
    };
    static const struct exchange later[] = {
        {"GET /items/7 HTTP/1.1\r\n" HOST "Authorization: Bearer sesame\r\n\r\n", 401, NULL},
        {"GET /items/7 HTTP/1.1\r\n" HOST "Authorization: Bearer tahini\r\n\r\n", 200, NULL},
    };

    (void)state;
    try_all(cases, COUNT(cases));
    web_set_token(web, "tahini");
    try_all(later, COUNT(later));
}

/* --- bodies --- */

static void a_refused_small_body_keeps_the_connection(void **state)
{
    struct client *client = client_new();

    (void)state;
    say(client, "POST /echo HTTP/1.1\r\n" HOST "Content-Type: a/b\r\nContent-Length: 5\r\n\r\n12345"
                "GET /alive HTTP/1.1\r\n" HOST "\r\n");
    pump(hears(client, "alive"));
    assert_non_null(strstr(client->heard, "HTTP/1.1 415 "));
    client_free(client);
}

static void a_large_length_is_refused_at_once(void **state)
{
    struct client *client = client_new();

    (void)state;
    say(client, "POST /echo HTTP/1.1\r\n" HOST JSON "Content-Length: 1001\r\n\r\n");
    pump(hears(client, "\"limit_bytes\":1000"));
    assert_int_equal(strncmp(client->heard, "HTTP/1.1 413 ", 13), 0);
    client_free(client);
}

/* A client that sends all of a large body before it reads finds the answer, not a reset. */
static void a_large_body_is_told_why(void **state)
{
    size_t size = 4 << 20;
    char *body = mem_array(char, size), head[160];
    struct client *client = client_new();

    (void)state;
    snprintf(head, sizeof head, "POST /echo HTTP/1.1\r\n" HOST JSON "Content-Length: %zu\r\n\r\n",
             size);
    say(client, head);
    say_bytes(client, body, size);
    free(body);
    pump(has_ended(client));
    assert_int_equal(client->error, 0);
    assert_int_equal(strncmp(client->heard, "HTTP/1.1 413 ", 13), 0);
    assert_non_null(strstr(client->heard, "\"limit_bytes\":1000"));
    client_free(client);
}

static void a_client_that_asks_first_is_refused_first(void **state)
{
    struct client *client = client_new();

    (void)state;
    say(client,
        "POST /echo HTTP/1.1\r\n" HOST JSON "Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n");
    pump(hears(client, "\r\n\r\n"));
    assert_int_equal(strncmp(client->heard, "HTTP/1.1 413 ", 13), 0);
    client_free(client);
    client = client_new();
    say(client,
        "POST /echo HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    pump(hears(client, "HTTP/1.1 100 "));
    say(client, "{}");
    pump(hears(client, "[POST|2|{}|-|0]"));
    client_free(client);
}

static void say_chunks(struct client *client, int count, int size)
{
    char chunk[1100];
    int head = snprintf(chunk, sizeof chunk, "%x\r\n", (unsigned)size);

    memset(chunk + head, 'x', (size_t)size);
    memcpy(chunk + head + size, "\r\n", 2);
    for (int i = 0; i < count && !client->ended; i++)
        say_bytes(client, chunk, (size_t)(head + size + 2));
}

static void a_chunked_body_has_the_same_limit(void **state)
{
    static const int counts[] = {2, 10};
    static const char *const answers[] = {"[POST|1000|", "\"limit_bytes\":1000"};

    (void)state;
    for (size_t i = 0; i < COUNT(counts); i++) {
        struct client *client = client_new();

        say(client, "POST /echo HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\n");
        say_chunks(client, counts[i], 500);
        say(client, "0\r\n\r\n");
        pump(hears(client, answers[i]));
        client_free(client);
    }
}

/* Whatever it is that follows: chunks are where readers differ the most. */
static void nothing_follows_a_chunked_request(void **state)
{
    struct client *client = client_new();

    (void)state;
    say(client, "POST /echo HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\n"
                "2;x\n{}\r\n0\r\n\r\nGET /alive HTTP/1.1\r\n" HOST "\r\n");
    pump(has_ended(client));
    assert_true(hears(client, "[POST|2|{}|-|0]") && hears(client, "Connection: close"));
    assert_false(hears(client, "alive"));
    client_free(client);
}

static void an_endless_body_is_cut(void **state)
{
    struct client *client = client_new();

    (void)state;
    say(client, "POST /echo HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\n");
    say_chunks(client, 1000, 1000);
    pump(has_ended(client));
    client_free(client);
}

/* --- clients that are slow, hasty or gone --- */

static void half_requests_wait(void **state)
{
    static const char whole[] = "POST /echo HTTP/1.1\r\n" HOST JSON "Content-Length: 4\r\n\r\nabcd";
    struct client *client = client_new();
    int before = echoed;

    (void)state;
    for (const char *at = whole; *at; at++) {
        assert_int_equal(echoed, before);
        say_bytes(client, at, 1);
        turn(1000);
    }
    pump(hears(client, "[POST|4|abcd|-|0]"));
    client_free(client);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct client *client = client_new();
    char *at;

    (void)state;
    for (int i = 0; i < 50; i++) {
        char text[100];

        snprintf(text, sizeof text, "GET /items/n%d HTTP/1.1\r\n" HOST "\r\n", i);
        say(client, text);
    }
    pump((listen_to(client),
          count_of(client->heard, "HTTP/1.1 200") == 50 && strstr(client->heard, "<n49|")));
    at = client->heard;
    for (int i = 0; i < 50; i++) {
        char text[16];

        snprintf(text, sizeof text, "<n%d|", i);
        at = strstr(at, text);
        assert_non_null(at);
    }
    client_free(client);
}

static void pipelined_requests_wait_for_a_held_one(void **state)
{
    struct client *client = client_new();

    (void)state;
    say(client, "GET /hold HTTP/1.1\r\n" HOST "\r\nGET /alive HTTP/1.1\r\n" HOST "\r\n");
    pump(held_count == 1);
    for (int i = 0; i < 20; i++)
        turn(1000);
    assert_false(hears(client, "HTTP"));
    answer_all_held(200);
    pump(hears(client, "alive"));
    assert_true(strstr(client->heard, "late") < strstr(client->heard, "alive"));
    client_free(client);
}

static void silent_clients_are_cut_off(void **state)
{
    static const char *const starts[] = {
        "",
        "GET /al",
        "GET /alive HTTP/1.1\r\nHo",
        "POST /echo HTTP/1.1\r\n" HOST JSON "Content-Length: 9\r\n\r\nhalf",
        "GET /alive HTTP/1.1\r\n" HOST "\r\n",
    };
    struct client *clients[COUNT(starts)];
    int before = echoed;

    (void)state;
    for (size_t i = 0; i < COUNT(starts); i++) {
        clients[i] = client_new();
        say(clients[i], starts[i]);
    }
    for (size_t i = 0; i < COUNT(starts); i++) {
        pump(has_ended(clients[i]));
        client_free(clients[i]);
    }
    assert_int_equal(echoed, before);
}

/* A byte now and then is progress, but a whole request must be there some time. */
static void dripping_clients_are_cut_off(void **state)
{
    static const char *const starts[] = {"G", "GET /alive HTTP/1.1\r\n" HOST "X-Long: ",
                                         "POST /echo HTTP/1.1\r\n" HOST JSON
                                         "Content-Length: 1000\r\n\r\n"};
    struct client *clients[COUNT(starts)];
    int64_t begun_us = clock_boot_us(), next_us = begun_us;

    (void)state;
    for (size_t i = 0; i < COUNT(starts); i++) {
        clients[i] = client_new();
        say(clients[i], starts[i]);
    }
    for (size_t left = COUNT(starts); left;) {
        bool drip = clock_boot_us() >= next_us;

        assert_true(clock_boot_us() < begun_us + 5 * TIMEOUT_MS * 1000);
        if (drip)
            next_us += TIMEOUT_MS * 300;
        left = 0;
        for (size_t i = 0; i < COUNT(starts); i++) {
            if (!has_ended(clients[i]) && drip)
                say(clients[i], "x");
            left += !clients[i]->ended;
        }
        turn(10000);
    }
    assert_true(clock_boot_us() > begun_us + 3 * TIMEOUT_MS * 500);
    for (size_t i = 0; i < COUNT(starts); i++)
        client_free(clients[i]);
}

/* The timeout is for clients, not for handlers. */
static void a_held_request_outlives_the_timeout(void **state)
{
    struct client *client = client_new(), *other = client_new();

    (void)state;
    say(client, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    pump(held_count == 1);
    pump(has_ended(other));
    client_free(other);
    other = client_new();
    say(other, "G");
    pump(has_ended(other));
    client_free(other);
    other = client_new();
    pump(has_ended(other));
    client_free(other);
    answer_all_held(200);
    pump(hears(client, "late"));
    client_free(client);
}

static int answer_by_timer(sd_event_source *source, uint64_t now, void *data)
{
    (void)source, (void)now, (void)data;
    answer_all_held(202);
    return 0;
}

static void thousands_wait_at_once(void **state)
{
    enum { WAITING = 2000 };
    struct client **clients = mem_array(struct client *, WAITING), *other = client_new();

    (void)state;
    for (int i = 0; i < WAITING; i++) {
        clients[i] = client_new();
        if (i % 200 == 199)
            turn(1000);
        say(clients[i], "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    }
    pump(held_count == WAITING);
    assert_int_equal(web_open_requests(web), WAITING);
    assert_true(metrics_get(METRIC_HTTP_IN_FLIGHT) == WAITING);
    say(other, "GET /alive HTTP/1.1\r\n" HOST "\r\n");
    pump(hears(other, "alive"));
    client_free(other);
    assert_true(sd_event_add_time_relative(loop, NULL, CLOCK_BOOTTIME, 20000, 1, answer_by_timer,
                                           NULL) >= 0);
    for (int i = 0; i < WAITING; i++) {
        pump(hears(clients[i], "late"));
        assert_int_equal(strncmp(clients[i]->heard, "HTTP/1.1 202 ", 13), 0);
        client_free(clients[i]);
    }
    free(clients);
    assert_int_equal(web_open_requests(web), 0);
    assert_true(metrics_get(METRIC_HTTP_IN_FLIGHT) == 0);
}

static void clients_that_left_do_no_harm(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        struct client *client = client_new();
        struct linger reset = {.l_onoff = 1};

        say(client, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
        pump(held_count == i + 1);
        if (i % 2)
            setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        client_free(client);
    }
    for (int i = 0; i < 20; i++)
        turn(1000);
    assert_int_equal(kept, 100);
    answer_all_held(200);
    pump(!kept);
    pump(metrics_get(METRIC_HTTP_CONNECTIONS) == 0);
}

/* Connections of another process, whose descriptors are its own, until `stop` is closed. */
static pid_t start_idlers(int count, int *stop)
{
    int ends[2];
    pid_t pid;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid) {
        close(ends[0]);
        *stop = ends[1];
        return pid;
    }
    for (int fd = 3; fd < 200; fd++)
        if (fd != ends[0])
            close(fd);
    for (int i = 0; i < count; i++) {
        struct pollfd one = {.fd = dial(), .events = POLLOUT};

        if (poll(&one, 1, 10000) != 1)
            _exit(1);
    }
    _exit(read(ends[0], &(char){0}, 1) != 0);
}

static void idle_connections_do_not_hurt(void **state)
{
    struct rlimit files;
    struct client *client;
    int64_t begun_us;
    int count = IDLE, stop, status;

    (void)state;
    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < IDLE + 100)
        count = (int)files.rlim_cur - 100;
    pid_t pid = start_idlers(count, &stop);

    pump(metrics_get(METRIC_HTTP_CONNECTIONS) == count);
    client = client_new();
    begun_us = clock_boot_us();
    for (int i = 0; i < 100; i++) {
        client->size = 0;
        *client->heard = '\0';
        say(client, "GET /items/1 HTTP/1.1\r\n" HOST "\r\n");
        pump(hears(client, "<1|"));
    }
    print_message("100 requests beside %d idle connections took %lld us\n", count,
                  (long long)(clock_boot_us() - begun_us));
    assert_true(clock_boot_us() - begun_us < 2000000);
    client_free(client);
    close(stop);
    pump(metrics_get(METRIC_HTTP_CONNECTIONS) == 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void a_full_server_says_so(void **state)
{
    struct client *clients[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        clients[i] = client_new();
        pump(metrics_get(METRIC_HTTP_CONNECTIONS) == i + 1);
    }
    say(clients[3], "GET /alive HTTP/1.1\r\n" HOST "\r\n");
    pump(hears(clients[3], "/problems/overloaded"));
    assert_int_equal(strncmp(clients[3]->heard, "HTTP/1.1 503 ", 13), 0);
    assert_non_null(strstr(clients[3]->heard, "Retry-After: "));
    pump(has_ended(clients[3]));
    say(clients[0], "GET /alive HTTP/1.1\r\n" HOST "\r\n");
    pump(hears(clients[0], "alive"));
    for (int i = 0; i < 4; i++)
        client_free(clients[i]);
}

static void too_large_heads_are_refused(void **state)
{
    enum { SIZE = 64 << 10 };
    static const char *const starts[] = {"GET /", "GET /alive HTTP/1.1\r\n" HOST "X-Long: "};
    char *filler = mem_array(char, SIZE);

    (void)state;
    memset(filler, 'a', SIZE);
    for (size_t i = 0; i < COUNT(starts); i++) {
        struct client *client = client_new();

        say(client, starts[i]);
        say_bytes(client, filler, SIZE);
        pump(has_ended(client));
        if (client->size)
            assert_int_equal(strncmp(client->heard, "HTTP/1.1 4", 10), 0);
        client_free(client);
    }
    free(filler);
}

/* --- the end --- */

static void closing_answers_what_is_held(void **state)
{
    struct client *client = client_new();

    (void)state;
    say(client, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    pump(held_count == 1);
    web_close(web);
    web = NULL;
    pump(has_ended(client));
    assert_int_equal(strncmp(client->heard, "HTTP/1.1 503 ", 13), 0);
    assert_non_null(strstr(client->heard, "/problems/not-ready"));
    client_free(client);
    assert_null(web_header(held[0], "Host"));
    answer_all_held(200);
}

static void a_quiet_server_answers_but_takes_none(void **state)
{
    struct client *client = client_new(), *other;

    (void)state;
    say(client, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    pump(held_count == 1);
    web_quiesce(web);
    other = client_new();
    pump(has_ended(other));
    assert_int_equal(other->error, ECONNREFUSED);
    client_free(other);
    answer_all_held(200);
    pump(hears(client, "late"));
    assert_non_null(strstr(client->heard, "Connection: close"));
    client_free(client);
}

static void answers_are_counted(void **state)
{
    static const struct exchange cases[] = {
        {"GET /items/7 HTTP/1.1\r\n" HOST "\r\n", 200, NULL},
        {"GET /nowhere HTTP/1.1\r\n" HOST "\r\n", 404, NULL},
        {"GET /alive HTTP/1.1\r\n" HOST "\r\n", 200, NULL},
    };
    double good = metrics_get(METRIC_HTTP_REQUESTS_2XX),
           bad = metrics_get(METRIC_HTTP_REQUESTS_4XX), timed = metrics_get(METRIC_HTTP_DURATION);

    (void)state;
    try_all(cases, COUNT(cases));
    assert_true(metrics_get(METRIC_HTTP_REQUESTS_2XX) == good + 1);
    assert_true(metrics_get(METRIC_HTTP_REQUESTS_4XX) == bad + 1);
    assert_true(metrics_get(METRIC_HTTP_DURATION) == timed + 2);
}

static void wrong_addresses_name_the_setting(void **state)
{
    static const char *const addresses[] = {"8080", "example.org:80", "192.0.2.1:0"};
    struct web_settings settings = {.connections_most = 1, .timeout_ms = 1000};
    struct web *other = NULL;
    struct fault fault;
    char taken[32];

    (void)state;
    for (size_t i = 0; i < COUNT(addresses); i++) {
        settings.address = addresses[i];
        assert_false(web_open(&other, loop, &settings, &fault));
        assert_int_equal(fault.kind, FAULT_REJECTED);
        assert_int_equal(strncmp(fault.text, "ROTA_HTTP_ADDR=", 15), 0);
    }
    snprintf(taken, sizeof taken, "127.0.0.1:%d", web_port(web));
    settings.address = taken;
    assert_false(web_open(&other, loop, &settings, &fault));
    assert_int_equal(fault.kind, FAULT_BUSY);
    assert_non_null(strstr(fault.text, taken));
    assert_null(other);
}

/* A client of others' making, in a thread of its own. */
struct fetch {
    char url[64];
    atomic_bool done;
    long statuses[20];
    long connects;
};

static size_t drop(char *bytes, size_t size, size_t count, void *data)
{
    (void)bytes, (void)data;
    return size * count;
}

static void *fetch(void *data)
{
    struct fetch *job = data;
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    char *body = mem_array(char, 3U * 1024 * 1024);

    memset(body, '1', (3 << 20) - 1);
    for (size_t i = 0; i < COUNT(job->statuses); i++) {
        bool large = i == COUNT(job->statuses) - 1;

        curl_easy_setopt(curl, CURLOPT_URL, job->url);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, large ? body : "{}");
        if (curl_easy_perform(curl) == CURLE_OK)
            curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &job->statuses[i]);
        long fresh = 0;

        curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &fresh);
        job->connects += fresh;
    }
    free(body);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    atomic_store(&job->done, true);
    return NULL;
}

static void curl_agrees(void **state)
{
    struct fetch job = {.connects = 0};
    pthread_t thread;

    (void)state;
    snprintf(job.url, sizeof job.url, "http://127.0.0.1:%d/echo", web_port(web));
    assert_int_equal(pthread_create(&thread, NULL, fetch, &job), 0);
    pump(atomic_load(&job.done));
    pthread_join(thread, NULL);
    for (size_t i = 0; i < COUNT(job.statuses) - 1; i++)
        assert_int_equal(job.statuses[i], 200);
    assert_int_equal(job.statuses[COUNT(job.statuses) - 1], 413);
    assert_int_equal(job.connects, 1);
}

#define CASE(name, set_up) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(requests_reach_their_handlers, set_up),
        CASE(crooked_requests_are_refused, set_up),
        CASE(nul_bytes_do_no_harm, set_up),
        CASE(every_answer_has_its_headers, set_up),
        CASE(a_token_is_asked_for, set_up_token),
        CASE(a_refused_small_body_keeps_the_connection, set_up),
        CASE(a_large_length_is_refused_at_once, set_up),
        CASE(a_large_body_is_told_why, set_up_patient),
        CASE(a_client_that_asks_first_is_refused_first, set_up),
        CASE(a_chunked_body_has_the_same_limit, set_up),
        CASE(nothing_follows_a_chunked_request, set_up),
        CASE(an_endless_body_is_cut, set_up_patient),
        CASE(half_requests_wait, set_up_patient),
        CASE(pipelined_requests_are_answered_in_order, set_up),
        CASE(pipelined_requests_wait_for_a_held_one, set_up),
        CASE(silent_clients_are_cut_off, set_up),
        CASE(dripping_clients_are_cut_off, set_up),
        CASE(a_held_request_outlives_the_timeout, set_up),
        CASE(thousands_wait_at_once, set_up_patient),
        CASE(clients_that_left_do_no_harm, set_up_patient),
        CASE(idle_connections_do_not_hurt, set_up_patient),
        CASE(a_full_server_says_so, set_up_small),
        CASE(too_large_heads_are_refused, set_up),
        CASE(closing_answers_what_is_held, set_up),
        CASE(a_quiet_server_answers_but_takes_none, set_up),
        CASE(answers_are_counted, set_up),
        CASE(wrong_addresses_name_the_setting, set_up),
        CASE(curl_agrees, set_up_patient),
    };
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return cmocka_run_group_tests_name("web", tests, NULL, NULL);
}
