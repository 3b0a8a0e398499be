#include "tests/unit/unit.h"

#include "common/cleanup.h"
#include "common/instant.h"
#include "common/json.h"
#include "common/task.h"

#define NOW_US INT64_C(1795226400123456) /* 2026-11-21T02:00:00.123456Z */

static bool read_keyed(struct task *ret, const char *text, const char *key, int64_t now_us,
                       struct problems *problems)
{
    SCOPED(scoped_json) struct json_object *object = NULL;
    struct fault fault;

    *problems = (struct problems){0};
    if (!json_read(&object, text, strlen(text), &fault))
        fail_msg("%s: %s", text, fault.text);
    return task_read(ret, object, key, now_us, problems);
}

static bool read_text(struct task *ret, const char *text, struct problems *problems)
{
    return read_keyed(ret, text, NULL, NOW_US, problems);
}

static bool has_problem(const struct problems *problems, const char *pointer, const char *says)
{
    for (int i = 0; i < problems->count; i++)
        if (!strcmp(problems->list[i].pointer, pointer) && strstr(problems->list[i].detail, says))
            return true;
    return false;
}

/* Each is the only thing wrong with its task, and is named where it stands. */
static const struct {
    const char *text, *pointer, *says;
} refusals[] = {
    {"[]", "#", "must be an object"},
    {"null", "#", "must be an object"},
    {"{}", "#/type", "is required"},
    {"{\"type\":null}", "#/type", "is required"},
    {"{\"type\":7}", "#/type", "must be a text"},
    {"{\"type\":\"mail\"}", "#/type", "one of log, shell, http, kafka"},
    {"{\"type\":\"log\",\"colour\":1}", "#/colour", "is not a known field"},
    {"{\"type\":\"log\",\"pirority\":1}", "#/pirority", "did you mean priority?"},
    {"{\"type\":\"log\",\"a/b~c\":1}", "#/a~1b~0c", "is not a known field"},
    {"{\"type\":\"log\",\"log\":{\"level\":1}}", "#/log/level", "is not a known field"},
    {"{\"type\":\"log\",\"log\":7}", "#/log", "must be an object"},
    {"{\"type\":\"log\",\"http\":{}}", "#/http", "does not belong to type log"},
    {"{\"type\":\"log\",\"run_at\":5}", "#/run_at", "RFC 3339"},
    {"{\"type\":\"log\",\"run_at\":\"tomorrow\"}", "#/run_at", "RFC 3339"},
    {"{\"type\":\"log\",\"run_at\":\"2026-11-21T09:00:00\"}", "#/run_at", "no offset"},
    {"{\"type\":\"log\",\"run_at\":\"9999-01-01T00:00:00Z\"}", "#/run_at", "1970 to 2199"},
    {"{\"type\":\"log\",\"run_at\":\"2026-02-30T00:00:00Z\"}", "#/run_at", "exists"},
    {"{\"type\":\"log\",\"run_at\":\"2026-06-30T23:59:60Z\"}", "#/run_at", "leap"},
    {"{\"type\":\"log\",\"delay\":5}", "#/delay", "ISO 8601"},
    {"{\"type\":\"log\",\"delay\":\"-PT5S\"}", "#/delay", "not negative"},
    {"{\"type\":\"log\",\"delay\":\"P1Y\"}", "#/delay", "no years"},
    {"{\"type\":\"log\",\"delay\":\"P36526D\"}", "#/delay", "must be from"},
    {"{\"type\":\"log\",\"delay\":\"PT5S\",\"run_at\":\"2026-11-21T09:00:00Z\"}", "#/delay",
     "cannot stand beside run_at"},
    {"{\"type\":\"log\",\"queue\":\"\"}", "#/queue", "must begin with"},
    {"{\"type\":\"log\",\"queue\":\"A\"}", "#/queue", "must begin with"},
    {"{\"type\":\"log\",\"queue\":\"a b\"}", "#/queue", "must begin with"},
    {"{\"type\":\"log\",\"name\":\"1x\"}", "#/name", "must begin with a-z"},
    {"{\"type\":\"log\",\"priority\":101}", "#/priority", "-100 to 100"},
    {"{\"type\":\"log\",\"priority\":-101}", "#/priority", "-100 to 100"},
    {"{\"type\":\"log\",\"priority\":1.5}", "#/priority", "whole number"},
    {"{\"type\":\"log\",\"priority\":\"1\"}", "#/priority", "whole number"},
    {"{\"type\":\"log\",\"priority\":18446744073709551615}", "#/priority", "-100 to 100"},
    {"{\"type\":\"log\",\"tags\":\"a\"}", "#/tags", "must be a list"},
    {"{\"type\":\"log\",\"tags\":[\"a\",7]}", "#/tags/1", "must be a text"},
    {"{\"type\":\"log\",\"tags\":[\"\"]}", "#/tags/0", "must not be empty"},
    {"{\"type\":\"log\",\"tags\":[\"a\\nb\"]}", "#/tags/0", "control"},
    {"{\"type\":\"log\",\"timeout\":\"PT0S\"}", "#/timeout", "must be from PT0.001S"},
    {"{\"type\":\"log\",\"timeout\":\"P8D\"}", "#/timeout", "must be from"},
    {"{\"type\":\"log\",\"on_lost\":\"again\"}", "#/on_lost", "retry or fail"},
    {"{\"type\":\"log\",\"idempotency_key\":\"\"}", "#/idempotency_key", "1 to 255"},
    {"{\"type\":\"log\",\"idempotency_key\":\"a b\"}", "#/idempotency_key", "visible ASCII"},
    {"{\"type\":\"shell\"}", "#/shell", "is required for type shell"},
    {"{\"type\":\"shell\",\"shell\":{}}", "#/shell", "either command or argv"},
    {"{\"type\":\"shell\",\"shell\":{\"command\":\"a\",\"argv\":[\"a\"]}}", "#/shell", "not both"},
    {"{\"type\":\"shell\",\"shell\":{\"command\":\"\"}}", "#/shell/command", "not be empty"},
    {"{\"type\":\"shell\",\"shell\":{\"argv\":[]}}", "#/shell/argv", "name a program"},
    {"{\"type\":\"shell\",\"shell\":{\"argv\":[\"\"]}}", "#/shell/argv/0", "not be empty"},
    {"{\"type\":\"shell\",\"shell\":{\"argv\":[\"a\",1]}}", "#/shell/argv/1", "be a text"},
    {"{\"type\":\"shell\",\"shell\":{\"command\":\"a\",\"env\":[]}}", "#/shell/env",
     "be an object"},
    {"{\"type\":\"shell\",\"shell\":{\"command\":\"a\",\"env\":{\"1A\":\"\"}}}", "#/shell/env/1A",
     "letters, digits and _"},
    {"{\"type\":\"shell\",\"shell\":{\"command\":\"a\",\"env\":{\"ROTA_X\":\"\"}}}",
     "#/shell/env/ROTA_X", "set by Rota"},
    {"{\"type\":\"shell\",\"shell\":{\"command\":\"a\",\"env\":{\"A\":1}}}", "#/shell/env/A",
     "be a text"},
    {"{\"type\":\"shell\",\"shell\":{\"command\":\"a\",\"cwd\":\"tmp\"}}", "#/shell/cwd",
     "absolute path"},
    {"{\"type\":\"shell\",\"shell\":{\"command\":\"a\",\"grace\":\"PT6M\"}}", "#/shell/grace",
     "must be from PT0S to PT5M"},
    {"{\"type\":\"shell\",\"shell\":{\"command\":\"a\",\"comand\":\"b\"}}", "#/shell/comand",
     "did you mean command?"},
    {"{\"type\":\"http\",\"http\":{}}", "#/http/url", "is required"},
    {"{\"type\":\"http\",\"http\":{\"url\":\"ftp://a/\"}}", "#/http/url", "http:// or"},
    {"{\"type\":\"http\",\"http\":{\"url\":\"file:///etc/passwd\"}}", "#/http/url", "http:// or"},
    {"{\"type\":\"http\",\"http\":{\"url\":\"http://\"}}", "#/http/url", "name a host"},
    {"{\"type\":\"http\",\"http\":{\"url\":\"http://:80/\"}}", "#/http/url", "name a host"},
    {"{\"type\":\"http\",\"http\":{\"url\":\"http://a:0/\"}}", "#/http/url", "1 to 65535"},
    {"{\"type\":\"http\",\"http\":{\"url\":\"http://a:70000/\"}}", "#/http/url", "65535"},
    {"{\"type\":\"http\",\"http\":{\"url\":\"http://u:p@a/\"}}", "#/http/url", "password"},
    {"{\"type\":\"http\",\"http\":{\"url\":\"http://a/b c\"}}", "#/http/url", "percent-encoded"},
    {"{\"type\":\"http\",\"http\":{\"url\":\"http://a/\\r\\nX: y\"}}", "#/http/url",
     "percent-encoded"},
    {"{\"type\":\"http\",\"http\":{\"url\":\"http://a\\\\b/\"}}", "#/http/url", "percent"},
    {"{\"type\":\"http\",\"http\":{\"url\":\"http://[::1\"}}", "#/http/url", "name a host"},
    {"{\"type\":\"http\",\"http\":{\"url\":\"http://a/\",\"method\":\"TRACE\"}}", "#/http/method",
     "one of GET"},
    {"{\"type\":\"http\",\"http\":{\"url\":\"http://a/\",\"headers\":{\"a b\":\"\"}}}",
     "#/http/headers/a%20b", "not the name of a header"},
    {"{\"type\":\"http\",\"http\":{\"url\":\"http://a/\",\"headers\":{\"X\":\"a\\r\\nB: c\"}}}",
     "#/http/headers/X", "control characters"},
    {"{\"type\":\"http\",\"http\":{\"url\":\"http://a/\",\"headers\":{\"hOst\":\"b\"}}}",
     "#/http/headers/hOst", "cannot be given"},
    {"{\"type\":\"http\",\"http\":{\"url\":\"http://a/\",\"headers\":{\"Rota-A\":\"b\"}}}",
     "#/http/headers/Rota-A", "cannot be given"},
    {"{\"type\":\"http\",\"http\":{\"url\":\"http://a/\",\"headers\":{\"X\":1}}}",
     "#/http/headers/X", "be a text"},
    {"{\"type\":\"http\",\"http\":{\"url\":\"http://a/\",\"expect_status\":[]}}",
     "#/http/expect_status", "at least one"},
    {"{\"type\":\"http\",\"http\":{\"url\":\"http://a/\",\"expect_status\":[99]}}",
     "#/http/expect_status/0", "100 to 599"},
    {"{\"type\":\"http\",\"http\":{\"url\":\"http://a/\",\"expect_status\":[200,\"6xx\"]}}",
     "#/http/expect_status/1", "100 to 599"},
    {"{\"type\":\"kafka\",\"kafka\":{}}", "#/kafka/topic", "is required"},
    {"{\"type\":\"kafka\",\"kafka\":{\"topic\":\"a b\"}}", "#/kafka/topic", "letters"},
    {"{\"type\":\"kafka\",\"kafka\":{\"topic\":\"..\"}}", "#/kafka/topic", "Kafka allows"},
    {"{\"type\":\"kafka\",\"kafka\":{\"topic\":\"rota.commands\"}}", "#/kafka/topic", "own topics"},
    {"{\"type\":\"kafka\",\"kafka\":{\"topic\":\"a\",\"key\":1}}", "#/kafka/key", "a text"},
    {"{\"type\":\"kafka\",\"kafka\":{\"topic\":\"a\",\"headers\":{\"rota-task-id\":\"\"}}}",
     "#/kafka/headers/rota-task-id", "set by Rota"},
};

