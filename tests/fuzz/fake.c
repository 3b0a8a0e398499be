#include "tests/fuzz/fake.h"

#include "common/command.h"
#include "common/uri.h"
#include "producer/producer.h"

#define RECORDS_MOST 1000
#define TASK_ID "019aa4d2-7425-70de-944b-e07fc1f90ae7"

struct web_request {
    const struct fake_request *asked;
    struct uri_params params, form;
    char *body;
    int status;
    char *answer, *type;
};

static struct {
    enum fake_kafka kafka;
    int count;
    struct {
        bus_reply *reply;
        void *data;
    } sent[RECORDS_MOST];
} kafka;

/* --- In the place of web.c ------------------------------------------------------------------- */

const char *web_path(const struct web_request *request)
{
    (void)request;
    return "/path";
}

const char *web_segment(const struct web_request *request, const char *name)
{
    (void)request, (void)name;
    return TASK_ID;
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
    return strcmp(name, "Content-Type") ? NULL : request->asked->type;
}

const char *web_body(const struct web_request *request, size_t *size)
{
    if (size)
        *size = request->asked->size;
    return request->body;
}

const char *web_form(struct web_request *request, const char *name)
{
    return request->form.text ? uri_params_find(&request->form, name) : NULL;
}

bool web_is_ndjson(const struct web_request *request)
{
    return request->asked->type && !strcmp(request->asked->type, "application/x-ndjson");
}

const char *web_request_id(const struct web_request *request)
{
    (void)request;
    return "request";
}

int64_t web_prefer_wait(const struct web_request *request, int64_t most_ms)
{
    (void)request, (void)most_ms;
    return 0;
}

bool web_reply_header(struct web_request *request, const char *name, const char *value)
{
    (void)request;
    fuzz_check_text(name);
    fuzz_check_text(value);
    return true;
}

void web_reply(struct web_request *request, int status, const char *type, const void *body,
               size_t size)
{
    assert(!request->status && status >= 200 && status <= 599);
    request->status = status;
    request->type = mem_text(type ? type : "");
    request->answer = fuzz_text(body, size);
    assert(strlen(request->answer) == size);
}

/* --- In the place of the rest ---------------------------------------------------------------- */

bool service_is_stopping(const struct service *service)
{
    (void)service;
    return false;
}

int bus_partitions(const struct bus *bus, const char *topic)
{
    (void)bus, (void)topic;
    return 12;
}

bool bus_is_up(const struct bus *bus)
{
    (void)bus;
    return true;
}

bool db_is_ready(const struct db *db)
{
    (void)db;
    return false;
}

void db_call(struct db *db, enum query query, const struct args *args, db_reply *reply, void *data)
{
    (void)db, (void)query, (void)args, (void)reply, (void)data;
    abort(); /* it is not ready */
}

static const char *header_of(const struct bus_message *message, const char *name)
{
    for (size_t i = 0; i < message->header_count; i++)
        if (!strcmp(message->headers[i].name, name))
            return message->headers[i].value;
    return NULL;
}

/* The store must be able to read what was accepted. */
static void check_record(const struct bus_message *message)
{
    struct command_record record = {.topic = message->topic,
                                    .type = header_of(message, "ce_type"),
                                    .value = message->value,
                                    .value_size = message->value_size};
    char id[UUID_TEXT];
    struct command command;
    struct command_refusal refusal;

    assert(command_read_record(&command, &record, false, &refusal));
    const char *key = command.edit ? command.edit->name : uuid_write(id, &command.id);

    assert(message->key_size == strlen(key) && !memcmp(message->key, key, message->key_size));
    command_done(&command);
}

bool bus_send(struct bus *bus, const struct bus_message *message, bus_reply *reply, void *data,
              struct fault *fault)
{
    (void)bus;
    if (kafka.kafka == FAKE_IS_FULL)
        return fault_set(fault, FAULT_BUSY, "the queue is full");
    check_record(message);
    assert(kafka.count < RECORDS_MOST);
    kafka.sent[kafka.count].reply = reply;
    kafka.sent[kafka.count++].data = data;
    return true;
}

static void deliver(void)
{
    struct bus_position where = {.partition = 3, .offset = 7};
    struct fault fault;

    fault_set(&fault, FAULT_DOWN, "no report came");
    for (int i = 0; i < kafka.count; i++)
        if (kafka.kafka == FAKE_LOSES)
            kafka.sent[i].reply(kafka.sent[i].data, NULL, &fault);
        else
            kafka.sent[i].reply(kafka.sent[i].data, &where, NULL);
}

/* --- Asking ---------------------------------------------------------------------------------- */

static void check_problem(const struct web_request *request, struct json_object *body)
{
    static const char *const members[] = {"type", "title", "detail"};

    assert(json_object_get_int(json_object_object_get(body, "status")) == request->status);
    for (size_t i = 0; i < COUNT(members); i++)
        assert(json_object_is_type(json_object_object_get(body, members[i]), json_type_string));
}

/* By json-c's own reader: it is not the one under test. */
static struct json_object *read_answer(const struct web_request *request)
{
    bool is_problem = !strcmp(request->type, "application/problem+json");
    struct json_object *body;

    assert(request->status && g_utf8_validate(request->answer, -1, NULL));
    if (strncmp(request->type, "application/", 12) != 0)
        return NULL;
    body = json_tokener_parse(request->answer);
    assert(body && is_problem == (request->status >= 400));
    if (is_problem)
        check_problem(request, body);
    return body;
}

static bool is_form(const struct fake_request *asked)
{
    return asked->type && !strcmp(asked->type, "application/x-www-form-urlencoded");
}

static bool read_parts(struct web_request *request)
{
    const struct fake_request *asked = request->asked;
    struct fault fault;

    return uri_params_read(&request->params, asked->query, strlen(asked->query), &fault) &&
           (!is_form(asked) || uri_params_read(&request->form, request->body, asked->size, &fault));
}

bool fake_ask(struct fake_answer *ret, const struct fake_request *asked)
{
    struct web_request request = {.asked = asked, .body = fuzz_text(asked->body, asked->size)};
    const struct config config = {.kafka_legacy_topic = "scheduler-task"};
    struct producer producer = {.topic = "rota.commands", .config = &config};
    bool understood = read_parts(&request);

    kafka.kafka = asked->kafka;
    kafka.count = 0;
    if (understood) {
        asked->handler(&request, &producer);
        deliver();
        *ret = (struct fake_answer){request.status, read_answer(&request), kafka.count};
    }
    uri_params_done(&request.params);
    uri_params_done(&request.form);
    free(request.answer);
    free(request.type);
    free(request.body);
    return understood;
}
