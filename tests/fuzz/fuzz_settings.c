/*
 * The environment, a variable a line, as one of the programs finds it: the first byte says which.
 * Settings that are taken keep their bounds and fit together; a refusal says which it is about, and
 * its line in the log is one line, whatever bytes the environment had.
 */
#include "common/config.h"
#include "common/listen.h"
#include "common/log.h"
#include "tests/fuzz/fuzz.h"

#define VARIABLES_MOST 100

extern char **environ;

/* No file but those of the folder we are in: a device or a pipe may never end. */
static bool is_safe(const char *variable)
{
    const char *value = strchr(variable, '=');

    return !value || value - variable < 5 || memcmp(value - 5, "_FILE", 5) != 0 ||
           !strchr(value, '/');
}

/* Cuts `text` into lines, which the variables are. */
static void fill(char *variables[static VARIABLES_MOST + 1], char *text)
{
    int count = 0;
    char *rest;

    for (char *line = strtok_r(text, "\n", &rest); line && count < VARIABLES_MOST;
         line = strtok_r(NULL, "\n", &rest))
        if (is_safe(line))
            variables[count++] = line;
    variables[count] = NULL;
}

static void check_fault(const struct fault *fault)
{
    char out[LOG_QUOTED];

    assert(fault->kind == FAULT_REJECTED && strstr(fault->text, "ROTA_"));
    for (const char *c = log_value(out, fault->text); *c; c++)
        assert((unsigned char)*c >= ' ');
}

static void check(const struct config *config)
{
    struct listen_address address;
    struct fault fault;

    assert(config->resolve_ms >= 50 && config->resolve_ms * 2 <= config->lease_ms);
    assert(config->heartbeat_ms >= 50 && config->heartbeat_ms * 2 <= config->alive_ms);
    assert(config->alive_ms <= config->executor_lease_ms && config->executor_lease_ms >= 6000);
    assert(config->batch >= 1 && config->batch <= 5000);
    assert(config->executor_slots >= 1 && config->executor_slots <= 10000);
    assert(config->executor_window >= 1 && config->executor_window <= 20000);
    assert(config->output_max >= 1024 && config->output_max <= 16 << 20);
    assert(config->http_response_max >= 0 && config->http_max_connections >= 16);
    assert(config->poll_ms >= 10 && config->shutdown_ms >= 1000 && config->kill_grace_ms >= 0);
    assert(config->retention_ms >= INT64_C(86400000));
    assert(config->kafka_count >= 0 && config->kafka_count <= CONFIG_KAFKA_MOST);
    for (int i = 0; i < config->kafka_count; i++)
        assert(config->kafka[i].key && config->kafka[i].value);
    if (!listen_read(&address, config->http_addr, &fault))
        fuzz_check_fault(&fault);
    config_check_exposure(config, &fault);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const enum program programs[] = {PROGRAM_PRODUCER, PROGRAM_CONSUMER, PROGRAM_EXECUTOR};
    char *variables[VARIABLES_MOST + 1], **kept = environ;
    struct config config;
    struct fault fault;
    bool finished;

    if (!size)
        return 0;
    SCOPED(scoped_text) char *text = fuzz_text(bytes + 1, size - 1);

    fill(variables, text);
    environ = variables;
    if (config_read(&config, programs[bytes[0] % COUNT(programs)], 0, NULL, &finished, &fault))
        check(&config);
    else
        check_fault(&fault);
    environ = kept;
    config_forget();
    return 0;
}