static void every_refusal_names_its_field(void **state)
{
    struct problems problems;
    struct task task;

    (void)state;
    for (size_t i = 0; i < COUNT(refusals); i++) {
        if (read_text(&task, refusals[i].text, &problems))
            fail_msg("%s was taken", refusals[i].text);
        if (problems.count != 1 || !has_problem(&problems, refusals[i].pointer, refusals[i].says))
            fail_msg("%s: %d problems, the first: %s %s", refusals[i].text, problems.count,
                     problems.list[0].pointer, problems.list[0].detail);
        assert_int_equal(problems.unknown_field,
                         strstr(problems.list[0].detail, "not a known field") != NULL);
    }
}

static void all_that_is_wrong_is_told_at_once(void **state)
{
    struct problems problems;
    struct task task;

    (void)state;
    assert_false(read_text(&task,
                           "{\"type\":\"http\",\"http\":{\"url\":\"x\",\"method\":\"GO\"},"
                           "\"priority\":1000,\"delay\":\"5s\",\"tags\":{},\"color\":1}",
                           &problems));
    assert_int_equal(problems.count, 6);
    assert_true(problems.unknown_field);
}

/* text of `count` times `c` between `before` and `after` */
static char *long_text(const char *before, char c, size_t count, const char *after)
{
    size_t size = strlen(before);
    char *text = mem_array(char, size + count + strlen(after) + 1);

    memcpy(text, before, size);
    memset(text + size, c, count);
    memcpy(text + size + count, after, strlen(after));
    return text;
}

