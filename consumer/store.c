#include "consumer/store.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/db.h"
#include "common/feed.h"
#include "common/instant.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/point.h"
#include "common/rows.h"
#include "consumer/batch.h"
#include "consumer/bounds.h"
#include "consumer/cancel.h"
#include "consumer/change.h"
#include "consumer/redrive.h"

#define BATCH_BYTES_MOST (4 << 20)
#define WAITING_BATCHES 4 /* gathered before the feed is paused */
#define WAITING_BYTES_MOST (16 << 20)
#define FIRST_WAIT_MS 100
#define LONGEST_WAIT_MS 5000
#define ASK_AGAIN_US UINT64_C(200000)
#define TELL_GAPS_US UINT64_C(60000000)
#define TELL_EVERY_MS 10000
#define HOLE_AGAIN_US INT64_C(5000000)

struct entry {
    struct place place;
    struct entry *after;
};

struct store {
    sd_event *loop;
    const struct config *config;
    struct db *db;
    struct feed *feed;
    sd_event_source *again, *ask, *gaps;
    struct entry *entries;
    struct place *last; /* of the last record: records come in runs */

    struct item *first, **end; /* in the order they came; the batch under way is their beginning */
    size_t waiting, waiting_bytes;
    struct batch batch;
    size_t limit; /* of items in a batch: less while one that is refused is looked for */
    bool busy;    /* a batch, or what stands alone, is under way */
    bool failing; /* the last answer was a fault: wait, then the same again */
    int64_t wait_ms;
    int64_t sent_us; /* boot clock */
    bool asking;     /* for offsets */
    bool paused, draining, closing;
    int64_t told_fault_ms, told_fenced_ms, told_hole_ms;
    void (*drained)(void *data);
    void *drained_data;
};

static void send_next(struct store *store);

/* Places. */

static struct place *find_place(struct store *store, const char *topic, int32_t partition)
{
    if (store->last && store->last->partition == partition && !strcmp(store->last->topic, topic))
        return store->last;
    for (struct entry *entry = store->entries; entry; entry = entry->after)
        if (entry->place.partition == partition && !strcmp(entry->place.topic, topic))
            return store->last = &entry->place;
    return NULL;
}

static struct place *find_or_add_place(struct store *store, const char *topic, int32_t partition)
{
    struct place *place = find_place(store, topic, partition);

    if (place)
        return place;
    store->entries = mem_new(struct entry,
                             .place = {.topic = mem_text(topic),
                                       .partition = partition,
                                       .legacy = !strcmp(topic, store->config->kafka_legacy_topic)},
                             .after = store->entries);
    return &store->entries->place;
}

/* What has been gathered for it so far is stale from now on. */
static void set_state(struct place *place, enum place_state state)
{
    metrics_add(METRIC_INGEST_GAPS, (state == PLACE_GAP) - (place->state == PLACE_GAP));
    place->state = state;
    place->term++;
    place->hole = place->doubted = false;
}

static void ask_soon(struct store *store, uint64_t wait_us)
{
    sd_event_source_set_time_relative(store->ask, wait_us);
    sd_event_source_set_enabled(store->ask, SD_EVENT_ONESHOT);
}

static void ask_place(struct store *store, struct place *place)
{
    set_state(place, PLACE_ASKED);
    ask_soon(store, 0);
}

static void begin_first(struct store *store, struct place *place)
{
    set_state(place, PLACE_FIRST);
    feed_begin(store->feed, place->topic, place->partition, FEED_FIRST);
}

static void begin_at(struct store *store, struct place *place, int64_t next)
{
    set_state(place, PLACE_OPEN);
    place->stored = place->next = next;
    log_info("ingest.begun", "topic=%s partition=%d offset=%lld", place->topic, place->partition,
             (long long)next);
    feed_begin(store->feed, place->topic, place->partition, next);
}

/* Gaps. */

/* ROTA_KAFKA_ACCEPT_GAP: topic/partition, separated by commas, or all. */
static bool is_accepted(const struct store *store, const struct place *place)
{
    const char *list = store->config->kafka_accept_gap ? store->config->kafka_accept_gap : "";
    char name[320];
    size_t size = (size_t)snprintf(name, sizeof name, "%s/%d", place->topic, place->partition);

    if (!strcmp(list, "all"))
        return true;
    for (const char *at = list; *at;) {
        size_t length = strcspn(at, ", ");

        if (length == size && !strncmp(at, name, size))
            return true;
        at += length;
        at += strspn(at, ", ");
    }
    return false;
}

