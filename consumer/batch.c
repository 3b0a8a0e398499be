#include "consumer/batch.h"

#include "common/cleanup.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/rows.h"

#define LANES_MOST 64

static const enum item_kind kinds[COMMAND_KIND_COUNT] = {
    [COMMAND_TASK] = ITEM_TASK,     [COMMAND_CANCEL] = ITEM_CANCEL,
    [COMMAND_RETRY] = ITEM_REDRIVE, [COMMAND_RUN_NOW] = ITEM_REDRIVE,
    [COMMAND_QUEUE] = ITEM_QUEUE,   [COMMAND_PUT] = ITEM_EDIT,
    [COMMAND_PAUSE] = ITEM_EDIT,    [COMMAND_RESUME] = ITEM_EDIT,
    [COMMAND_DELETE] = ITEM_EDIT,
};

struct item *item_new(struct place *place, rd_kafka_message_t *message)
{
    struct item *item =
        mem_new(struct item, .place = place, .term = place->term, .message = message);
    struct command_refusal refusal = {0};

    if (command_read(&item->command, message, place->legacy, &refusal)) {
        item->read = true;
        item->kind = kinds[item->command.kind];
        return item;
    }
    item->kind = ITEM_REJECTED;
    item->refusal = mem_new(struct command_refusal, );
    *item->refusal = refusal;
    return item;
}

void item_free(struct item *item)
{
    if (item->read)
        command_done(&item->command);
    free(item->refusal);
    rd_kafka_message_destroy(item->message);
    free(item);
}

bool item_stands_alone(const struct item *item)
{
    return item->kind == ITEM_CANCEL || item->kind == ITEM_REDRIVE || item->kind == ITEM_QUEUE ||
           item->kind == ITEM_EDIT;
}

size_t item_size(const struct item *item)
{
    return item->message->len + item->message->key_len + sizeof *item;
}

bool item_is_stale(const struct item *item)
{
    return item->term != item->place->term;
}

void item_refuse(struct item *item, const char *code, const char *detail)
{
    if (!item->refusal)
        item->refusal = mem_new(struct command_refusal, .id = item->command.id);
    item->kind = ITEM_REJECTED;
    item->refused = !code;
    snprintf(item->refusal->code, sizeof item->refusal->code, "%s",
             code ? code : "database-refused");
    snprintf(item->refusal->detail, sizeof item->refusal->detail, "%s", detail);
    /* It may have been cut within a letter, and this one must be taken. */
    for (char *at = item->refusal->detail; *at; at++)
        if (*at & 0x80)
            *at = '?';
}

void batch_init(struct batch *batch, size_t most)
{
    *batch = (struct batch){.args = ARGS_INIT, .table_size = 64};
    while (batch->table_size < 2 * most)
        batch->table_size *= 2;
    batch->table = mem_array(struct item *, batch->table_size);
}

void batch_done(struct batch *batch)
{
    free(batch->table);
    args_free(&batch->args);
}

void batch_begin(struct batch *batch, struct item *first)
{
    for (int i = 0; i < batch->place_count; i++)
        batch->places[i]->slot = 0;
    if (batch->tasks)
        memset(batch->table, 0, batch->table_size * sizeof *batch->table);
    batch->first = first;
    batch->count = batch->bytes = batch->tasks = 0;
    batch->place_count = 0;
}

/* The entry of the id, or the free one where it belongs. Ids end in random or hashed bits. */
static struct item **entry(struct batch *batch, const struct uuid *id)
{
    uint64_t hash;

    memcpy(&hash, id->bytes + 8, sizeof hash);
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    for (size_t at = hash >> 32;; at++) {
        struct item **found = &batch->table[at & (batch->table_size - 1)];

        if (!*found || uuid_equal(&(*found)->command.id, id))
            return found;
    }
}

bool batch_add(struct batch *batch, struct item *item)
{
    struct place *place = item->place;

    if (!place->slot && batch->place_count == BATCH_PLACES_MOST)
        return false;
    if (item->kind == ITEM_TASK) {
        struct item **found = entry(batch, &item->command.id);

        /* The second one must see the first: a key may have been used for another request. */
        if (*found)
            return false;
        *found = item;
        batch->tasks++;
    }
    if (!place->slot) {
        batch->places[batch->place_count++] = place;
        place->slot = batch->place_count;
        place->moved = false;
    }
    place->after = item->message->offset + 1;
    item->stored = item->reused = false;
    batch->count++;
    batch->bytes += item_size(item);
    return true;
}