static void sizes_have_bounds(void **state)
{
    static const struct {
        const char *before;
        char c;
        size_t most;
        const char *after, *pointer;
    } cases[] = {
        {"{\"type\":\"log\",\"payload\":\"", 'x', TASK_PAYLOAD_MOST - 2, "\"}", "#/payload"},
        {"{\"type\":\"log\",\"name\":\"", 'x', 128, "\"}", "#/name"},
        {"{\"type\":\"log\",\"queue\":\"", 'x', 64, "\"}", "#/queue"},
        {"{\"type\":\"log\",\"tags\":[\"", 'x', 64, "\"]}", "#/tags/0"},
        {"{\"type\":\"log\",\"idempotency_key\":\"", 'x', 255, "\"}", "#/idempotency_key"},
        {"{\"type\":\"shell\",\"shell\":{\"command\":\"", 'x', 131072, "\"}}", "#/shell/command"},
        {"{\"type\":\"shell\",\"shell\":{\"argv\":[\"", 'x', 131071, "\"]}}", "#/shell/argv"},
        {"{\"type\":\"http\",\"http\":{\"url\":\"http://a/", 'x', 2039, "\"}}", "#/http/url"},
        {"{\"type\":\"http\",\"http\":{\"url\":\"http://a/\",\"body\":\"", 'x', 262142, "\"}}",
         "#/http/body"},
        {"{\"type\":\"kafka\",\"kafka\":{\"topic\":\"", 'x', 249, "\"}}", "#/kafka/topic"},
    };
    struct problems problems;
    struct task task;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t over = 0; over < 2; over++) {
            char *text =
                long_text(cases[i].before, cases[i].c, cases[i].most + over, cases[i].after);
            bool taken = read_text(&task, text, &problems);

            if (taken == over)
                fail_msg("%s %zu: %s", cases[i].before, cases[i].most + over,
                         taken ? "taken" : problems.list[0].detail);
            if (taken)
                task_done(&task);
            else
                assert_true(has_problem(&problems, cases[i].pointer, "at most") ||
                            has_problem(&problems, cases[i].pointer, "1 to 255"));
            free(text);
        }
}

