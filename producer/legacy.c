/*
 * The founding system's front door: ANY /task/send?execTs=..&data=.. answers in plain text, now
 * only once Kafka has the task. GET changes state here, by heritage. /schedule takes the same two
 * fields as query, form or JSON, and answers like every other task.
 */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/command.h"
#include "common/instant.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/point.h"
#include "producer/accept.h"
#include "producer/recurring.h"

#include <strings.h>
#include <time.h>

struct sending {
    struct web_request *request;
    bool has_exec_ts;
    int64_t run_at_us;
    char *data; /* NULL: none */
};

/* As java.util.Date writes itself, in UTC. */
static char *java_date(char text[static 64], int64_t unix_us)
{
    struct tm parts;
    time_t time = (time_t)(unix_us / 1000000);

    gmtime_r(&time, &parts);
    strftime(text, 64, "%a %b %d %H:%M:%S UTC %Y", &parts);
    return text;
}

static void on_sent(void *data, const struct bus_position *where, const struct fault *fault)
{
    struct sending *sending = data;
    char exec_ts[64], now[64];
    SCOPED(scoped_text) char *text = NULL;

    (void)where;
    if (!fault)
        POINT(ACCEPT_DELIVERED);
    if (fault) {
        web_reply_header(sending->request, "Retry-After", "1");
        answer_text(sending->request, 503, "not accepted: Kafka does not answer\n");
    } else if (asprintf(&text, "sendTask [execTs=%s, data=%s] ok!, current date: %s",
                        sending->has_exec_ts ? java_date(exec_ts, sending->run_at_us) : "null",
                        sending->data ? sending->data : "null",
                        java_date(now, clock_database_us())) < 0) {
        abort();
    } else {
        answer_text(sending->request, 200, text);
    }
    free(sending->data);
    free(sending);
}

static const char *field(struct web_request *request, const char *name)
{
    const char *value = web_form(request, name);

    return value ? value : web_query(request, name);
}

/*
 * A page of a stranger's site can make a browser send a form here, but not JSON: a form is good for
 * the founding system's two fields alone, never for a task of another type.
 */
static bool is_json(const struct web_request *request)
{
    const char *type = web_header(request, "Content-Type");

    return type && !strncasecmp(type, "application/json", strlen("application/json"));
}

/* {"execTs", "data"} from the query or the form, else from a JSON body. To be put. */
static struct json_object *collect(struct web_request *request)
{
    const char *exec_ts = field(request, "execTs"), *data = field(request, "data");
    struct json_object *object = NULL;
    struct fault fault;
    size_t size;
    const char *text = web_body(request, &size);

    if (!exec_ts && !data && size && is_json(request) && json_read(&object, text, size, &fault) &&
        json_object_is_type(object, json_type_object))
        return object;
    json_object_put(object);
    object = json_object_new_object();
    if (exec_ts && *exec_ts)
        put_text(object, "execTs", exec_ts);
    if (data)
        put_text(object, "data", data);
    return object;
}

static bool read_legacy(struct task *ret, struct json_object *object, struct problems *problems)
{
    int64_t now_us = clock_database_us();
    struct uuid id = uuid_ordered(now_us);

    return task_read_legacy(ret, object, &id, now_us, true, problems);
}

void accept_legacy(struct web_request *request, void *data)
{
    struct producer *producer = data;
    SCOPED(scoped_json) struct json_object *object = collect(request);
    struct problems problems = {0};
    struct fault fault;
    struct task task;
    char text[480];

    if (!read_legacy(&task, object, &problems)) {
        snprintf(text, sizeof text, "%s %s (a + is written %%2B)\n", problems.list[0].pointer + 2,
                 problems.list[0].detail);
        answer_text(request, 422, text);
        return;
    }
    struct json_object *sent = json_object_object_get(object, "data");
    struct sending *sending =
        mem_new(struct sending, .request = request, .run_at_us = task.run_at_us,
                .has_exec_ts = json_object_object_get(object, "execTs") != NULL,
                .data = sent ? mem_text(json_object_get_string(sent)) : NULL);

    accept_place(producer, &task);
    if (!command_send_task(producer->bus, producer->topic, log_node(), &task, on_sent, sending,
                           &fault))
        on_sent(sending, NULL, &fault);
    task_done(&task);
}

static void send_legacy(struct producer *producer, struct web_request *request,
                        struct json_object *object)
{
    struct problems problems = {0};
    struct task task;

    if (!read_legacy(&task, object, &problems)) {
        accept_refuse(request, &problems);
        return;
    }
    accept_place(producer, &task);
    accept_send(producer, request, &task);
    task_done(&task);
}

static bool has(struct json_object *object, const char *name)
{
    return json_object_object_get_ex(object, name, NULL);
}

/* POST /schedule: a task, something that comes again, or the founding system's two fields. */
void accept_either(struct web_request *request, void *data)
{
    static const char *const known[] = {"execTs", "data"};
    SCOPED(scoped_json) struct json_object *object = NULL;
    size_t size;

    web_body(request, &size);
    if (!answer_knows_parameters(request, known, COUNT(known)))
        return;
    if (field(request, "execTs") || field(request, "data")) {
        object = collect(request);
        send_legacy(data, request, object);
        return;
    }
    if (size && !is_json(request)) {
        problem_reply(request, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
                      "a form has the fields execTs and data; a task is application/json");
        return;
    }
    if (!accept_read_json(&object, request))
        return;
    bool is_object = json_object_is_type(object, json_type_object);

    if (is_object && (has(object, "cron") || has(object, "every")))
        recurring_put(data, request, object);
    else if (is_object && !has(object, "type") && (has(object, "execTs") || has(object, "data")))
        send_legacy(data, request, object);
    else
        accept_object(data, request, object);
}

void legacy_health(struct web_request *request, void *data)
{
    struct producer *producer = data;
    bool ready = bus_is_up(producer->bus) && !service_is_stopping(producer->service);

    web_reply(request, ready ? 200 : 503, "text/plain; charset=utf-8", "", 0);
}
