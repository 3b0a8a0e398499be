#include "common/config.h"

#include "common/instant.h"
#include "common/mem.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stddef.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

#define VALUE_MOST 4096
#define COMPARED_MOST 40 /* of a name that is not known, to find the one that was meant */
#define P PROGRAM_PRODUCER
#define C PROGRAM_CONSUMER
#define E PROGRAM_EXECUTOR
#define SECOND INT64_C(1000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)

enum setting_kind {
    KIND_TEXT,
    KIND_COUNT,    /* least..most */
    KIND_DURATION, /* least..most in ms */
    KIND_BYTES,    /* least..most; KiB and MiB are understood */
    KIND_FLAG,     /* yes, no */
    KIND_CHOICE,   /* one of `choices`, separated by | */
    KIND_SECRET,   /* also from the file that NAME_FILE names */
    KIND_FILE,     /* the secret is only had from the file that NAME names */
};

struct setting {
    const char *name;
    unsigned programs;
    enum setting_kind kind;
    size_t place;
    const char *otherwise; /* NULL: empty */
    int64_t least, most;
    const char *choices, *help;
};

#define FIELD(name) offsetof(struct config, name)

static const struct setting settings[] = {
    {"ROTA_DATABASE_URL", P | C | E, KIND_SECRET, FIELD(database_url), NULL, 0, 0, NULL,
     "PostgreSQL, as a libpq URL or key=value text; PG* variables count too"},
    {"ROTA_KAFKA_BROKERS", P | C | E, KIND_TEXT, FIELD(kafka_brokers), "127.0.0.1:9092", 0, 0, NULL,
     "host:port of one or more brokers, separated by commas"},
    {"ROTA_KAFKA_TOPIC_PREFIX", P | C | E, KIND_TEXT, FIELD(kafka_topic_prefix), "rota.", 0, 0,
     NULL, "what the names of Rota's topics begin with"},
    {"ROTA_KAFKA_GROUP", C, KIND_TEXT, FIELD(kafka_group), "rota-ingest", 0, 0, NULL,
     "consumer group of the consumers"},
    {"ROTA_KAFKA_LEGACY_TOPIC", P | C, KIND_TEXT, FIELD(kafka_legacy_topic), "scheduler-task", 0, 0,
     NULL, "also taken from: records {\"execTs\":ms,\"data\":\"..\"}; none: off"},
    {"ROTA_KAFKA_PARTITIONS", P | C | E, KIND_COUNT, FIELD(kafka_partitions), "12", 1, 1000, NULL,
     "of the commands topic, when a program makes it"},
    {"ROTA_KAFKA_KEEP", C, KIND_DURATION, FIELD(kafka_keep_ms), "7d", HOUR, 3650 * DAY, NULL,
     "commands that are stored leave Kafka after this time"},
    {"ROTA_KAFKA_FLUSH_MESSAGES", P | C | E, KIND_CHOICE, FIELD(kafka_flush_messages), "auto", 0, 0,
     "auto|yes|no",
     "have the broker sync each command to disk: auto where there are fewer than three replicas"},
    {"ROTA_KAFKA_ACCEPT_GAP", C, KIND_TEXT, FIELD(kafka_accept_gap), NULL, 0, 0, NULL,
     "topic/partition, ... or all: go on although Kafka lost records that were not stored"},
    {"ROTA_HTTP_ADDR", P | C | E, KIND_TEXT, FIELD(http_addr), NULL, 0, 0, NULL,
     "address:port to listen on (default 127.0.0.1 and 8080, consumer 8081, executor 8082); "
     "port 0: any free one"},
    {"ROTA_HTTP_MAX_CONNECTIONS", P | C | E, KIND_COUNT, FIELD(http_max_connections), "16384", 16,
     1000000, NULL, "open connections; more are refused"},
    {"ROTA_HTTP_TIMEOUT", P | C | E, KIND_DURATION, FIELD(http_timeout_ms), "30s", SECOND, HOUR,
     NULL, "a connection without progress is closed after this time"},
    {"ROTA_TOKEN_FILE", P | C | E, KIND_FILE, FIELD(token), NULL, 0, 0, NULL,
     "file with the bearer token that callers must send; read again on SIGHUP"},
    {"ROTA_INSECURE", P | C | E, KIND_FLAG, FIELD(insecure), "no", 0, 0, NULL,
     "yes: listen on other addresses than loopback although no token is asked for"},
    {"ROTA_NODE_NAME", P | C | E, KIND_TEXT, FIELD(node_name), NULL, 0, 0, NULL,
     "name in logs and lists; default: role and the lowest free number"},
    {"ROTA_LOG_DIR", P | C | E, KIND_TEXT, FIELD(log_dir), "consumer-logs", 0, 0, NULL,
     "folder of the log files; none: standard error only"},
    {"ROTA_LOG_LEVEL", P | C | E, KIND_CHOICE, FIELD(log_level), "info", 0, 0,
     "debug|info|warn|error", "the least level that is logged"},
    {"ROTA_LOG_STDERR", P | C | E, KIND_FLAG, FIELD(log_stderr), "no", 0, 0, NULL,
     "yes: log to standard error as well"},
    {"ROTA_LOG_MAX_SIZE", P | C | E, KIND_BYTES, FIELD(log_max_size), "64MiB", 65536,
     INT64_C(1) << 40, NULL, "a log file turns over at this size"},
    {"ROTA_LOG_KEEP", P | C | E, KIND_COUNT, FIELD(log_keep), "7", 0, 1000, NULL,
     "former log files that are kept"},
    {"ROTA_HEARTBEAT", C | E, KIND_DURATION, FIELD(heartbeat_ms), "1s", 50, 60 * SECOND, NULL,
     "how often a node writes its heartbeat"},
    {"ROTA_ALIVE", C | E, KIND_DURATION, FIELD(alive_ms), "5s", 200, 600 * SECOND, NULL,
     "an executor with a younger heartbeat gets new work"},
    {"ROTA_RESOLVE", C | E, KIND_DURATION, FIELD(resolve_ms), "1s", 50, 60 * SECOND, NULL,
     "how often a consumer resolves the master"},
    {"ROTA_LEASE", C | E, KIND_DURATION, FIELD(lease_ms), "5s", 500, 600 * SECOND, NULL,
     "for how long the master is master without renewing"},
    {"ROTA_EXECUTOR_LEASE", C | E, KIND_DURATION, FIELD(executor_lease_ms), "60s", 6 * SECOND, HOUR,
     NULL,
     "work is taken from an executor after this long without a heartbeat; the same on all nodes"},
    {"ROTA_POLL", C | E, KIND_DURATION, FIELD(poll_ms), "1s", 10, 60 * SECOND, NULL,
     "how often is looked again what timers and notifications should have told"},
    {"ROTA_BATCH", C, KIND_COUNT, FIELD(batch), "1000", 1, 5000, NULL,
     "tasks that one statement stores or dispatches"},
    {"ROTA_RETENTION", C, KIND_DURATION, FIELD(retention_ms), "30d", DAY, 3650 * DAY, NULL,
     "ended tasks leave the database after this time"},
    {"ROTA_LOST_ATTEMPTS", C, KIND_COUNT, FIELD(lost_attempts), "10", 1, 1000, NULL,
     "a task that loses its executor each time has failed after so many attempts"},
    {"ROTA_SHUTDOWN_TIMEOUT", P | C | E, KIND_DURATION, FIELD(shutdown_ms), "25s", SECOND, HOUR,
     NULL, "how long a clean stop may take"},
    {"ROTA_EXECUTOR_SLOTS", E, KIND_COUNT, FIELD(executor_slots), "16", 1, 10000, NULL,
     "tasks that run at the same time; log tasks need none"},
    {"ROTA_EXECUTOR_WINDOW", E, KIND_COUNT, FIELD(executor_window), "2000", 1, 20000, NULL,
     "tasks taken ahead while all of them end at once"},
    {"ROTA_EXECUTOR_QUEUES", E, KIND_TEXT, FIELD(executor_queues), "default", 0, 0, NULL,
     "queues that are served, separated by commas"},
    {"ROTA_EXECUTOR_TYPES", E, KIND_TEXT, FIELD(executor_types), "log,http,kafka", 0, 0, NULL,
     "types that are run: log, shell, http, kafka; shell runs any command a caller sends"},
    {"ROTA_EXECUTOR_OUTPUT", E, KIND_BYTES, FIELD(output_max), "64KiB", 1024, 16 << 20, NULL,
     "output that is kept of a shell task, first and last parts"},
    {"ROTA_EXECUTOR_RESPONSE", E, KIND_BYTES, FIELD(http_response_max), "1MiB", 0, 256 << 20, NULL,
     "bytes that are taken of the answer to an http task"},
    {"ROTA_TASK_TIMEOUT", E, KIND_DURATION, FIELD(task_timeout_ms), "1h", SECOND, 7 * DAY, NULL,
     "time-out of an attempt whose task names none"},
    {"ROTA_KILL_GRACE", E, KIND_DURATION, FIELD(kill_grace_ms), "5s", 0, 300 * SECOND, NULL,
     "between TERM and KILL of a shell task"},
};