static void counts_have_bounds(void **state)
{
    struct problems problems;
    struct task task;
    char text[1024] = "{\"type\":\"log\",\"tags\":[";

    (void)state;
    for (int i = 0; i <= TASK_TAGS_MOST; i++)
        snprintf(text + strlen(text), 16, "%s\"t%d\"", i ? "," : "", i);
    strcat(text, "]}");
    assert_false(read_text(&task, text, &problems));
    assert_true(has_problem(&problems, "#/tags", "at most 20 items"));
}

static const char *const whole_tasks[] = {
    "{\"type\":\"log\"}",
    "{\"type\":\"log\",\"log\":{},\"payload\":null,\"name\":null}",
    "{\"type\":\"log\",\"payload\":{\"a\":[1.50,\"\xc3\xa4\",null]},\"tags\":[\"a\",\"b\"],"
    "\"queue\":\"q.1\",\"priority\":-7,\"timeout\":\"PT1.5S\",\"on_lost\":\"fail\","
    "\"name\":\"mail.send\",\"run_at\":\"2026-11-22T09:00:00.123456+08:00\"}",
    "{\"type\":\"shell\",\"shell\":{\"argv\":[\"ls\",\"\"],\"env\":{\"A\":\"b\"},\"cwd\":\"/\","
    "\"grace\":\"PT1S\"},\"delay\":\"PT3S\"}",
    "{\"type\":\"http\",\"http\":{\"url\":\"http://[::1]:80/x?y=%20\",\"headers\":{\"X-A\":"
    "\"b\\tc\"},\"body\":[1]},\"idempotency_key\":\"k-1\"}",
    "{\"type\":\"kafka\",\"kafka\":{\"topic\":\"t\",\"key\":\"k\",\"headers\":{\"h\":\"v\"},"
    "\"value\":\"text\"}}",
};

