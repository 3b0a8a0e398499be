#include "consumer/deadletter.h"

#include "common/cleanup.h"
#include "common/instant.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/point.h"
#include "common/rows.h"

#define LETTERS_MOST 20
#define LETTER_BYTES_MOST (900 * 1024) /* with its headers it must fit into a record */
#define LOOK_US UINT64_C(2000000)
#define TRIM_EVERY 150 /* looks: five minutes */
#define TELL_EVERY_MS 60000

/* A rejected record on its way; its key in the table of rejections. */
struct letter {
    struct deadletter *owner;
    char *topic;
    int32_t partition;
    int64_t position;
    bool delivered;
};

struct deadletter {
    sd_event_source *timer;
    struct db *db;
    struct bus *bus;
    const struct config *config;
    bool active;
    struct uuid owner;
    int64_t epoch;
    bool reading, marking, trimming;
    int under_way; /* letters without a delivery report */
    struct letter letters[LETTERS_MOST];
    int count;
    int looks;
    int64_t told_ms;
    char topic[256], commands[256];
};

static void look(struct deadletter *deadletter);

static void tell_fault(struct deadletter *deadletter, const char *what, const struct fault *fault)
{
    if (log_now_and_then(&deadletter->told_ms, TELL_EVERY_MS))
        log_warn("deadletter.waits", "what=%s cause=%s", what, LOG_VALUE(fault->text));
}

static void forget_letters(struct deadletter *deadletter)
{
    for (int i = 0; i < deadletter->count; i++)
        free(deadletter->letters[i].topic);
    deadletter->count = 0;
}

static void add_master(const struct deadletter *deadletter, struct args *args)
{
    args_uuid(args, &deadletter->owner);
    args_int8(args, deadletter->epoch);
}

static void on_marked(void *data, const PGresult *rows, const struct fault *fault)
{
    struct deadletter *deadletter = data;
    bool full = deadletter->count == LETTERS_MOST;

    (void)rows;
    deadletter->marking = false;
    forget_letters(deadletter);
    if (!fault)
        POINT(LETTER_MARKED);
    if (fault)
        tell_fault(deadletter, "mark", fault);
    else if (full)
        look(deadletter);
}

/* Of each letter that was delivered, one part of its key. */
static void add_delivered(const struct deadletter *deadletter, struct args *args,
                          enum args_type type)
{
    args_array(args, type);
    for (int i = 0; i < deadletter->count; i++) {
        const struct letter *letter = &deadletter->letters[i];

        if (!letter->delivered)
            continue;
        if (type == ARGS_TEXT)
            args_text(args, letter->topic);
        else if (type == ARGS_INT4)
            args_int4(args, letter->partition);
        else
            args_int8(args, letter->position);
    }
    args_array_end(args);
}

static void mark(struct deadletter *deadletter)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    add_master(deadletter, &args);
    add_delivered(deadletter, &args, ARGS_TEXT);
    add_delivered(deadletter, &args, ARGS_INT4);
    add_delivered(deadletter, &args, ARGS_INT8);
    deadletter->marking = true;
    db_call(deadletter->db, QUERY_REJECTED_PUBLISHED, &args, on_marked, deadletter);
}

static void on_delivered(void *data, const struct bus_position *where, const struct fault *fault)
{
    struct letter *letter = data;
    struct deadletter *deadletter = letter->owner;

    letter->delivered = where != NULL;
    if (where)
        metrics_count(METRIC_DEAD_LETTERS);
    if (fault)
        tell_fault(deadletter, "send", fault);
    if (--deadletter->under_way)
        return;
    POINT(LETTER_DELIVERED);
    if (deadletter->active)
        mark(deadletter);
    else
        forget_letters(deadletter); /* the next master sends them again */
}

static bool send_letter(struct deadletter *deadletter, struct letter *letter, const PGresult *rows,
                        int row, struct fault *fault)
{
    char partition[16], position[24], at[INSTANT_TEXT], id[UUID_TEXT];
    struct uuid task = rows_uuid(rows, row, 3);
    bool has_key = !rows_is_null(rows, row, 6), has_bytes = !rows_is_null(rows, row, 7);
    const struct bus_header headers[] = {
        {"x-error-code", rows_text(rows, row, 4)},
        {"x-error-detail", rows_text(rows, row, 5)},
        {"x-original-topic", letter->topic},
        {"x-original-partition", partition},
        {"x-original-offset", position},
        {"x-failed-at", instant_write(at, rows_time(rows, row, 9))},
        {"x-truncated", rows_bool(rows, row, 8) ? "true" : "false"},
        {"x-task-id", uuid_is_nil(&task) ? "" : uuid_write(id, &task)},
    };
    const struct bus_message message = {
        .topic = deadletter->topic,
        .partition = -1,
        .key = has_key ? PQgetvalue(rows, row, 6) : NULL,
        .key_size = has_key ? (size_t)rows_length(rows, row, 6) : 0,
        .value = has_bytes ? PQgetvalue(rows, row, 7) : NULL,
        .value_size = has_bytes ? (size_t)rows_length(rows, row, 7) : 0,
        .headers = headers,
        .header_count = COUNT(headers),
    };

    snprintf(partition, sizeof partition, "%d", letter->partition);
    snprintf(position, sizeof position, "%lld", (long long)letter->position);
    return bus_send(deadletter->bus, &message, on_delivered, letter, fault);
}

