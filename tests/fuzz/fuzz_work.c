/*
 * What a task asks its type to do, as the executor finds it in the database: the first byte chooses
 * the type. Nothing but what is checked here may reach a process, a socket or Kafka, whoever wrote
 * the row; and whatever a command may say can be started.
 */
#include "common/part.h"
#include "executor/child.h"
#include "executor/executor.h"
#include "executor/request.h"
#include "executor/run.h"
#include "tests/fuzz/fuzz.h"

#include <curl/curl.h>

/* --- In the place of what starts something ---------------------------------------------------- */

bool child_start(struct child **ret, sd_event *loop, struct leash *leash,
                 const struct child_settings *settings, child_ended *ended, void *data,
                 struct fault *fault)
{
    (void)loop, (void)leash, (void)ended, (void)data, (void)fault;
    assert(settings->arguments[0]);
    for (char *const *item = settings->environment; *item; item++)
        assert(**item != '=' && strchr(*item, '='));
    assert(!*settings->directory || *settings->directory == '/');
    *ret = NULL;
    return true;
}

void child_stop(struct child *child, int64_t grace_ms)
{
    (void)child, (void)grace_ms;
}

void child_abandon(struct child *child)
{
    (void)child;
}

bool bus_send(struct bus *bus, const struct bus_message *message, bus_reply *reply, void *data,
              struct fault *fault)
{
    (void)bus, (void)reply, (void)data;
    assert(*message->topic && strlen(message->topic) <= 249);
    for (size_t i = 0; i < message->header_count; i++)
        assert(message->headers[i].name && message->headers[i].value);
    return fault_set(fault, FAULT_BUSY, "the queue is full");
}

CURLMcode curl_multi_add_handle(CURLM *multi, CURL *easy)
{
    (void)multi;
    assert(easy);
    return CURLM_OK;
}

void run_end(struct attempt *attempt, enum outcome outcome, const int *exit_code, const char *error)
{
    (void)attempt, (void)outcome, (void)exit_code, (void)error;
    abort(); /* nothing was started that could end */
}

/* --- Starting --------------------------------------------------------------------------------- */

static struct executor executor;

static void open_executor(void)
{
    static struct config config = {.http_response_max = 1024, .output_max = 1024};
    struct fault fault;

    if (executor.config)
        return;
    executor = (struct executor){.config = &config, .node_text = "node", .launcher = "/launch"};
    if (sd_event_new(&executor.loop) < 0 ||
        !requests_open(&executor.requests, executor.loop, &config, &fault))
        abort();
}

/* Kafka refuses as if it were full: what was given to it would end by a delivery report. */
static bool start(enum task_type type, const char *work)
{
    static const struct work_type *const types[] = {&shell_type, &request_type, &publish_type};
    struct attempt attempt = {.executor = &executor, .token = 1, .timeout_ms = 1000};
    struct fault fault = {0};

    attempt.texts.work = work;
    attempt.texts.payload = "{\"a\":1}";
    if (!types[type - TASK_SHELL]->start(&attempt, &fault)) {
        assert(*fault.text);
        return fault.kind == FAULT_BUSY;
    }
    if (attempt.job)
        types[type - TASK_SHELL]->stop(&attempt, RUN_LET_GO);
    return true;
}

/* What the checks of a command let through. */
static void start_checked(enum task_type type, const char *text)
{
    SCOPED(scoped_json) struct json_object *part = NULL, *work = NULL;
    struct problems problems = {0};
    struct field at = {.problems = &problems};
    struct fault fault;
    size_t size;

    if (!json_read(&part, text, strlen(text), &fault) || !part_read(&work, type, part, false, &at))
        return;
    bool started = start(type, json_text(work, &size));

    assert(started);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (!size)
        return 0;
    SCOPED(scoped_text) char *text = fuzz_text(bytes + 1, size - 1);
    enum task_type type = TASK_SHELL + bytes[0] % 3;

    open_executor();
    start(type, text);
    start_checked(type, text);
    return 0;
}