/* What a command says comes back; a command of the command is the same command. */
static void a_command_gives_the_same_task(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(whole_tasks); i++) {
        struct problems problems;
        struct task task, again;
        struct fault fault;
        size_t size;

        if (!read_text(&task, whole_tasks[i], &problems))
            fail_msg("%s: %s %s", whole_tasks[i], problems.list[0].pointer,
                     problems.list[0].detail);
        SCOPED(scoped_json) struct json_object *read = NULL;
        SCOPED(scoped_text) char *text = task_command(&task, &size);

        assert_true(json_read(&read, text, size, &fault));
        if (!task_read_command(&again, read, &problems))
            fail_msg("%s: %s %s", text, problems.list[0].pointer, problems.list[0].detail);
        SCOPED(scoped_text) char *second = task_command(&again, &size);

        assert_string_equal(second, text);
        assert_int_equal(strlen(second), size);
        assert_true(uuid_equal(&task.id, &again.id));
        assert_int_equal(task.run_at_us, again.run_at_us);
        assert_int_equal(task.timeout_ms, again.timeout_ms);
        task_done(&task);
        task_done(&again);
    }
}

static void defaults_are_written_out(void **state)
{
    struct problems problems;
    struct task task;
    size_t size;

    (void)state;
    assert_true(read_text(&task, "{\"type\":\"log\"}", &problems));
    assert_string_equal(task.queue, "default");
    assert_string_equal(task.on_lost, "retry");
    assert_int_equal(task.priority, 0);
    assert_int_equal(task.run_at_us, NOW_US);
    assert_int_equal(task.created_at_us, NOW_US);
    assert_null(task.work);
    task_done(&task);
    assert_true(read_text(&task, "{\"type\":\"http\",\"http\":{\"url\":\"http://a\"}}", &problems));
    assert_string_equal(json_text(task.work, &size),
                        "{\"url\":\"http://a\",\"method\":\"POST\",\"expect_status\":[\"2xx\"]}");
    task_done(&task);
    assert_true(read_text(&task, "{\"type\":\"log\",\"delay\":\"PT3S\"}", &problems));
    assert_int_equal(task.run_at_us, NOW_US + 3000000);
    task_done(&task);
    assert_true(
        read_text(&task, "{\"type\":\"log\",\"run_at\":\"1999-01-01T00:00:00Z\"}", &problems));
    task_done(&task);
}

static void a_key_names_one_task_and_its_request(void **state)
{
    static const char one[] = "{\"type\":\"log\",\"delay\":\"PT1S\",\"idempotency_key\":\"k\"}";
    static const char same[] = "{\"delay\":\"PT1S\",\"type\":\"log\"}";
    static const char other[] = "{\"delay\":\"PT2S\",\"type\":\"log\"}";
    struct problems problems;
    struct task first, second, third, bare;

    (void)state;
    assert_true(read_keyed(&first, one, NULL, NOW_US, &problems));
    assert_true(read_keyed(&second, same, "\"k\"", NOW_US + 5000000, &problems));
    assert_true(read_keyed(&third, other, "k", NOW_US, &problems));
    assert_true(read_keyed(&bare, same, NULL, NOW_US, &problems));
    assert_true(uuid_equal(&first.id, &second.id) && uuid_equal(&first.id, &third.id));
    assert_false(uuid_equal(&first.id, &bare.id));
    assert_memory_equal(first.fingerprint, second.fingerprint, DIGEST_SIZE);
    assert_memory_not_equal(first.fingerprint, third.fingerprint, DIGEST_SIZE);
    assert_true(first.has_fingerprint && !bare.has_fingerprint);
    task_done(&first), task_done(&second), task_done(&third), task_done(&bare);
}

static void keys_of_the_header(void **state)
{
    static const struct {
        const char *header, *key, *says;
    } cases[] = {
        {"abc", "abc", NULL},
        {"\"abc\"", "abc", NULL},
        {"\"a\\\"b\\\\c\"", "a\"b\\c", NULL},
        {"\"abc", NULL, "not closed"},
        {"\"a\"b\"", NULL, "not closed"},
        {"\"", NULL, "not closed"},
        {"\"\"", NULL, "1 to 255"},
        {"", NULL, "1 to 255"},
        {"a b", NULL, "visible ASCII"},
        {"\xc3\xa4", NULL, "visible ASCII"},
    };
    struct problems problems;
    struct task task;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool taken = read_keyed(&task, "{\"type\":\"log\"}", cases[i].header, NOW_US, &problems);

        assert_int_equal(taken, cases[i].key != NULL);
        if (taken) {
            assert_string_equal(task.key, cases[i].key);
            task_done(&task);
        } else {
            assert_true(has_problem(&problems, "#/idempotency_key", cases[i].says));
        }
    }
    assert_false(
        read_keyed(&task, "{\"type\":\"log\",\"idempotency_key\":\"a\"}", "b", NOW_US, &problems));
    assert_true(has_problem(&problems, "#/idempotency_key", "differs"));
    assert_true(read_keyed(&task, "{\"type\":\"log\",\"idempotency_key\":\"a\"}", "\"a\"", NOW_US,
                           &problems));
    task_done(&task);
}