static void on_read(void *data, const PGresult *rows, const struct fault *fault)
{
    struct deadletter *deadletter = data;
    struct fault refused;

    deadletter->reading = false;
    if (fault)
        tell_fault(deadletter, "read", fault);
    if (fault || !deadletter->active)
        return;
    for (int row = 0; row < PQntuples(rows) && row < LETTERS_MOST; row++) {
        struct letter *letter = &deadletter->letters[deadletter->count];

        *letter = (struct letter){.owner = deadletter,
                                  .topic = mem_text(rows_text(rows, row, 0)),
                                  .partition = (int32_t)rows_int(rows, row, 1),
                                  .position = rows_int(rows, row, 2)};
        if (!send_letter(deadletter, letter, rows, row, &refused)) {
            free(letter->topic);
            tell_fault(deadletter, "send", &refused);
            break;
        }
        deadletter->count++;
        deadletter->under_way++;
    }
}

static void look(struct deadletter *deadletter)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    /* While Kafka is away nothing is taken up: letters would only time out. */
    if (!deadletter->active || deadletter->reading || deadletter->marking ||
        deadletter->under_way || !bus_is_up(deadletter->bus) || !db_is_ready(deadletter->db))
        return;
    args_int4(&args, LETTERS_MOST);
    args_int4(&args, LETTER_BYTES_MOST);
    deadletter->reading = true;
    db_call(deadletter->db, QUERY_REJECTED_READ, &args, on_read, deadletter);
}

static void on_trim(void *data, const PGresult *rows, const struct fault *fault)
{
    struct deadletter *deadletter = data;

    deadletter->trimming = false;
    if (fault)
        tell_fault(deadletter, "trim", fault);
    for (int row = 0; rows && deadletter->active && row < PQntuples(rows); row++)
        bus_delete_before(deadletter->bus, deadletter->commands, (int32_t)rows_int(rows, row, 0),
                          rows_int(rows, row, 1));
}

static void trim(struct deadletter *deadletter)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;
    const char *cluster = bus_cluster(deadletter->bus);

    if (!cluster || deadletter->trimming || !db_is_ready(deadletter->db))
        return;
    add_master(deadletter, &args);
    args_text(&args, deadletter->commands);
    args_text(&args, cluster);
    args_int8(&args, deadletter->config->kafka_keep_ms);
    deadletter->trimming = true;
    db_call(deadletter->db, QUERY_INGEST_MARK, &args, on_trim, deadletter);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
    struct deadletter *deadletter = data;

    (void)usec;
    if (!deadletter->active)
        return 0;
    look(deadletter);
    if (deadletter->looks++ % TRIM_EVERY == 0)
        trim(deadletter);
    sd_event_source_set_time_relative(source, LOOK_US);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

struct deadletter *deadletter_new(sd_event *loop, struct db *db, struct bus *bus,
                                  const struct config *config)
{
    struct deadletter *deadletter =
        mem_new(struct deadletter, .db = db, .bus = bus, .config = config);

    snprintf(deadletter->topic, sizeof deadletter->topic, "%sdead-letters",
             config->kafka_topic_prefix);
    snprintf(deadletter->commands, sizeof deadletter->commands, "%scommands",
             config->kafka_topic_prefix);
    sd_event_add_time(loop, &deadletter->timer, CLOCK_BOOTTIME, 0, 0, on_timer, deadletter);
    sd_event_source_set_enabled(deadletter->timer, SD_EVENT_OFF);
    return deadletter;
}

void deadletter_free(struct deadletter *deadletter)
{
    if (!deadletter)
        return;
    forget_letters(deadletter);
    sd_event_source_disable_unref(deadletter->timer);
    free(deadletter);
}

void deadletter_start(struct deadletter *deadletter, const struct uuid *owner, int64_t epoch)
{
    deadletter->active = true;
    deadletter->owner = *owner;
    deadletter->epoch = epoch;
    deadletter->looks = 0;
    sd_event_source_set_time_relative(deadletter->timer, LOOK_US / 4);
    sd_event_source_set_enabled(deadletter->timer, SD_EVENT_ONESHOT);
}

void deadletter_stop(struct deadletter *deadletter)
{
    deadletter->active = false;
    sd_event_source_set_enabled(deadletter->timer, SD_EVENT_OFF);
}