static void tell_gap(const struct place *place)
{
    log_error("ingest.gap", "topic=%s partition=%d stored=%lld cause=%s help=%s", place->topic,
              place->partition, (long long)place->stored, LOG_VALUE(place->why),
              LOG_VALUE("the partition stands still; to go on without what is missing, start once "
                        "with ROTA_KAFKA_ACCEPT_GAP=topic/partition or all"));
}

static void gap(struct store *store, struct place *place, const char *old_cluster, int64_t old_next,
                const char *why)
{
    snprintf(place->why, sizeof place->why, "%s", why);
    place->stored = old_next;
    if (is_accepted(store, place)) {
        log_warn("ingest.gap_accepted", "topic=%s partition=%d stored=%lld cause=%s", place->topic,
                 place->partition, (long long)old_next, LOG_VALUE(why));
        free(place->old_cluster);
        place->old_cluster = mem_text(old_cluster);
        place->old_next = old_next;
        begin_first(store, place);
        return;
    }
    set_state(place, PLACE_GAP);
    tell_gap(place);
}

static int tell_gaps(sd_event_source *source, uint64_t usec, void *data)
{
    struct store *store = data;

    (void)usec;
    for (struct entry *entry = store->entries; entry; entry = entry->after)
        if (entry->place.state == PLACE_GAP)
            tell_gap(&entry->place);
    sd_event_source_set_time_relative(source, TELL_GAPS_US);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

/* Where partitions stand. */

static bool is_questioned(const struct place *place)
{
    return place->state == PLACE_ASKED || place->doubted;
}

static void read_offset(struct store *store, const PGresult *rows, int row)
{
    struct place *place =
        find_place(store, rows_text(rows, row, 0), (int32_t)rows_int(rows, row, 1));
    const char *stored_in = rows_text(rows, row, 2), *cluster = feed_cluster(store->feed);
    int64_t next = rows_int(rows, row, 3);
    char why[200];

    if (!place || !is_questioned(place) || !place->queried)
        return;
    if (!strcmp(stored_in, cluster)) {
        if (place->doubted && place->stored == next)
            place->doubted = false;
        else
            begin_at(store, place, next);
        return;
    }
    snprintf(why, sizeof why, "the offset stored belongs to Kafka %.60s, this is Kafka %.60s",
             stored_in, cluster);
    gap(store, place, stored_in, next, why);
}

static void on_offsets(void *data, const PGresult *rows, const struct fault *fault)
{
    struct store *store = data;

    store->asking = false;
    if (store->closing)
        return;
    for (int row = 0; rows && row < PQntuples(rows); row++)
        read_offset(store, rows, row);
    for (struct entry *entry = store->entries; entry; entry = entry->after) {
        struct place *place = &entry->place;

        if (!is_questioned(place))
            continue;
        if (rows && place->queried) {
            free(place->old_cluster);
            place->old_cluster = NULL;
            begin_first(store, place);
        } else {
            ask_soon(store, fault ? ASK_AGAIN_US : 0);
        }
    }
}

static void ask_offsets(struct store *store)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;
    int count = 0;

    args_array(&args, ARGS_TEXT);
    for (struct entry *entry = store->entries; entry; entry = entry->after) {
        entry->place.queried = is_questioned(&entry->place);
        if (entry->place.queried)
            args_text(&args, entry->place.topic);
        count += entry->place.queried;
    }
    args_array_end(&args);
    args_array(&args, ARGS_INT4);
    for (struct entry *entry = store->entries; entry; entry = entry->after)
        if (entry->place.queried)
            args_int4(&args, entry->place.partition);
    args_array_end(&args);
    if (!count)
        return;
    store->asking = true;
    db_call(store->db, QUERY_OFFSETS_READ, &args, on_offsets, store);
}

static int ask_now(sd_event_source *source, uint64_t usec, void *data)
{
    struct store *store = data;

    (void)source, (void)usec;
    if (store->asking || store->draining)
        return 0;
    if (!db_is_ready(store->db) || !feed_cluster(store->feed))
        ask_soon(store, ASK_AGAIN_US);
    else
        ask_offsets(store);
    return 0;
}

static void on_claimed(void *data, const PGresult *rows, const struct fault *fault)
{
    (void)data, (void)rows, (void)fault;
    POINT(CLAIM_COMMITTED);
    /* Whether there is a row now, and whose, is what the store itself finds out. */
}