/* One fault in a command that is whole otherwise. */
static void commands_are_read_strictly(void **state)
{
    static const struct {
        const char *name, *value, *pointer;
    } cases[] = {
        {"id", "null", "#/id"},
        {"id", "\"x\"", "#/id"},
        {"id", "\"00000000-0000-0000-0000-000000000000\"", "#/id"},
        {"type", "\"mail\"", "#/type"},
        {"type", "null", "#/type"},
        {"run_at", "7", "#/run_at"},
        {"created_at", "null", "#/created_at"},
        {"queue", "\"A\"", "#/queue"},
        {"priority", "1000", "#/priority"},
        {"timeout_ms", "0", "#/timeout_ms"},
        {"timeout_ms", "604800001", "#/timeout_ms"},
        {"on_lost", "1", "#/on_lost"},
        {"tags", "{}", "#/tags"},
        {"work", "7", "#/work"},
        {"work", "{\"url\":\"ftp://a\"}", "#/work/url"},
        {"fingerprint", "\"ab\"", "#/fingerprint"},
    };
    static const char whole[] = "{\"id\":\"019aa4d2-0000-7000-8000-000000000001\","
                                "\"type\":\"http\",\"run_at\":\"2026-11-21T00:00:00Z\","
                                "\"created_at\":\"2026-11-21T00:00:00Z\",\"newer\":{\"a\":1},"
                                "\"work\":{\"url\":\"http://a\",\"newer\":1}}";
    struct problems problems = {0};
    struct task task;
    struct fault fault;

    (void)state;
    for (size_t i = 0; i <= COUNT(cases); i++) {
        SCOPED(scoped_json) struct json_object *object = NULL;
        struct json_object *value = NULL;

        assert_true(json_read(&object, whole, strlen(whole), &fault));
        problems = (struct problems){0};
        if (i == COUNT(cases)) { /* unknown members are passed over */
            assert_true(task_read_command(&task, object, &problems));
            task_done(&task);
            break;
        }
        assert_true(json_read(&value, cases[i].value, strlen(cases[i].value), &fault));
        json_object_object_add(object, cases[i].name, value);
        if (task_read_command(&task, object, &problems) ||
            !has_problem(&problems, cases[i].pointer, ""))
            fail_msg("%s=%s: %s", cases[i].name, cases[i].value, problems.list[0].pointer);
    }
}

static void the_prefix_of_own_topics_can_be_another(void **state)
{
    struct problems problems;
    struct task task;

    (void)state;
    task_guard_topics("x-");
    assert_false(
        read_text(&task, "{\"type\":\"kafka\",\"kafka\":{\"topic\":\"x-events\"}}", &problems));
    /* Another cluster's, on the same Kafka. */
    assert_false(read_text(&task, "{\"type\":\"kafka\",\"kafka\":{\"topic\":\"rota.commands\"}}",
                           &problems));
    assert_true(
        read_text(&task, "{\"type\":\"kafka\",\"kafka\":{\"topic\":\"rota.mine\"}}", &problems));
    task_done(&task);
    task_guard_topics("rota.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_refusal_names_its_field),
        cmocka_unit_test(all_that_is_wrong_is_told_at_once),
        cmocka_unit_test(sizes_have_bounds),
        cmocka_unit_test(counts_have_bounds),
        cmocka_unit_test(a_command_gives_the_same_task),
        cmocka_unit_test(defaults_are_written_out),
        cmocka_unit_test(a_key_names_one_task_and_its_request),
        cmocka_unit_test(keys_of_the_header),
        cmocka_unit_test(commands_are_read_strictly),
        cmocka_unit_test(the_prefix_of_own_topics_can_be_another),
    };

    return cmocka_run_group_tests_name("task", tests, NULL, NULL);
}
