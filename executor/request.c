/*
 * Tasks of type http: {"url", "method", "headers", "body", "expect_status"}.
 *
 * No redirects, no other scheme than http and https. Idempotency-Key carries the task's id and
 * Rota-Attempt the token, so that the target can tell a repetition. The exit code is the status.
 */
#include "executor/request.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "executor/again.h"
#include "executor/output.h"
#include "executor/run.h"
#include "executor/work.h"

#include <ctype.h>
#include <curl/curl.h>
#include <sys/epoll.h>

#define CONNECT_MS 10000
#define HEADERS_MOST 64
#define HEADERS_BYTES_MOST 65536 /* of an answer */
#define KEPT_BYTES 2048          /* of an answer that was not expected, for the error */
#define CONNECTIONS_KEPT 64

struct requests {
    sd_event *loop;
    const struct config *config;
    CURLM *multi;
    sd_event_source *timer;
};

struct request {
    struct attempt *attempt;
    struct json_object *work, *expected;
    CURL *easy;
    struct curl_slist *headers;
    char error[CURL_ERROR_SIZE];
    struct output answer;
    size_t headers_size;
    bool too_large;
};

/* --- The end of one -------------------------------------------------------------------------- */

static void release(struct request *request, struct requests *requests)
{
    if (request->easy) {
        curl_multi_remove_handle(requests->multi, request->easy);
        curl_easy_cleanup(request->easy);
    }
    curl_slist_free_all(request->headers);
    if (request->work)
        json_object_put(request->work);
    output_done(&request->answer);
    free(request);
}

/* 204, or "2xx" for a whole class; without a list the class 2xx. */
static bool is_expected(struct json_object *expected, long status)
{
    char number[16];

    snprintf(number, sizeof number, "%ld", status);
    if (!expected)
        return number[0] == '2';
    for (size_t i = 0; i < json_object_array_length(expected); i++) {
        struct json_object *value = json_object_array_get_idx(expected, i);
        const char *text =
            json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";

        if (json_object_is_type(value, json_type_int) && json_object_get_int64(value) == status)
            return true;
        if (!strcmp(text, number) || (*text == number[0] && !strcmp(text + 1, "xx")))
            return true;
    }
    return false;
}

/* What the target asks to wait before the next attempt. */
static int64_t asked_wait(const struct request *request)
{
    struct curl_header *header;
    char after[64], date[64] = "";

    if (curl_easy_header(request->easy, "Retry-After", 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return 0;
    snprintf(after, sizeof after, "%s", header->value); /* the next call reuses it */
    if (curl_easy_header(request->easy, "Date", 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
        snprintf(date, sizeof date, "%s", header->value);
    return again_after(after, *date ? date : NULL, clock_database_us());
}

static void end_answered(struct request *request, struct requests *requests)
{
    struct attempt *attempt = request->attempt;
    char *tail = output_tail(&request->answer, KEPT_BYTES), *error = NULL;
    long status = 0;

    curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    int code = (int)status;
    bool expected = is_expected(request->expected, status);
    attempt->after_ms = asked_wait(request);
    if (!expected && asprintf(&error, "HTTP status %ld%s%s", status, *tail ? ": " : "", tail) < 0)
        abort();
    release(request, requests);
    run_end(attempt, expected ? OUTCOME_SUCCEEDED : OUTCOME_FAILED, &code, error);
    free(error);
    free(tail);
}

static void end_failed(struct request *request, struct requests *requests, CURLcode result)
{
    struct attempt *attempt = request->attempt;
    char error[CURL_ERROR_SIZE + 64];
    long status = 0;
    int code;

    if (request->too_large)
        curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
    code = (int)status;
    if (request->too_large)
        snprintf(error, sizeof error,
                 "the answer is larger than %lld bytes (ROTA_EXECUTOR_RESPONSE)",
                 (long long)requests->config->http_response_max);
    else
        snprintf(error, sizeof error, "%s",
                 *request->error ? request->error : curl_easy_strerror(result));
    release(request, requests);
    /* There was an answer, and it will be as large the next time. */
    run_end(attempt, OUTCOME_FAILED, code ? &code : NULL, error);
}

/* An end may start the next request, which changes the list: it is read anew each time. */
static void take_ends(struct requests *requests)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(requests->multi, &left))) {
        struct request *request = NULL;
        CURLcode result = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request);
        if (result == CURLE_OK)
            end_answered(request, requests);
        else
            end_failed(request, requests, result);
    }
}

