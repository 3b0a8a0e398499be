#include "tests/unit/unit.h"

#include "common/cleanup.h"
#include "common/command.h"
#include "common/json.h"

#define ID "019aa4d2-0000-7000-8000-000000000001"
#define TASK                                                                                       \
    "{\"id\":\"" ID "\",\"type\":\"log\",\"run_at\":\"2026-11-21T00:00:00.000001Z\","              \
    "\"created_at\":\"2026-11-21T00:00:00Z\",\"payload\":{\"a\":1}}"

static bool read_record(struct command *ret, const char *type, const char *value, bool legacy,
                        struct command_refusal *refusal)
{
    return command_read_record(ret,
                               &(struct command_record){.topic = "scheduler-task",
                                                        .partition = 3,
                                                        .offset = 77,
                                                        .timestamp_ms = 1565185500000,
                                                        .type = type,
                                                        .value = value,
                                                        .value_size = value ? strlen(value) : 0},
                               legacy, refusal);
}

static void both_kinds_are_read(void **state)
{
    struct command command;
    struct command_refusal refusal;
    char id[UUID_TEXT];

    (void)state;
    assert_true(read_record(&command, "rota.task.schedule.v1", TASK, false, &refusal));
    assert_int_equal(command.kind, COMMAND_TASK);
    assert_string_equal(uuid_write(id, &command.id), ID);
    assert_int_equal(command.task.run_at_us % 1000000, 1);
    command_done(&command);
    assert_true(read_record(&command, "rota.task.cancel.v1",
                            "{\"id\":\"" ID "\",\"reason\":\"no need\",\"by\":\"me\"}", false,
                            &refusal));
    assert_int_equal(command.kind, COMMAND_CANCEL);
    assert_string_equal(command.reason, "no need");
    command_done(&command);
}

static void a_retry_names_itself(void **state)
{
    struct command command;
    struct command_refusal refusal;

    (void)state;
    assert_true(read_record(&command, "rota.task.retry.v1",
                            "{\"id\":\"" ID "\",\"command\":\"" ID "\",\"reason\":\"mended\"}",
                            false, &refusal));
    assert_int_equal(command.kind, COMMAND_RETRY);
    assert_false(uuid_is_nil(&command.command));
    assert_string_equal(command.reason, "mended");
    command_done(&command);
    assert_false(
        read_record(&command, "rota.task.retry.v1", "{\"id\":\"" ID "\"}", false, &refusal));
    assert_string_equal(refusal.detail, "#/command: is required");
}

#define QUEUE(set)                                                                                 \
    "{\"id\":\"" ID "\",\"name\":\"mail\",\"created_at\":\"2026-11-21T00:00:00Z\",\"set\":" set "}"

/* What is sent is what was read; a null takes a bound away, what is absent stays as it is. */
static void a_change_of_a_queue_is_read_as_it_was_sent(void **state)
{
    static const struct {
        const char *set;
        bool paused, concurrency, rate;
        int number;
        double per_second, burst;
    } rows[] = {
        {"{\"paused\":true,\"reason\":\"why\"}", true, false, false, 0, 0, 0},
        {"{\"concurrency\":7}", false, true, false, 7, 0, 0},
        {"{\"concurrency\":null}", false, true, false, 0, 0, 0},
        {"{\"rate\":{\"per_second\":0.5,\"burst\":1}}", false, false, true, 0, 0.5, 1},
        {"{\"rate\":{\"per_second\":20,\"burst\":20}}", false, false, true, 0, 20, 20},
        {"{\"rate\":null}", false, false, true, 0, 0, 0},
    };
    char value[512];
    size_t size;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct command command;
        struct command_refusal refusal;

        snprintf(value, sizeof value, QUEUE("%s"), rows[i].set);
        assert_true(read_record(&command, "rota.queue.set.v1", value, false, &refusal));
        assert_int_equal(command.kind, COMMAND_QUEUE);
        assert_int_equal(command.queue->has_paused, rows[i].paused);
        assert_int_equal(command.queue->has_concurrency, rows[i].concurrency);
        assert_int_equal(command.queue->has_rate, rows[i].rate);
        assert_int_equal(command.queue->concurrency, rows[i].number);
        assert_true(command.queue->per_second == rows[i].per_second);
        assert_true(command.queue->burst == rows[i].burst);
        SCOPED(scoped_text) char *text = queue_command(command.queue, &size);

        assert_non_null(strstr(text, rows[i].set));
        command_done(&command);
    }
}