/* The first record of all: the database's row begins with it. Goes before the batch it is in. */
static void claim(struct store *store, struct place *place, int64_t offset)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    args_text(&args, place->topic);
    args_int4(&args, place->partition);
    args_text(&args, feed_cluster(store->feed));
    args_int8(&args, offset);
    args_text(&args, place->old_cluster);
    if (place->old_cluster)
        args_int8(&args, place->old_next);
    else
        args_null(&args);
    POINT(CLAIM_SENDING);
    db_call(store->db, QUERY_OFFSET_CLAIM, &args, on_claimed, store);
    place->state = PLACE_OPEN;
    place->stored = place->next = offset;
}

/* The queue. */

static void take_first(struct store *store)
{
    struct item *item = store->first;

    store->first = item->next;
    if (!store->first)
        store->end = &store->first;
    store->waiting--;
    store->waiting_bytes -= item_size(item);
    item_free(item);
}

/* Whatever is gathered beyond a bound, or while the database refuses, stays in Kafka. */
static void steer_feed(struct store *store)
{
    size_t most = (size_t)store->config->batch * WAITING_BATCHES;
    bool full = store->waiting >= most || store->waiting_bytes >= WAITING_BYTES_MOST;
    bool room = store->waiting <= most / 2 && store->waiting_bytes <= WAITING_BYTES_MOST / 2;

    if (!store->paused && (full || store->failing || store->draining)) {
        store->paused = true;
        feed_pause(store->feed);
    } else if (store->paused && room && !store->failing && !store->draining) {
        store->paused = false;
        feed_resume(store->feed);
    }
}

static void drained(struct store *store)
{
    void (*tell)(void *data) = store->drained;

    store->drained = NULL;
    if (tell)
        tell(store->drained_data);
}

static void log_task(const struct item *item, const char *event)
{
    const struct task *task = &item->command.task;
    char id[UUID_TEXT], run_at[INSTANT_TEXT];

    log_info(event, "task=%s type=%s queue=%s run_at=%s%s%s topic=%s partition=%d offset=%lld",
             uuid_write(id, &task->id), task_type_name(task->type), task->queue,
             instant_write(run_at, task->run_at_us), task->name ? " name=" : "",
             task->name ? LOG_VALUE(task->name) : "", item->place->topic, item->place->partition,
             (long long)item->message->offset);
}

static void log_rejected(const struct item *item, const struct uuid *id, const char *code,
                         const char *detail)
{
    char text[UUID_TEXT];

    log_warn("task.rejected", "task=%s code=%s detail=%s topic=%s partition=%d offset=%lld",
             uuid_is_nil(id) ? "none" : uuid_write(text, id), code, LOG_VALUE(detail),
             item->place->topic, item->place->partition, (long long)item->message->offset);
}

static void tell_item(const struct item *item)
{
    bool info = log_wants(LOG_INFO);

    if (item->kind == ITEM_REJECTED) {
        metrics_count(METRIC_INGEST_REJECTED);
        log_rejected(item, &item->refusal->id, item->refusal->code, item->refusal->detail);
    } else if (item->kind == ITEM_TASK && item->stored) {
        metrics_count(METRIC_INGEST_STORED);
        if (info)
            log_task(item, "task.stored");
    } else if (item->kind == ITEM_TASK && item->reused) {
        metrics_count(METRIC_INGEST_REJECTED);
        log_rejected(item, &item->command.id, "idempotency-key-reused",
                     "the idempotency key was used before for a different request");
    } else if (item->kind == ITEM_TASK) {
        metrics_count(METRIC_INGEST_DUPLICATE);
        if (info)
            log_task(item, "task.duplicate");
    }
}

/* Nothing of this partition was stored: somebody else moved it, or the database lost commits. */
static void fenced(struct store *store, struct place *place)
{
    metrics_count(METRIC_INGEST_FENCED);
    if (log_now_and_then(&store->told_fenced_ms, TELL_EVERY_MS))
        log_warn("ingest.fenced", "topic=%s partition=%d expected=%lld", place->topic,
                 place->partition, (long long)place->stored);
    if (place->state == PLACE_OPEN)
        ask_place(store, place);
}

static void settle_places(struct store *store)
{
    for (int i = 0; i < store->batch.place_count; i++) {
        struct place *place = store->batch.places[i];

        if (!place->moved) {
            fenced(store, place);
        } else {
            place->stored = place->after;
            feed_tell(store->feed, place->topic, place->partition, place->after);
        }
    }
}

