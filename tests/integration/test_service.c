/*
 * The life of a program, each in a process of its own: the test asks it over HTTP, sends it signals
 * and looks at how it ends.
 */
#include "tests/unit/unit.h"

#include "common/clock.h"
#include "common/listen.h"
#include "common/probe.h"
#include "common/service.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_US INT64_C(10000000)

/* What a child shall be like. */
static struct {
    bool ready, drains, starts;
} wanted;

static char address[32];

static bool check_readiness(void *data, char why[static 160])
{
    (void)data;
    snprintf(why, 160, "not yet");
    return wanted.ready;
}

static bool start(struct service *service, void **data, struct fault *fault)
{
    *data = service;
    service_add_check(service, "kafka", check_readiness, NULL);
    return wanted.starts || fault_set(fault, FAULT_BROKEN, "it did not start");
}

static int stop_later(sd_event_source *source, uint64_t now, void *data)
{
    (void)source, (void)now;
    service_stopped(data);
    return 0;
}

static void drain(void *data)
{
    if (wanted.drains)
        sd_event_add_time_relative(service_loop(data), NULL, CLOCK_BOOTTIME, 500000, 1, stop_later,
                                   data);
}

static void own_page(struct web_request *request, void *data)
{
    bool mine = data && service_config(data)->program == PROGRAM_EXECUTOR;

    web_reply(request, mine ? 200 : 500, NULL, "", 0);
}

static const struct web_route routes[] = {{.method = "GET", .path = "/own", .handler = own_page}};

static int run_child(const char *errors)
{
    static const struct service_program program = {
        .program = PROGRAM_EXECUTOR,
        .start = start,
        .drain = drain,
        .routes = routes,
        .route_count = COUNT(routes),
    };
    char name[] = "rota-executor", *arguments[] = {name, NULL};

    if (!freopen(errors, "w", stderr))
        return 99;
    return service_run(&program, 1, arguments);
}

static pid_t start_child(const char *errors)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (!pid)
        exit(run_child(errors));
    return pid;
}

static bool answers(const char *path, const char *says)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    bool ok;

    probe_run(address, path, 3000, to);
    fclose(to);
    ok = strstr(text, says) != NULL;
    free(text);
    return ok;
}

/* Asks until it is answered so; each question waits for the program itself. */
static void await(const char *path, const char *says)
{
    int64_t until_us = clock_boot_us() + LIMIT_US;

    while (!answers(path, says))
        assert_true(clock_boot_us() < until_us);
}