static void what_cannot_be_stored_says_why(void **state)
{
    static const struct {
        const char *type, *value, *code, *detail;
        bool has_id;
    } cases[] = {
        {NULL, TASK, "unknown-command", "ce_type is missing", false},
        {"rota.task.schedule.v2", TASK, "unsupported-version", "reads rota.task.schedule.v1",
         false},
        {"rota.task.pause.v1", TASK, "unknown-command", "rota.task.pause.v1", false},
        {"a\nb", TASK, "unknown-command", "a?b", false},
        {"rota.task.schedule.v1", NULL, "invalid-json", "no value", false},
        {"rota.task.schedule.v1", "\xff\xfe", "invalid-json", "UTF-8", false},
        {"rota.task.schedule.v1", "{\"id\":", "invalid-json", "line 1", false},
        {"rota.task.schedule.v1", "[]", "invalid-command", "#: must be an object", false},
        {"rota.task.schedule.v1", "{\"id\":\"" ID "\",\"type\":\"mail\"}", "invalid-command",
         "#/type", true},
        {"rota.queue.set.v1", QUEUE("{}"), "invalid-command",
         "#/set: must say at least one of paused, concurrency, rate", true},
        {"rota.queue.set.v1", QUEUE("{\"rate\":{}}"), "invalid-command",
         "#/set/rate/per_second: is required", true},
        {"rota.queue.set.v1", "{\"id\":\"" ID "\"}", "invalid-command", "#/name: is required",
         true},
        {"rota.task.cancel.v1", "{}", "invalid-command", "#/id: is required", false},
        {"rota.task.cancel.v1", "{\"id\":\"" ID "\",\"reason\":7}", "invalid-command", "#/reason",
         true},
    };
    struct command command;
    struct command_refusal refusal;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_false(read_record(&command, cases[i].type, cases[i].value, false, &refusal));
        assert_string_equal(refusal.code, cases[i].code);
        if (!strstr(refusal.detail, cases[i].detail))
            fail_msg("\"%s\" does not say \"%s\"", refusal.detail, cases[i].detail);
        assert_int_equal(!uuid_is_nil(&refusal.id), cases[i].has_id);
    }
}

static void too_large_is_refused_before_it_is_read(void **state)
{
    struct command command;
    struct command_refusal refusal;
    struct command_record record = {
        .type = "rota.task.schedule.v1", .value = "x", .value_size = COMMAND_BYTES_MOST + 1};

    (void)state;
    assert_false(command_read_record(&command, &record, false, &refusal));
    assert_string_equal(refusal.code, "too-large");
}

static void the_founding_topic_is_read(void **state)
{
    static const struct {
        const char *value;
        int64_t run_at_us;
        const char *payload;
    } cases[] = {
        {"{\"execTs\":1565185500000,\"data\":\"bbbbbb\"}", 1565185500000000,
         "{\"data\":\"bbbbbb\"}"},
        {"{\"execTs\":\"2019-08-07T21:45:00.000+08:00\",\"data\":\"b\"}", 1565185500000000,
         "{\"data\":\"b\"}"},
        {"{\"execTs\":null,\"data\":null}", 1565185500000000, "{\"data\":null}"},
        {"{\"data\":\"x\",\"other\":1}", 1565185500000000, "{\"data\":\"x\"}"},
    };
    struct uuid id = uuid_derived("scheduler-task", "scheduler-task/3/77");
    struct command command;
    struct command_refusal refusal;
    size_t size;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(read_record(&command, NULL, cases[i].value, true, &refusal));
        assert_true(uuid_equal(&command.id, &id) && uuid_equal(&command.task.id, &id));
        assert_int_equal(command.task.type, TASK_LOG);
        assert_string_equal(command.task.name, "legacy.task");
        assert_int_equal(command.task.run_at_us, cases[i].run_at_us);
        assert_string_equal(json_text(command.task.payload, &size), cases[i].payload);
        command_done(&command);
    }
    assert_false(read_record(&command, NULL, "{\"execTs\":-5}", true, &refusal));
    assert_non_null(strstr(refusal.detail, "#/execTs"));
    assert_true(uuid_equal(&refusal.id, &id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_kinds_are_read),
        cmocka_unit_test(a_retry_names_itself),
        cmocka_unit_test(a_change_of_a_queue_is_read_as_it_was_sent),
        cmocka_unit_test(what_cannot_be_stored_says_why),
        cmocka_unit_test(too_large_is_refused_before_it_is_read),
        cmocka_unit_test(the_founding_topic_is_read),
    };

    return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