/* The columns of store.sql: one row a parameter, in its order. */
static void add_slot(struct args *args, const struct item *item)
{
    args_int4(args, item->place->slot);
}

static void add_position(struct args *args, const struct item *item)
{
    args_int8(args, item->message->offset);
}

static void add_id(struct args *args, const struct item *item)
{
    args_uuid(args, &item->command.id);
}

static void add_type(struct args *args, const struct item *item)
{
    args_text(args, task_type_name(item->command.task.type));
}

static void add_name(struct args *args, const struct item *item)
{
    args_text(args, item->command.task.name);
}

static void add_queue(struct args *args, const struct item *item)
{
    args_text(args, item->command.task.queue);
}

static void add_priority(struct args *args, const struct item *item)
{
    args_int2(args, (int16_t)item->command.task.priority);
}

static void add_run_at(struct args *args, const struct item *item)
{
    args_time(args, item->command.task.run_at_us);
}

static void add_created_at(struct args *args, const struct item *item)
{
    args_time(args, item->command.task.created_at_us);
}

static void add_on_lost(struct args *args, const struct item *item)
{
    args_text(args, item->command.task.on_lost);
}

static void add_timeout(struct args *args, const struct item *item)
{
    args_some(args, item->command.task.timeout_ms);
}

static void add_start_deadline(struct args *args, const struct item *item)
{
    args_some(args, item->command.task.start_deadline_ms);
}

static void add_json(struct args *args, struct json_object *value)
{
    size_t size = 0;
    const char *text = value ? json_text(value, &size) : NULL;

    args_bytes(args, text, size);
}

static void add_retry(struct args *args, const struct item *item)
{
    add_json(args, item->command.task.retry);
}

static void add_payload(struct args *args, const struct item *item)
{
    add_json(args, item->command.task.payload);
}

static void add_work(struct args *args, const struct item *item)
{
    add_json(args, item->command.task.work);
}

static void add_tags(struct args *args, const struct item *item)
{
    add_json(args, item->command.task.tags);
}

static void add_fingerprint(struct args *args, const struct item *item)
{
    const struct task *task = &item->command.task;

    args_bytes(args, task->has_fingerprint ? task->fingerprint : NULL,
               task->has_fingerprint ? sizeof task->fingerprint : 0);
}

static void add_refused_id(struct args *args, const struct item *item)
{
    if (uuid_is_nil(&item->refusal->id))
        args_null(args);
    else
        args_uuid(args, &item->refusal->id);
}

static void add_code(struct args *args, const struct item *item)
{
    args_text(args, item->refusal->code);
}

static void add_detail(struct args *args, const struct item *item)
{
    args_text(args, item->refusal->detail);
}

static void add_key(struct args *args, const struct item *item)
{
    args_bytes(args, item->message->key, item->message->key_len);
}

static void add_bytes(struct args *args, const struct item *item)
{
    args_bytes(args, item->message->payload, item->message->len);
}

static const struct column {
    enum item_kind kind;
    enum args_type type;
    void (*add)(struct args *args, const struct item *item);
} columns[] = {
    {ITEM_TASK, ARGS_INT4, add_slot},         {ITEM_TASK, ARGS_INT8, add_position},
    {ITEM_TASK, ARGS_UUID, add_id},           {ITEM_TASK, ARGS_TEXT, add_type},
    {ITEM_TASK, ARGS_TEXT, add_name},         {ITEM_TASK, ARGS_TEXT, add_queue},
    {ITEM_TASK, ARGS_INT2, add_priority},     {ITEM_TASK, ARGS_TIME, add_run_at},
    {ITEM_TASK, ARGS_TIME, add_created_at},   {ITEM_TASK, ARGS_TEXT, add_on_lost},
    {ITEM_TASK, ARGS_INT8, add_timeout},      {ITEM_TASK, ARGS_INT8, add_start_deadline},
    {ITEM_TASK, ARGS_TEXT, add_retry},        {ITEM_TASK, ARGS_TEXT, add_payload},
    {ITEM_TASK, ARGS_TEXT, add_work},         {ITEM_TASK, ARGS_TEXT, add_tags},
    {ITEM_TASK, ARGS_BYTEA, add_fingerprint}, {ITEM_REJECTED, ARGS_INT4, add_slot},
    {ITEM_REJECTED, ARGS_INT8, add_position}, {ITEM_REJECTED, ARGS_UUID, add_refused_id},
    {ITEM_REJECTED, ARGS_TEXT, add_code},     {ITEM_REJECTED, ARGS_TEXT, add_detail},
    {ITEM_REJECTED, ARGS_BYTEA, add_key},     {ITEM_REJECTED, ARGS_BYTEA, add_bytes},
};