/* --- curl on the loop ------------------------------------------------------------------------ */

static int on_socket(sd_event_source *source, int fd, uint32_t events, void *data)
{
    struct requests *requests = data;
    int running, what = (events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
                        (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                        (events & EPOLLERR ? CURL_CSELECT_ERR : 0);

    (void)source;
    curl_multi_socket_action(requests->multi, fd, what, &running);
    take_ends(requests);
    return 0;
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
    struct requests *requests = data;
    sd_event_source *source = socket_data;
    uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        sd_event_source_disable_unref(source);
        curl_multi_assign(requests->multi, fd, NULL);
    } else if (source)
        sd_event_source_set_io_events(source, events);
    else if (sd_event_add_io(requests->loop, &source, fd, events, on_socket, requests) >= 0)
        curl_multi_assign(requests->multi, fd, source);
    return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
    struct requests *requests = data;
    int running;

    (void)source, (void)usec;
    curl_multi_socket_action(requests->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_ends(requests);
    return 0;
}

static int set_timer(CURLM *multi, long wait_ms, void *data)
{
    struct requests *requests = data;

    (void)multi;
    if (wait_ms < 0)
        return sd_event_source_set_enabled(requests->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
    sd_event_source_set_time_relative(requests->timer, (uint64_t)wait_ms * 1000);
    sd_event_source_set_enabled(requests->timer, SD_EVENT_ONESHOT);
    return 0;
}

bool requests_open(struct requests **ret, sd_event *loop, const struct config *config,
                   struct fault *fault)
{
    struct requests *requests = mem_new(struct requests, .loop = loop, .config = config);

    curl_global_init(CURL_GLOBAL_DEFAULT);
    requests->multi = curl_multi_init();
    if (!requests->multi || sd_event_add_time(loop, &requests->timer, CLOCK_MONOTONIC, UINT64_MAX,
                                              1000, on_timer, requests) < 0) {
        requests_close(requests);
        return fault_set(fault, FAULT_BROKEN, "curl cannot be used");
    }
    sd_event_source_set_enabled(requests->timer, SD_EVENT_OFF);
    curl_multi_setopt(requests->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(requests->multi, CURLMOPT_SOCKETDATA, requests);
    curl_multi_setopt(requests->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(requests->multi, CURLMOPT_TIMERDATA, requests);
    curl_multi_setopt(requests->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
    *ret = requests;
    return true;
}

void requests_close(struct requests *requests)
{
    if (!requests)
        return;
    curl_multi_cleanup(requests->multi);
    sd_event_source_disable_unref(requests->timer);
    curl_global_cleanup();
    free(requests);
}

/* --- Starting one ---------------------------------------------------------------------------- */

static size_t take_answer(char *bytes, size_t size, size_t count, void *data)
{
    struct request *request = data;
    int64_t most = request->attempt->executor->config->http_response_max;

    output_add(&request->answer, bytes, size * count);
    request->too_large = (int64_t)request->answer.total > most;
    return request->too_large ? 0 : size * count;
}

static size_t take_header(char *bytes, size_t size, size_t count, void *data)
{
    struct request *request = data;

    (void)bytes;
    request->headers_size += size * count;
    request->too_large |= request->headers_size > HEADERS_BYTES_MOST;
    return request->too_large ? 0 : size * count;
}

static bool is_clean(const char *text)
{
    for (; *text; text++)
        if (iscntrl((unsigned char)*text) && *text != '\t')
            return false;
    return true;
}

static bool add_header(struct request *request, const char *name, const char *value,
                       struct fault *fault)
{
    struct curl_slist *longer;
    char *line;

    if (!*name || strpbrk(name, ": ") || !is_clean(name) || !is_clean(value))
        return fault_set(fault, FAULT_REJECTED, "headers: %.64s is not allowed", name);
    /* A header without a value is written with a semicolon, or curl would leave it out. */
    if (asprintf(&line, *value ? "%s: %s" : "%s;%s", name, value) < 0)
        abort();
    longer = curl_slist_append(request->headers, line);
    free(line);
    request->headers = mem_or_end(longer);
    return true;
}

static bool has_header(const struct request *request, const char *name)
{
    size_t size = strlen(name);

    for (const struct curl_slist *item = request->headers; item; item = item->next)
        if (!strncasecmp(item->data, name, size) && strchr(":;", item->data[size]))
            return true;
    return false;
}

static bool add_headers(struct request *request, struct fault *fault)
{
    const struct attempt *attempt = request->attempt;
    struct json_object *headers;
    char task[UUID_TEXT], quoted[UUID_TEXT + 2], token[16];

    if (!work_texts(&headers, request->work, "headers", fault))
        return false;
    if (headers && json_object_object_length(headers) > HEADERS_MOST)
        return fault_set(fault, FAULT_REJECTED, "headers: more than %d", HEADERS_MOST);
    if (headers) {
        json_object_object_foreach(headers, name, value)
        {
            if (!add_header(request, name, json_object_get_string(value), fault))
                return false;
        }
    }
    uuid_write(task, &attempt->task);
    snprintf(quoted, sizeof quoted, "\"%s\"", task);
    snprintf(token, sizeof token, "%d", attempt->token);
    return add_header(request, "Idempotency-Key", quoted, fault) &&
           add_header(request, "Rota-Task-Id", task, fault) &&
           add_header(request, "Rota-Attempt", token, fault);
}

/* The body, else the payload; GET and HEAD send one only where it is asked for. */
static bool add_body(struct request *request, const char *method, struct fault *fault)
{
    size_t size = 0;
    const char *body = work_body(request->work, "body", &size);
    bool bare = !strcmp(method, "GET") || !strcmp(method, "HEAD");
    bool is_text = body && json_object_is_type(json_object_object_get(request->work, "body"),
                                               json_type_string);

    if (!body && !bare && (body = request->attempt->texts.payload))
        size = strlen(body);
    if (!body && bare)
        return true;
    curl_easy_setopt(request->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
    curl_easy_setopt(request->easy, CURLOPT_COPYPOSTFIELDS, body ? body : "");
    if (has_header(request, "Content-Type"))
        return true;
    return add_header(request, "Content-Type",
                      is_text ? "text/plain; charset=utf-8" : "application/json", fault);
}

static bool set_target(struct request *request, const char **method, struct fault *fault)
{
    CURL *easy = request->easy;
    const char *url;

    if (!work_text(&url, request->work, "url", fault) ||
        !work_text(method, request->work, "method", fault) ||
        !work_list(&request->expected, request->work, "expect_status", fault))
        return false;
    if (!url || (strncasecmp(url, "http://", 7) && strncasecmp(url, "https://", 8)))
        return fault_set(fault, FAULT_REJECTED, "url: must be http:// or https://");
    if (!*method)
        *method = "POST";
    if (!**method || strspn(*method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(*method))
        return fault_set(fault, FAULT_REJECTED, "method: must be capital letters");
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NOBODY, (long)!strcmp(*method, "HEAD"));
    return true;
}

static void set_limits(struct request *request)
{
    CURL *easy = request->easy;
    int64_t timeout_ms = request->attempt->timeout_ms;

    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(timeout_ms < CONNECT_MS ? timeout_ms : CONNECT_MS));
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
    /* A stop does not wait for a name that is still being looked up. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "rota/" ROTA_VERSION);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
}

static bool prepare(struct request *request, struct fault *fault)
{
    const char *method;

    request->easy = mem_or_end(curl_easy_init());
    if (!work_read(&request->work, request->attempt->texts.work, fault) ||
        !set_target(request, &method, fault) || !add_headers(request, fault) ||
        !add_body(request, method, fault))
        return false;
    /* Without a value: curl leaves its own out. */
    request->headers = mem_or_end(curl_slist_append(request->headers, "Expect:"));
    curl_easy_setopt(request->easy, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, request->headers);
    set_limits(request);
    return true;
}

static bool start_request(struct attempt *attempt, struct fault *fault)
{
    struct requests *requests = attempt->executor->requests;
    struct request *request = mem_new(struct request, .attempt = attempt);

    output_init(&request->answer, KEPT_BYTES);
    if (!prepare(request, fault)) {
        release(request, requests);
        return false;
    }
    attempt->job = request;
    curl_multi_add_handle(requests->multi, request->easy);
    return true;
}

static void stop_request(struct attempt *attempt, int64_t grace_ms)
{
    struct request *request = attempt->job;

    release(request, attempt->executor->requests);
    attempt->job = NULL;
    if (grace_ms != RUN_LET_GO)
        run_end(attempt, OUTCOME_FAILED, NULL, "the request was stopped");
}

const struct work_type request_type = {
    .name = "http", .needs_slot = true, .start = start_request, .stop = stop_request};