static int await_end(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* A port that was free a moment ago. */
static int set_up(void **state)
{
    struct listen_address any;
    struct fault fault;
    int fd;

    (void)state;
    wanted.ready = wanted.drains = wanted.starts = true;
    if (!listen_read(&any, "127.0.0.1:0", &fault) || !listen_open(&fd, &any, 1, &fault))
        return 1;
    snprintf(address, sizeof address, "127.0.0.1:%d", listen_port(fd));
    close(fd);
    setenv("ROTA_HTTP_ADDR", address, 1);
    setenv("ROTA_LOG_DIR", "none", 1);
    setenv("ROTA_SHUTDOWN_TIMEOUT", "1s", 1);
    unsetenv("ROTA_TOKEN_FILE");
    unsetenv("TEST_SOURCE"); /* no setting: a program would refuse it */
    return 0;
}

static void a_stop_is_clean(void **state)
{
    pid_t pid = start_child("/dev/null");

    (void)state;
    await("/readyz", "ready\n");
    assert_true(answers("/livez", "ready\n"));
    assert_true(answers("/startupz", "ready\n"));
    assert_true(answers("/own", "ready\n"));
    assert_true(answers("/metrics", "ready\n"));
    assert_true(answers("/version", "ready\n"));
    assert_true(answers("/other", "status 404"));
    kill(pid, SIGTERM);
    await("/readyz", "[-]shutdown: the program is stopping;[+]kafka ok");
    assert_true(answers("/livez", "ready\n"));
    assert_int_equal(await_end(pid), 0);
    assert_true(answers("/readyz", "no answer"));
}

static void a_failing_check_is_told(void **state)
{
    pid_t pid;

    (void)state;
    wanted.ready = false;
    pid = start_child("/dev/null");
    await("/readyz", "status 503: [-]kafka: not yet");
    assert_true(answers("/livez", "ready\n"));
    assert_true(answers("/startupz", "status 503"));
    assert_true(answers("/readyz?exclude=kafka", "ready\n"));
    assert_true(answers("/readyz?exclude=other", "status 503"));
    kill(pid, SIGINT);
    assert_int_equal(await_end(pid), 0);
}

static void a_stop_has_a_limit(void **state)
{
    pid_t pid;
    int64_t begun_us;

    (void)state;
    wanted.drains = false;
    pid = start_child("/dev/null");
    await("/readyz", "ready\n");
    begun_us = clock_boot_us();
    kill(pid, SIGTERM);
    assert_int_equal(await_end(pid), 0);
    assert_in_range(clock_boot_us() - begun_us, 900000, 4000000);
}

static void a_second_signal_ends_at_once(void **state)
{
    pid_t pid;

    (void)state;
    wanted.drains = false;
    setenv("ROTA_SHUTDOWN_TIMEOUT", "60s", 1);
    pid = start_child("/dev/null");
    await("/readyz", "ready\n");
    kill(pid, SIGTERM);
    await("/readyz", "stopping");
    kill(pid, SIGTERM);
    assert_int_equal(await_end(pid), 1);
}

static char *read_all(const char *path)
{
    static char text[4096];
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void a_failed_start_is_one_line(void **state)
{
    static const struct {
        const char *name, *value; /* of a setting; NULL: start itself fails */
        int status;
        const char *says;
    } cases[] = {
        {NULL, NULL, 1, "rota-executor: it did not start\n"},
        {"ROTA_HTTP_ADDR", "nowhere", 2, "host:port"},
        {"ROTA_HTTP_ADDR", "0.0.0.0:0", 2, "ROTA_TOKEN_FILE"},
        {"ROTA_HTTP_TIMEOUT", "soon", 2, "ROTA_HTTP_TIMEOUT=soon"},
        {"ROTA_HTTP_ADR", "127.0.0.1:0", 2, "ROTA_HTTP_ADDR"},
    };
    char path[] = "/tmp/rota-test-XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    close(fd);
    for (size_t i = 0; i < COUNT(cases); i++) {
        set_up(NULL);
        wanted.starts = cases[i].name;
        if (cases[i].name)
            setenv(cases[i].name, cases[i].value, 1);
        assert_int_equal(await_end(start_child(path)), cases[i].status);
        if (cases[i].name)
            unsetenv(cases[i].name);
        char *text = read_all(path);

        if (!strstr(text, cases[i].says))
            fail_msg("wanted %s, got %s", cases[i].says, text);
        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    }
    unlink(path);
}

static void a_port_in_use_is_named(void **state)
{
    struct listen_address where;
    char path[] = "/tmp/rota-test-XXXXXX";
    int file = mkstemp(path), fd;
    struct fault fault;

    (void)state;
    close(file);
    assert_true(listen_read(&where, address, &fault));
    assert_true(listen_open(&fd, &where, 1, &fault));
    assert_int_equal(await_end(start_child(path)), 1);
    assert_non_null(strstr(read_all(path), "ROTA_HTTP_ADDR=127.0.0.1:"));
    assert_non_null(strstr(read_all(path), "in use"));
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_stop_is_clean, set_up),
        cmocka_unit_test_setup(a_failing_check_is_told, set_up),
        cmocka_unit_test_setup(a_stop_has_a_limit, set_up),
        cmocka_unit_test_setup(a_second_signal_ends_at_once, set_up),
        cmocka_unit_test_setup(a_failed_start_is_one_line, set_up),
        cmocka_unit_test_setup(a_port_in_use_is_named, set_up),
    };

    return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