static int by_name(const void *one, const void *other)
{
    const struct place *a = *(struct place *const *)one, *b = *(struct place *const *)other;
    int order = strcmp(a->topic, b->topic);

    return order ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

/* Always in the same order, so that two consumers that both move them never wait in a circle. */
static void add_places(struct batch *batch)
{
    struct args *args = &batch->args;
    int count = batch->place_count;

    qsort(batch->places, (size_t)count, sizeof *batch->places, by_name);
    args_array(args, ARGS_INT4);
    for (int i = 0; i < count; i++) {
        batch->places[i]->slot = i + 1;
        args_int4(args, i + 1);
    }
    args_array_end(args);
    args_array(args, ARGS_TEXT);
    for (int i = 0; i < count; i++)
        args_text(args, batch->places[i]->topic);
    args_array_end(args);
    args_array(args, ARGS_INT4);
    for (int i = 0; i < count; i++)
        args_int4(args, batch->places[i]->partition);
    args_array_end(args);
    args_array(args, ARGS_INT8);
    for (int i = 0; i < count; i++)
        args_int8(args, batch->places[i]->stored);
    args_array_end(args);
    args_array(args, ARGS_INT8);
    for (int i = 0; i < count; i++)
        args_int8(args, batch->places[i]->after);
    args_array_end(args);
}

const struct args *batch_args(struct batch *batch, const char *cluster)
{
    struct args *args = &batch->args;

    args_reset(args);
    add_places(batch);
    args_text(args, cluster);
    for (size_t i = 0; i < COUNT(columns); i++) {
        const struct item *item = batch->first;

        args_array(args, columns[i].type);
        for (size_t left = batch->count; left; left--, item = item->next)
            if (item->kind == columns[i].kind)
                columns[i].add(args, item);
        args_array_end(args);
    }
    return args;
}

struct lane {
    const char *queue;
    int priority;
    int64_t run_at_us;
};

static bool note_lane(struct lane *lanes, int *count, const struct task *task)
{
    for (int i = 0; i < *count; i++)
        if (lanes[i].priority == task->priority && !strcmp(lanes[i].queue, task->queue)) {
            if (task->run_at_us < lanes[i].run_at_us)
                lanes[i].run_at_us = task->run_at_us;
            return true;
        }
    if (*count == LANES_MOST)
        return false;
    lanes[(*count)++] = (struct lane){task->queue, task->priority, task->run_at_us};
    return true;
}

const char *batch_notice(struct batch *batch)
{
    struct lane lanes[LANES_MOST];
    const struct item *item = batch->first;
    int count = 0, size = 0;

    for (size_t left = batch->count; left; left--, item = item->next)
        if (item->kind == ITEM_TASK && !note_lane(lanes, &count, &item->command.task))
            return "*";
    for (int i = 0; i < count; i++) {
        size += snprintf(batch->notice + size, sizeof batch->notice - (size_t)size, "%s %d %lld\n",
                         lanes[i].queue, lanes[i].priority, (long long)lanes[i].run_at_us);
        if (size > NOTICE_MOST)
            return "*";
    }
    return count ? batch->notice : NULL;
}

void batch_read(struct batch *batch, const PGresult *rows)
{
    struct rows_array moved = rows_array(rows, 0, 0), stored = rows_array(rows, 0, 1),
                      reused = rows_array(rows, 0, 2);

    while (moved.count-- > 0)
        batch->places[rows_next_int(&moved) - 1]->moved = true;
    while (stored.count-- > 0) {
        struct uuid id = rows_next_uuid(&stored);

        (*entry(batch, &id))->stored = true;
    }
    while (reused.count-- > 0) {
        struct uuid id = rows_next_uuid(&reused);

        (*entry(batch, &id))->reused = true;
    }
}