static void settle(struct store *store, const PGresult *rows)
{
    size_t most = (size_t)store->config->batch;

    batch_read(&store->batch, rows);
    for (size_t left = store->batch.count; left; left--) {
        if (store->first->place->moved)
            tell_item(store->first);
        take_first(store);
    }
    settle_places(store);
    store->limit = store->limit * 2 < most ? store->limit * 2 : most;
}

static int again(sd_event_source *source, uint64_t usec, void *data)
{
    struct store *store = data;

    (void)source, (void)usec;
    send_next(store);
    return 0;
}

/* The same again, later: all that was gathered stays. */
static void back_off(struct store *store, const struct fault *fault)
{
    store->failing = true;
    if (fault->kind == FAULT_BUSY && store->limit > 1)
        store->limit /= 2; /* it may have been too much for the time it is given */
    store->wait_ms = store->wait_ms ? store->wait_ms * 2 : FIRST_WAIT_MS;
    if (store->wait_ms > LONGEST_WAIT_MS)
        store->wait_ms = LONGEST_WAIT_MS;
    if (log_now_and_then(&store->told_fault_ms, TELL_EVERY_MS))
        log_line(fault_is_retryable(fault) ? LOG_WARN : LOG_ERROR, "ingest.waits",
                 "kind=%s waiting=%zu cause=%s", fault_kind_name(fault->kind), store->waiting,
                 LOG_VALUE(fault->text));
    sd_event_source_set_time_relative(store->again, (uint64_t)store->wait_ms * 1000);
    sd_event_source_set_enabled(store->again, SD_EVENT_ONESHOT);
    steer_feed(store);
}

static void recovered(struct store *store)
{
    store->failing = false;
    store->wait_ms = 0;
    store->told_fault_ms = 0;
}

/* After an answer, whatever it was. */
static void go_on(struct store *store)
{
    if (store->draining)
        drained(store);
    else if (!store->failing)
        send_next(store);
}

/*
 * The database will never take this batch: the half with the bad one is found by halving. Where a
 * key was there already, who was first is seen the second time.
 */
static void refused(struct store *store, const struct fault *fault)
{
    struct item *item = store->first;

    if (store->batch.count > 1)
        store->limit = store->batch.count / 2;
    else if (fault->kind == FAULT_LOST && !item->lost)
        item->lost = true;
    else if (!item->refused)
        item_refuse(item, NULL, fault->text);
    else
        back_off(store, fault);
}

static bool is_refusal(const struct fault *fault)
{
    return fault->kind == FAULT_REJECTED || fault->kind == FAULT_LOST;
}

static void on_stored(void *data, const PGresult *rows, const struct fault *fault)
{
    struct store *store = data;

    store->busy = false;
    if (store->closing)
        return;
    metrics_observe(METRIC_INGEST_BATCH, (double)(clock_boot_us() - store->sent_us) / 1e6);
    if (!fault) {
        POINT(STORE_COMMITTED);
        recovered(store);
        settle(store, rows);
    } else if (is_refusal(fault)) {
        recovered(store);
        refused(store, fault);
    } else {
        back_off(store, fault);
    }
    go_on(store);
    steer_feed(store);
}

/* In a transaction of its own: it waits for no disk while it holds the lock that all notices share.
 */
static void notify(struct store *store, const char *channel, const char *text)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    args_array(&args, ARGS_TEXT);
    args_text(&args, channel);
    args_array_end(&args);
    args_text(&args, text);
    db_call(store->db, QUERY_NOTIFY, &args, NULL, NULL);
}

static void send_batch(struct store *store)
{
    const struct args *args = batch_args(&store->batch, feed_cluster(store->feed));
    const char *notice = batch_notice(&store->batch);

    store->busy = true;
    store->sent_us = clock_boot_us();
    POINT(STORE_SENDING);
    db_call(store->db, QUERY_STORE, args, on_stored, store);
    if (notice && store->busy)
        notify(store, "rota_due", notice); /* right behind */
}