#undef P
#undef C
#undef E

static const struct {
    enum program program;
    const char *role, *name, *address, *does;
} programs[] = {
    {PROGRAM_PRODUCER, "producer", "rota-producer", "127.0.0.1:8080",
     "takes tasks over HTTP and hands them to Kafka"},
    {PROGRAM_CONSUMER, "consumer", "rota-consumer", "127.0.0.1:8081",
     "stores tasks and, as the master, hands them to executors"},
    {PROGRAM_EXECUTOR, "executor", "rota-executor", "127.0.0.1:8082",
     "runs the tasks that are handed to it"},
};

/* Texts that live until the process ends, and can be found until then. */
static struct kept {
    struct kept *before;
    char text[];
} * last_kept;

static char *keep_text(const char *text)
{
    size_t size = strlen(text) + 1;
    struct kept *kept = mem_or_end(malloc(sizeof *kept + size));

    kept->before = last_kept;
    last_kept = kept;
    return memcpy(kept->text, text, size);
}

void config_forget(void)
{
    for (struct kept *kept = last_kept, *before; kept; kept = before) {
        before = kept->before;
        free(kept);
    }
    last_kept = NULL;
}

static size_t program_row(enum program program)
{
    for (size_t i = 0; i < COUNT(programs); i++)
        if (programs[i].program == program)
            return i;
    abort();
}

