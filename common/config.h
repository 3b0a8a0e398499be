/*
 * Settings: environment variables named ROTA_*, one table of rows (name, programs, type, default,
 * bounds, help) from which reading, checks, --help and docs/settings.md come.
 *
 * A value out of bounds, an unknown ROTA_* name or a secret given twice is one clear line.
 * Kubernetes' own service variables (*_SERVICE_HOST, *_SERVICE_PORT*, *_PORT, *_PORT_*) are passed
 * over. Each secret X may come from the file that X_FILE names. ROTA_KAFKA_<KEY> that is no row
 * here is handed to librdkafka as <key> (dots for underscores).
 */
#pragma once

#include "common/fault.h"
#include "common/log.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum program { PROGRAM_PRODUCER = 1, PROGRAM_CONSUMER = 2, PROGRAM_EXECUTOR = 4 };

#define CONFIG_KAFKA_MOST 64

struct config {
    enum program program;
    const char *node_name;
    const char *database_url;
    const char *kafka_brokers, *kafka_topic_prefix, *kafka_group, *kafka_legacy_topic;
    int64_t kafka_partitions;
    int64_t kafka_keep_ms;
    const char *kafka_flush_messages; /* auto, yes, no */
    const char *kafka_accept_gap; /* topic/partition whose missing records are given up, or "" */
    struct {
        const char *key, *value;
    } kafka[CONFIG_KAFKA_MOST]; /* for librdkafka */
    int kafka_count;

    const char *http_addr;
    int64_t http_max_connections, http_timeout_ms;
    const char *token; /* NULL: none is asked for */
    bool insecure;

    const char *log_dir, *log_level;
    bool log_stderr;
    int64_t log_max_size, log_keep;

    int64_t heartbeat_ms, alive_ms, resolve_ms, lease_ms, executor_lease_ms;
    int64_t poll_ms; /* the net under timers and notifications */
    int64_t batch;   /* tasks stored or dispatched by one statement */
    int64_t retention_ms;
    int64_t lost_attempts;
    int64_t shutdown_ms;

    int64_t executor_slots, executor_window;
    const char *executor_queues, *executor_types; /* comma-separated */
    int64_t output_max, http_response_max, task_timeout_ms, kill_grace_ms;
};

/*
 * Reads the environment. Answers --help, --version and --check itself by printing and setting
 * *finished. Texts in `ret` live until the process ends.
 */
bool config_read(struct config *ret, enum program program, int count, char **arguments,
                 bool *finished, struct fault *fault);

/* Lets go of the texts of all that was read: for tests, which read often. */
void config_forget(void);

/* The file that ROTA_TOKEN_FILE names, read anew; NULL where it is not set. To be freed. */
bool config_read_token(char **ret, struct fault *fault);

/* A non-loopback address without a token is refused unless ROTA_INSECURE=yes. */
bool config_check_exposure(const struct config *config, struct fault *fault);

/* The table as Markdown: docs/settings.md. */
void config_print_docs(FILE *to);

const char *program_name(enum program program); /* rota-producer, ... */
const char *program_role(enum program program); /* producer, ... */

#define ROTA_VERSION "0.1.0"