static void tell_cancel(const struct item *item, enum cancel_outcome outcome, const char *state)
{
    static const char *const events[] = {
        [CANCEL_DONE] = "task.cancelled",
        [CANCEL_REQUESTED] = "task.cancel_requested",
        [CANCEL_REFUSED] = "task.cancel_refused",
    };
    char id[UUID_TEXT];

    log_info(events[outcome], "task=%s%s%s reason=%s partition=%d offset=%lld",
             uuid_write(id, &item->command.id), state ? " state=" : "", state ? state : "",
             LOG_VALUE(item->command.reason), item->place->partition,
             (long long)item->message->offset);
}

/* The one that is being applied: what comes before it has had its effect. */
static struct item *applied(struct store *store)
{
    struct item *item = store->first;

    while (!item_stands_alone(item))
        item = item->next;
    return item;
}

static void after_applying(struct store *store, const struct fault *fault)
{
    if (!fault) {
        recovered(store);
    } else if (is_refusal(fault)) {
        recovered(store);
        item_refuse(applied(store), NULL, fault->text);
    } else {
        back_off(store, fault);
    }
    go_on(store);
}

static void on_cancelled(void *data, enum cancel_outcome outcome, const char *state,
                         const struct fault *fault)
{
    struct store *store = data;

    store->busy = false;
    if (store->closing)
        return;
    if (!fault) {
        struct item *item = applied(store);

        tell_cancel(item, outcome, state);
        item->kind = ITEM_PASSED;
    }
    after_applying(store, fault);
}

static void tell_change(const struct item *item, enum change_outcome outcome)
{
    static const char *const events[EDIT_COUNT] = {[EDIT_PUT] = "schedule.put",
                                                   [EDIT_PAUSE] = "schedule.paused",
                                                   [EDIT_RESUME] = "schedule.resumed",
                                                   [EDIT_DELETE] = "schedule.deleted"};
    const struct edit *edit = item->command.edit;

    log_info(events[edit->action], "schedule=%s%s%s%s partition=%d offset=%lld", edit->name,
             outcome == CHANGE_SAME ? " unchanged=yes" : "", *edit->reason ? " reason=" : "",
             *edit->reason ? LOG_VALUE(edit->reason) : "", item->place->partition,
             (long long)item->message->offset);
}

static void on_changed(void *data, enum change_outcome outcome, const char *code,
                       const char *detail, const struct fault *fault)
{
    struct store *store = data;

    store->busy = false;
    if (store->closing)
        return;
    if (!fault) {
        struct item *item = applied(store);

        if (outcome == CHANGE_REFUSED) {
            item_refuse(item, code, detail);
        } else {
            tell_change(item, outcome);
            item->kind = ITEM_PASSED;
        }
        if (outcome == CHANGE_DONE)
            notify(store, "rota_plan", "");
    }
    after_applying(store, fault);
}

static void on_redriven(void *data, bool done, const char *lane, const char *state,
                        const struct fault *fault)
{
    static const char *const events[COMMAND_KIND_COUNT][2] = {
        [COMMAND_RETRY] = {"task.retry_refused", "task.retried"},
        [COMMAND_RUN_NOW] = {"task.run_now_refused", "task.run_now"},
    };
    struct store *store = data;

    store->busy = false;
    if (store->closing)
        return;
    if (!fault) {
        struct item *item = applied(store);
        char id[UUID_TEXT];

        log_info(events[item->command.kind][done],
                 "task=%s state=%s reason=%s partition=%d offset=%lld",
                 uuid_write(id, &item->command.id), state, LOG_VALUE(item->command.reason),
                 item->place->partition, (long long)item->message->offset);
        item->kind = ITEM_PASSED;
        if (lane)
            notify(store, "rota_due", lane);
    }
    after_applying(store, fault);
}

static void on_bounded(void *data, enum change_outcome outcome, const char *code,
                       const char *detail, const struct fault *fault)
{
    struct store *store = data;

    store->busy = false;
    if (store->closing)
        return;
    if (!fault) {
        struct item *item = applied(store);

        if (outcome == CHANGE_REFUSED) {
            item_refuse(item, code, detail);
        } else {
            log_info("queue.changed", "queue=%s%s%s%s partition=%d offset=%lld",
                     item->command.queue->name, outcome == CHANGE_SAME ? " unchanged=yes" : "",
                     *item->command.queue->reason ? " reason=" : "",
                     *item->command.queue->reason ? LOG_VALUE(item->command.queue->reason) : "",
                     item->place->partition, (long long)item->message->offset);
            notify(store, "rota_queue", item->command.queue->name);
            item->kind = ITEM_PASSED;
        }
    }
    after_applying(store, fault);
}

