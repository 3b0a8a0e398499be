#include "tests/unit/unit.h"

#include "common/config.h"
#include "common/mem.h"

#include <stdlib.h>
#include <unistd.h>

extern char **environ;

static bool read_with(struct config *config, const char *name, const char *value,
                      struct fault *fault)
{
    char *arguments[] = {(char[]){"program"}, NULL};
    bool finished;

    clearenv();
    if (name)
        setenv(name, value, 1);
    return config_read(config, PROGRAM_EXECUTOR, 1, arguments, &finished, fault) && !finished;
}

static void has_defaults(void **state)
{
    struct config config;
    struct fault fault;

    (void)state;
    assert_true(read_with(&config, NULL, NULL, &fault));
    assert_string_equal(config.http_addr, "127.0.0.1:8082");
    assert_string_equal(config.executor_types, "log,http,kafka");
    assert_int_equal(config.executor_lease_ms, 60000);
    assert_int_equal(config.log_max_size, 64 << 20);
    assert_null(config.token);
    assert_true(config_check_exposure(&config, &fault));
}

/* One row a refusal: what is set, and what the line must say. */
static void refuses_and_says_what(void **state)
{
    static const struct {
        const char *name, *value, *says;
    } cases[] = {
        {"ROTA_HEARTBEAT", "soon", "ROTA_HEARTBEAT=soon"},
        {"ROTA_HEARTBEAT", "1ms", "from 50 ms to 60000 ms"},
        {"ROTA_EXECUTOR_SLOTS", "0", "from 1 to 10000"},
        {"ROTA_EXECUTOR_SLOTS", "16 ", "whole number"},
        {"ROTA_LOG_MAX_SIZE", "1KiB", "number of bytes"},
        {"ROTA_LOG_LEVEL", "loud", "debug|info|warn|error"},
        {"ROTA_LOG_STDERR", "maybe", "yes or no"},
        {"ROTA_EXECUTER_SLOTS", "3", "nearest one is ROTA_EXECUTOR_SLOTS"},
        {"ROTA_TOKEN_FILE", "/nowhere/token", "ROTA_TOKEN_FILE: cannot read /nowhere/token"},
        {"ROTA_RESOLVE", "4s", "half of ROTA_LEASE"},
        {"ROTA_ALIVE", "1500ms", "half of ROTA_ALIVE"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct config config;
        struct fault fault;

        assert_false(read_with(&config, cases[i].name, cases[i].value, &fault));
        assert_non_null(strstr(fault.text, cases[i].says));
    }
}

static void passes_over_service_links(void **state)
{
    static const char *const names[] = {"ROTA_PRODUCER_SERVICE_HOST", "ROTA_PRODUCER_SERVICE_PORT",
                                        "ROTA_PRODUCER_PORT", "ROTA_PRODUCER_PORT_8080_TCP"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct config config;
        struct fault fault;

        assert_true(read_with(&config, names[i], "tcp://10.0.0.1:8080", &fault));
    }
}

static void hands_other_keys_to_librdkafka(void **state)
{
    struct config config;
    struct fault fault;

    (void)state;
    assert_true(read_with(&config, "ROTA_KAFKA_SECURITY_PROTOCOL", "ssl", &fault));
    assert_int_equal(config.kafka_count, 1);
    assert_string_equal(config.kafka[0].key, "security.protocol");
    assert_string_equal(config.kafka[0].value, "ssl");
}

static void reads_secrets_from_files(void **state)
{
    char path[] = "/tmp/rota-secret-XXXXXX";
    int fd = mkstemp(path);
    struct config config;
    struct fault fault;

    (void)state;
    assert_int_equal(write(fd, "postgresql:///x\n", 16), 16);
    close(fd);
    assert_true(read_with(&config, "ROTA_DATABASE_URL_FILE", path, &fault));
    assert_string_equal(config.database_url, "postgresql:///x");
    unlink(path);

    clearenv();
    setenv("ROTA_DATABASE_URL", "a", 1);
    setenv("ROTA_DATABASE_URL_FILE", path, 1);
    bool finished;

    assert_false(config_read(&config, PROGRAM_CONSUMER, 1, (char *[]){(char[]){"x"}, NULL},
                             &finished, &fault));
    assert_non_null(strstr(fault.text, "both set"));
}

static void guards_open_addresses(void **state)
{
    struct config config;
    struct fault fault;

    (void)state;
    assert_true(read_with(&config, "ROTA_HTTP_ADDR", "0.0.0.0:8080", &fault));
    assert_false(config_check_exposure(&config, &fault));
    assert_non_null(strstr(fault.text, "ROTA_TOKEN_FILE"));
    config.insecure = true;
    assert_true(config_check_exposure(&config, &fault));
    config.insecure = false;
    config.token = "secret";
    assert_true(config_check_exposure(&config, &fault));
    assert_true(read_with(&config, "ROTA_HTTP_ADDR", "[::1]:8080", &fault));
    assert_true(config_check_exposure(&config, &fault));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_defaults),
        cmocka_unit_test(refuses_and_says_what),
        cmocka_unit_test(passes_over_service_links),
        cmocka_unit_test(hands_other_keys_to_librdkafka),
        cmocka_unit_test(reads_secrets_from_files),
        cmocka_unit_test(guards_open_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