const char *program_name(enum program program)
{
    return programs[program_row(program)].name;
}

const char *program_role(enum program program)
{
    return programs[program_row(program)].role;
}

static bool read_number(int64_t *ret, const char *text, char **end)
{
    errno = 0;
    *ret = strtoll(text, end, 10);
    return !errno && *end != text && isdigit((unsigned char)*text);
}

static bool read_count(const struct setting *row, const char *text, int64_t *ret,
                       struct fault *fault)
{
    char *end;

    if (!read_number(ret, text, &end) || *end || *ret < row->least || *ret > row->most)
        return fault_set(fault, FAULT_REJECTED, "must be a whole number from %lld to %lld",
                         (long long)row->least, (long long)row->most);
    return true;
}

static bool read_bytes(const struct setting *row, const char *text, int64_t *ret,
                       struct fault *fault)
{
    static const struct {
        const char *unit;
        int shift;
    } units[] = {{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
    char *end;

    if (read_number(ret, text, &end) && *ret < INT64_C(1) << 32)
        for (size_t i = 0; i < COUNT(units); i++)
            if (!strcmp(end, units[i].unit)) {
                *ret <<= units[i].shift;
                if (*ret >= row->least && *ret <= row->most)
                    return true;
            }
    return fault_set(fault, FAULT_REJECTED,
                     "must be a number of bytes from %lld to %lld, such as 65536, 64KiB or 1MiB",
                     (long long)row->least, (long long)row->most);
}

static bool read_duration(const struct setting *row, const char *text, int64_t *ret,
                          struct fault *fault)
{
    if (!duration_read_setting(ret, text, fault))
        return false;
    if (*ret < row->least || *ret > row->most)
        return fault_set(fault, FAULT_REJECTED, "must be from %lld ms to %lld ms",
                         (long long)row->least, (long long)row->most);
    return true;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t size = strlen(text);

    for (const char *at = choices; size; at++) {
        size_t length = strcspn(at, "|");

        if (length == size && !strncmp(at, text, size))
            return true;
        at += length;
        if (!*at)
            break;
    }
    return false;
}

/* The secret in a file, without its line end. */
static bool read_file(const char *path, char **ret, struct fault *fault)
{
    char text[VALUE_MOST + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, text, sizeof text) : -1;
    struct stat facts;

    if (size < 0) {
        fault_set(fault, FAULT_REJECTED, "cannot read %s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    if (!fstat(fd, &facts) && facts.st_mode & S_IROTH)
        log_warn("config.secret_readable", "file=%s help=%s", LOG_VALUE(path),
                 LOG_VALUE("everybody on this machine can read it: chmod o-r"));
    close(fd);
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        size--;
    if (size == 0 || size > VALUE_MOST || memchr(text, '\0', (size_t)size))
        return fault_set(fault, FAULT_REJECTED, "%s must hold 1 to %d bytes of text", path,
                         VALUE_MOST);
    text[size] = '\0';
    *ret = mem_text(text);
    return true;
}

static bool keep_file(const char *path, const char **ret, struct fault *fault)
{
    char *text;

    if (!read_file(path, &text, fault))
        return false;
    *ret = keep_text(text);
    free(text);
    return true;
}

/* Puts one value in its place. */
static bool place(struct config *config, const struct setting *row, const char *text,
                  struct fault *fault)
{
    void *field = (char *)config + row->place;

    if (strlen(text) > VALUE_MOST)
        return fault_set(fault, FAULT_REJECTED, "is longer than %d bytes", VALUE_MOST);
    switch (row->kind) {
    case KIND_TEXT:
    case KIND_SECRET:
        *(const char **)field = !strcmp(text, "none") ? "" : keep_text(text);
        return true;
    case KIND_COUNT:
        return read_count(row, text, field, fault);
    case KIND_DURATION:
        return read_duration(row, text, field, fault);
    case KIND_BYTES:
        return read_bytes(row, text, field, fault);
    case KIND_FLAG:
        if (strcasecmp(text, "yes") && strcasecmp(text, "no"))
            return fault_set(fault, FAULT_REJECTED, "must be yes or no");
        *(bool *)field = !strcasecmp(text, "yes");
        return true;
    case KIND_CHOICE:
        if (!is_choice(row->choices, text))
            return fault_set(fault, FAULT_REJECTED, "must be one of %s", row->choices);
        *(const char **)field = keep_text(text);
        return true;
    case KIND_FILE:
        return keep_file(text, field, fault);
    }
    abort();
}

static bool read_setting(struct config *config, const struct setting *row, struct fault *fault)
{
    char file_name[128];
    const char *text = getenv(row->name), *path = NULL;

    snprintf(file_name, sizeof file_name, "%s_FILE", row->name);
    if (row->kind == KIND_SECRET)
        path = getenv(file_name);
    if (text && !*text)
        text = NULL;
    if (path && *path && text)
        return fault_set(fault, FAULT_REJECTED, "%s and %s are both set: give one", row->name,
                         file_name);
    if (path && *path)
        return keep_file(path, (const char **)((char *)config + row->place), fault) ||
               fault_while(fault, "%s", file_name);
    if (!text)
        text = row->otherwise;
    if (text && !place(config, row, text, fault)) {
        bool secret = row->kind == KIND_SECRET || row->kind == KIND_FILE;

        return secret ? fault_while(fault, "%s", row->name)
                      : fault_while(fault, "%s=%.80s", row->name, text);
    }
    return true;
}

static const struct setting *find(const char *name, size_t size)
{
    for (size_t i = 0; i < COUNT(settings); i++)
        if (strlen(settings[i].name) == size && !strncmp(settings[i].name, name, size))
            return &settings[i];
    return NULL;
}

/* How many single changes make one name the other (Levenshtein), to name what was meant. */
static size_t distance(const char *one, size_t size, const char *other)
{
    size_t row[128], length = strlen(other);

    if (length >= COUNT(row))
        return SIZE_MAX;
    for (size_t i = 0; i <= length; i++)
        row[i] = i;
    for (size_t i = 0; i < size; i++) {
        size_t before = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < length; j++) {
            size_t change = before + (one[i] != other[j]);

            before = row[j + 1];
            if (row[j] + 1 < change)
                change = row[j] + 1;
            row[j + 1] = before + 1 < change ? before + 1 : change;
        }
    }
    return row[length];
}

static bool unknown(const char *name, size_t size, struct fault *fault)
{
    const char *nearest = NULL;
    size_t least = SIZE_MAX, compared = size < COMPARED_MOST ? size : COMPARED_MOST;

    for (size_t i = 0; i < COUNT(settings); i++) {
        size_t apart = distance(name, compared, settings[i].name);

        if (apart < least) {
            least = apart;
            nearest = settings[i].name;
        }
    }
    return fault_set(fault, FAULT_REJECTED,
                     "%.*s is not a setting; the nearest one is %s "
                     "(--help lists all)",
                     (int)size, name, nearest);
}

/* Kubernetes puts such variables into every container for a service named rota-something. */
static bool is_service_link(const char *name)
{
    static const char *const shapes[] = {"*_SERVICE_HOST", "*_SERVICE_PORT", "*_SERVICE_PORT_*",
                                         "*_PORT", "*_PORT_*"};

    for (size_t i = 0; i < COUNT(shapes); i++)
        if (!fnmatch(shapes[i], name, 0))
            return true;
    return false;
}

/* ROTA_KAFKA_SASL_PASSWORD becomes sasl.password; with _FILE the value is read from the file. */
static bool read_kafka(struct config *config, const char *name, const char *value,
                       struct fault *fault)
{
    size_t prefix = strlen("ROTA_KAFKA_"), size = strlen(name);
    bool file = size > prefix + 5 && !strcmp(name + size - 5, "_FILE");
    char *key = keep_text(name + prefix);

    if (config->kafka_count == CONFIG_KAFKA_MOST)
        return fault_set(fault, FAULT_REJECTED, "more than %d ROTA_KAFKA_ settings",
                         CONFIG_KAFKA_MOST);
    if (file)
        key[strlen(key) - 5] = '\0';
    for (char *at = key; *at; at++)
        *at = *at == '_' ? '.' : (char)tolower((unsigned char)*at);
    if (file && !keep_file(value, &value, fault))
        return fault_while(fault, "%s", name);
    config->kafka[config->kafka_count].key = key;
    config->kafka[config->kafka_count++].value = keep_text(value);
    return true;
}

/* Every ROTA_* name in the environment must mean something to one of the programs. */
static bool read_others(struct config *config, struct fault *fault)
{
    for (char **entry = environ; entry && *entry; entry++) {
        size_t size = strcspn(*entry, "=");
        char *name = strndup(*entry, size);
        bool ok = true;

        mem_or_end(name);
        if (strncmp(name, "ROTA_", 5) || find(name, size) || is_service_link(name))
            goto next;
        if (size > 5 && !strcmp(name + size - 5, "_FILE") && find(name, size - 5) &&
            find(name, size - 5)->kind == KIND_SECRET)
            goto next;
        if (!strncmp(name, "ROTA_KAFKA_", 11))
            ok = read_kafka(config, name, *entry + size + ((*entry)[size] == '='), fault);
        else
            ok = unknown(name, size, fault);
    next:
        free(name);
        if (!ok)
            return false;
    }
    return true;
}

static bool check_together(const struct config *config, struct fault *fault)
{
    if (config->resolve_ms * 2 > config->lease_ms)
        return fault_set(fault, FAULT_REJECTED,
                         "ROTA_RESOLVE must be at most half of ROTA_LEASE, so that one renewal "
                         "may fail");
    if (config->heartbeat_ms * 2 > config->alive_ms)
        return fault_set(fault, FAULT_REJECTED,
                         "ROTA_HEARTBEAT must be at most half of ROTA_ALIVE, so that one heartbeat "
                         "may fail");
    if (config->alive_ms > config->executor_lease_ms)
        return fault_set(fault, FAULT_REJECTED,
                         "ROTA_ALIVE must not be longer than ROTA_EXECUTOR_LEASE");
    return true;
}

static void write_default(char *text, size_t size, const struct setting *row, bool markdown)
{
    const char *value = row->otherwise ? row->otherwise : "";

    snprintf(text, size, markdown && *value ? "`%s`" : "%s", value);
}

static const char *kind_text(const struct setting *row)
{
    static const char *const texts[] = {
        [KIND_TEXT] = "text",   [KIND_COUNT] = "number", [KIND_DURATION] = "duration",
        [KIND_BYTES] = "bytes", [KIND_FLAG] = "yes|no",  [KIND_SECRET] = "secret",
        [KIND_FILE] = "file",
    };

    return row->kind == KIND_CHOICE ? row->choices : texts[row->kind];
}

static void print_help(enum program program)
{
    size_t row = program_row(program);

    printf("%s %s: %s.\n\nusage: %s [--help | --version | --check | --healthcheck]\n\n"
           "Settings are environment variables:\n\n",
           programs[row].name, ROTA_VERSION, programs[row].does, programs[row].name);
    for (size_t i = 0; i < COUNT(settings); i++) {
        char value[128];

        if (!(settings[i].programs & program))
            continue;
        write_default(value, sizeof value, &settings[i], false);
        printf("  %s (%s%s%s%s)\n      %s\n", settings[i].name, kind_text(&settings[i]),
               *value ? ", default " : "", value,
               settings[i].kind == KIND_SECRET ? ", also from _FILE" : "", settings[i].help);
    }
    puts("\nROTA_KAFKA_<KEY> of any other name is handed to librdkafka: "
         "ROTA_KAFKA_SECURITY_PROTOCOL is security.protocol.");
}

static void write_bounds(char *text, size_t size, const struct setting *row)
{
    char least[INSTANT_TEXT], most[INSTANT_TEXT];

    *text = '\0';
    if (row->kind == KIND_COUNT || row->kind == KIND_BYTES)
        snprintf(text, size, "%lld to %lld", (long long)row->least, (long long)row->most);
    if (row->kind == KIND_DURATION)
        snprintf(text, size, "%s to %s", duration_write(least, row->least),
                 duration_write(most, row->most));
}

void config_print_docs(FILE *to)
{
    fputs("# Settings\n\nPrinted from the table in `common/config.c`; a test compares. P, C and E "
          "say who reads it:\nproducer, consumer, executor. A name that begins with `ROTA_` and is "
          "not here stops the start, except\n`ROTA_KAFKA_<KEY>`, which is handed to librdkafka "
          "(`ROTA_KAFKA_SASL_PASSWORD_FILE` is `sasl.password`\nfrom a file), and the variables "
          "that Kubernetes makes for services.\n\n"
          "| setting | of | kind | default | bounds | meaning |\n|---|---|---|---|---|---|\n",
          to);
    for (size_t i = 0; i < COUNT(settings); i++) {
        const struct setting *row = &settings[i];
        char value[128], bounds[96];

        write_default(value, sizeof value, row, true);
        write_bounds(bounds, sizeof bounds, row);
        fprintf(to, "| `%s` | %s%s%s | ", row->name, row->programs & PROGRAM_PRODUCER ? "P" : "",
                row->programs & PROGRAM_CONSUMER ? "C" : "",
                row->programs & PROGRAM_EXECUTOR ? "E" : "");
        for (const char *c = kind_text(row); *c; c++)
            fprintf(to, *c == '|' ? "\\%c" : "%c", *c);
        fprintf(to, "%s | %s | %s | %s |\n", row->kind == KIND_SECRET ? ", or `_FILE`" : "", value,
                bounds, row->help);
    }
}

static bool read_all(struct config *config, struct fault *fault)
{
    for (size_t i = 0; i < COUNT(settings); i++)
        if (!read_setting(config, &settings[i], fault))
            return false;
    if (!config->http_addr)
        config->http_addr = programs[program_row(config->program)].address;
    return read_others(config, fault) && check_together(config, fault);
}

bool config_read(struct config *ret, enum program program, int count, char **arguments,
                 bool *finished, struct fault *fault)
{
    static struct config config; /* its texts live on, also where the reading fails */
    const char *flag = count > 1 ? arguments[1] : "";

    config = (struct config){.program = program};
    *finished = true;
    if (!strcmp(flag, "--help") || !strcmp(flag, "-h")) {
        print_help(program);
        return true;
    }
    if (!strcmp(flag, "--version")) {
        printf("%s %s\n", program_name(program), ROTA_VERSION);
        return true;
    }
    if (!strcmp(flag, "--settings")) {
        config_print_docs(stdout);
        return true;
    }
    *finished = false;
    if (*flag && strcmp(flag, "--check") && strcmp(flag, "--healthcheck"))
        return fault_set(fault, FAULT_REJECTED, "%.60s is not an option (--help lists all)", flag);
    if (!read_all(&config, fault))
        return false;
    if (!strcmp(flag, "--check")) {
        puts("settings are fine");
        *finished = true;
    }
    *ret = config;
    return true;
}

bool config_read_token(char **ret, struct fault *fault)
{
    const char *path = getenv("ROTA_TOKEN_FILE");

    *ret = NULL;
    return !path || !*path || read_file(path, ret, fault) || fault_while(fault, "ROTA_TOKEN_FILE");
}

static bool is_loopback(const char *address)
{
    return !strncmp(address, "127.", 4) || !strncmp(address, "[::1]", 5) ||
           !strncmp(address, "localhost:", 10);
}

bool config_check_exposure(const struct config *config, struct fault *fault)
{
    if (config->token || config->insecure || is_loopback(config->http_addr))
        return true;
    return fault_set(fault, FAULT_REJECTED,
                     "ROTA_HTTP_ADDR=%s can be reached from other machines, and anybody who "
                     "reaches it may schedule work: set ROTA_TOKEN_FILE, or ROTA_INSECURE=yes "
                     "where the network keeps others out",
                     config->http_addr);
}