static void apply(struct store *store, struct item *item)
{
    const struct command *command = &item->command;
    const struct change_place place = {.cluster = feed_cluster(store->feed),
                                       .topic = item->place->topic,
                                       .partition = item->place->partition,
                                       .offset = item->message->offset};

    store->busy = true;
    if (item->kind == ITEM_CANCEL)
        cancel_apply(store->db, &command->id, &command->command, command->reason, on_cancelled,
                     store);
    else if (item->kind == ITEM_REDRIVE)
        redrive_apply(store->db, command, on_redriven, store);
    else if (item->kind == ITEM_QUEUE)
        bounds_apply(store->db, command->queue, &place, on_bounded, store);
    else
        change_apply(store->db, command->edit, &place, on_changed, store);
}

static void drop_stale(struct store *store)
{
    struct item **at = &store->first;

    while (*at) {
        struct item *item = *at;

        if (!item_is_stale(item)) {
            at = &item->next;
            continue;
        }
        *at = item->next;
        store->waiting--;
        store->waiting_bytes -= item_size(item);
        item_free(item);
    }
    store->end = at;
}

/*
 * The longest beginning of the queue that one statement can store. What stands alone ends it,
 * since what came before must be there when it is applied. Returns it where nothing comes before.
 */
static struct item *cut(struct store *store)
{
    struct batch *batch = &store->batch;
    bool effects = false;

    batch_begin(batch, store->first);
    for (struct item *item = store->first; item; item = item->next) {
        if (batch->count >= store->limit ||
            (batch->count && batch->bytes + item_size(item) > BATCH_BYTES_MOST))
            break;
        if (item_stands_alone(item))
            return effects ? NULL : item;
        if (!batch_add(batch, item))
            break;
        effects |= item->kind != ITEM_PASSED;
    }
    return NULL;
}

static void send_next(struct store *store)
{
    if (store->busy || store->closing || store->draining || !db_is_ready(store->db))
        return;
    drop_stale(store);
    struct item *alone = cut(store);
    if (alone) {
        apply(store, alone);
    } else if (store->batch.count) {
        send_batch(store);
    } else {
        recovered(store); /* what was refused is not ours any more */
    }
    steer_feed(store);
}

/* The feed's words. */

static void on_assigned(void *data, const char *topic, int32_t partition)
{
    struct store *store = data;

    ask_place(store, find_or_add_place(store, topic, partition));
}

static void on_revoked(void *data, const char *topic, int32_t partition)
{
    struct store *store = data;
    struct place *place = find_place(store, topic, partition);

    if (place)
        set_state(place, PLACE_AWAY);
}

static void gather(struct store *store, struct place *place, rd_kafka_message_t *message)
{
    struct item *item = item_new(place, message);

    place->next = message->offset + 1;
    *store->end = item;
    store->end = &item->next;
    store->waiting++;
    store->waiting_bytes += item_size(item);
}

/*
 * Not the record that was waited for. One that is behind was seen before. One that is ahead may be
 * of a former place of the feed: only what comes again after the partition was begun anew at `next`
 * proves that the records between are not there.
 */
static bool is_next(struct store *store, struct place *place, int64_t offset)
{
    int64_t now = clock_boot_us();

    if (offset == place->next) {
        place->hole = false;
        return true;
    }
    if (offset < place->next)
        return false;
    if (place->hole && offset == place->hole_at) {
        if (log_now_and_then(&store->told_hole_ms, TELL_EVERY_MS))
            log_warn("ingest.offsets_missing", "topic=%s partition=%d from=%lld to=%lld",
                     place->topic, place->partition, (long long)place->next, (long long)offset - 1);
        place->hole = false;
        return true;
    }
    if (!place->hole || now - place->hole_us > HOLE_AGAIN_US) {
        place->hole = true;
        place->hole_at = offset;
        place->hole_us = now;
        feed_begin(store->feed, place->topic, place->partition, place->next);
    }
    return false;
}

static void on_received(void *data, rd_kafka_message_t *message)
{
    struct store *store = data;
    struct place *place = find_place(store, rd_kafka_topic_name(message->rkt), message->partition);

    if (place && place->state == PLACE_FIRST)
        claim(store, place, message->offset);
    if (!place || place->state != PLACE_OPEN || store->draining ||
        !is_next(store, place, message->offset)) {
        rd_kafka_message_destroy(message);
        return;
    }
    gather(store, place, message);
    if (store->waiting >= store->limit && !store->failing)
        send_next(store);
    steer_feed(store);
}

static void on_drained(void *data)
{
    struct store *store = data;

    if (!store->failing)
        send_next(store);
}

static void on_gap(void *data, const char *topic, int32_t partition, const struct fault *fault)
{
    struct store *store = data;
    struct place *place = find_place(store, topic, partition);

    if (place && place->state != PLACE_AWAY)
        gap(store, place, feed_cluster(store->feed), place->stored, fault->text);
}

/* The connection's words. */

/*
 * The server may be another one, which lacks the last commits: then what it lost is read from Kafka
 * again, also where no new record would ever find out. Answers come in the order of the questions,
 * so that a batch under way does not look like a loss.
 */
static void doubt_places(struct store *store)
{
    for (struct entry *entry = store->entries; entry; entry = entry->after)
        entry->place.doubted = entry->place.state == PLACE_OPEN;
    ask_soon(store, 0);
}

static void on_ready(void *data)
{
    struct store *store = data;

    if (store->closing || !store->feed)
        return;
    doubt_places(store);
    send_next(store);
}

bool store_open(struct store **ret, sd_event *loop, const struct config *config,
                struct fault *fault)
{
    struct store *store =
        mem_new(struct store, .loop = loop, .config = config, .limit = (size_t)config->batch);
    const struct feed_owner owner = {.assigned = on_assigned,
                                     .revoked = on_revoked,
                                     .received = on_received,
                                     .drained = on_drained,
                                     .gap = on_gap,
                                     .data = store};
    char commands[256];
    const char *topics[] = {commands, config->kafka_legacy_topic};

    snprintf(commands, sizeof commands, "%scommands", config->kafka_topic_prefix);
    store->end = &store->first;
    batch_init(&store->batch, store->limit);
    sd_event_add_time(loop, &store->again, CLOCK_BOOTTIME, 0, 1000, again, store);
    sd_event_source_set_enabled(store->again, SD_EVENT_OFF);
    sd_event_add_time(loop, &store->ask, CLOCK_BOOTTIME, 0, 1000, ask_now, store);
    sd_event_source_set_enabled(store->ask, SD_EVENT_OFF);
    sd_event_add_time_relative(loop, &store->gaps, CLOCK_BOOTTIME, TELL_GAPS_US, 0, tell_gaps,
                               store);
    if (!db_open(&store->db, loop,
                 &(struct db_settings){.conninfo = config->database_url,
                                       .name = "rota store",
                                       .ready = on_ready,
                                       .data = store},
                 fault) ||
        !feed_open(&store->feed, loop, config, topics, *config->kafka_legacy_topic ? 2 : 1, &owner,
                   fault)) {
        store_close(store);
        return false;
    }
    *ret = store;
    return true;
}

void store_drain(struct store *store, void (*tell)(void *data), void *data)
{
    store->draining = true;
    store->drained = tell;
    store->drained_data = data;
    steer_feed(store);
    if (!store->busy)
        drained(store);
}

void store_close(struct store *store)
{
    if (!store)
        return;
    store->closing = true;
    db_close(store->db);
    /* Records belong to the feed's buffers: it cannot close while one is held. */
    while (store->first)
        take_first(store);
    feed_close(store->feed);
    while (store->entries) {
        struct entry *entry = store->entries;

        store->entries = entry->after;
        free(entry->place.topic);
        free(entry->place.old_cluster);
        free(entry);
    }
    batch_done(&store->batch);
    sd_event_source_disable_unref(store->again);
    sd_event_source_disable_unref(store->ask);
    sd_event_source_disable_unref(store->gaps);
    free(store);
}

bool store_check(void *data, char why[static 160])
{
    const struct store *store = data;

    for (const struct entry *entry = store->entries; entry; entry = entry->after)
        if (entry->place.state == PLACE_GAP) {
            snprintf(why, 160, "%s/%d stands still: %.100s", entry->place.topic,
                     entry->place.partition, entry->place.why);
            return false;
        }
    if (db_is_ready(store->db) && feed_is_joined(store->feed) && !store->failing)
        return true;
    snprintf(why, 160, "%s",
             !db_is_ready(store->db)        ? "the database is away"
             : !feed_is_joined(store->feed) ? "not a member of the consumer group"
                                            : "the database refuses for the moment");
    return false;
}

int store_backend(const struct store *store)
{
    return db_backend(store->db);
}
