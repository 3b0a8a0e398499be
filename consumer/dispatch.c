#include "consumer/dispatch.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/point.h"
#include "common/rows.h"
#include "consumer/lanes.h"

#define SHARES_MOST 1024
/* With due tasks and nobody to take them: how soon to ask the executors again. */
#define STARVING_FIRST_US INT64_C(5000)
#define STARVING_LONGEST_US INT64_C(1000000)
#define REFUSED_WAIT_US INT64_C(100000)
#define POUR_WAIT_MS 20 /* a bucket is not looked into more often */

struct dispatch {
    sd_event *loop;
    struct db *work, *look;
    const struct config *config;
    struct dispatch_owner owner;
    struct uuid id;
    int64_t epoch;    /* 0: not started */
    uint32_t numbers; /* inbox numbers given out in this epoch */
    struct lanes lanes;
    struct takers takers;

    bool asking; /* a dispatch is under way */
    int64_t asked_epoch;
    char queue[LANE_QUEUE_SIZE];
    int priority, limit;
    int64_t base, asked_us;
    bool looking_executors, looking_lanes, known; /* known: executors were looked up */
    bool look_again; /* at the lanes, when the look under way is over */
    int64_t starving_us;
    sd_event_source *timer, *tick;
};

/* Columns of dispatch.sql. */
enum {
    HELD,
    NOW,
    TASKS,
    TOKENS,
    EXECUTORS,
    INBOXES,
    LAST_RUN_AT,
    NEXT_RUN_AT,
    SAID_EXECUTORS,
    SAID_CREDITS,
    SAID_READ_UPTO,
    ROOM,
    MORE_IN_MS
};

static void step(struct dispatch *dispatch);

static void wake_at(struct dispatch *dispatch, int64_t boot_us)
{
    sd_event_source_set_time(dispatch->timer, (uint64_t)boot_us);
    sd_event_source_set_enabled(dispatch->timer, SD_EVENT_ONESHOT);
}

/* Answers of a former term, or of none, change nothing. */
static bool is_current(const struct dispatch *dispatch)
{
    return dispatch->epoch != 0;
}

static void read_queues(struct taker *taker, const PGresult *rows, int row)
{
    struct rows_array queues = rows_array(rows, row, 7);

    taker->queue_count = queues.count < TAKER_QUEUES_MOST ? queues.count : TAKER_QUEUES_MOST;
    taker->queues = mem_array(char *, (size_t)taker->queue_count);
    for (int i = 0; i < taker->queue_count; i++) {
        const char *text = rows_next(&queues);

        taker->queues[i] = mem_or_end(strndup(text, (size_t)queues.length));
    }
}

static void on_outstanding(void *data, const PGresult *rows, const struct fault *fault)
{
    struct {
        struct dispatch *dispatch;
        struct uuid id;
        int64_t epoch;
    } *asked = data;
    struct dispatch *dispatch = asked->dispatch;
    struct taker *taker = takers_find(&dispatch->takers, &asked->id);

    if (!fault && taker && dispatch->epoch == asked->epoch) {
        taker->before = taker->read_upto < taker->before_upto ? (int)rows_int(rows, 0, 0) : 0;
        taker->counted = true;
        step(dispatch);
    }
    free(asked);
}

/* How much of a former master's handing over this executor has yet to read. */
static void count_before(struct dispatch *dispatch, struct taker *taker)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;
    struct {
        struct dispatch *dispatch;
        struct uuid id;
        int64_t epoch;
    } *asked = mem_or_end(malloc(sizeof *asked));

    asked->dispatch = dispatch;
    asked->id = taker->id;
    asked->epoch = dispatch->epoch;
    taker->before_upto = dispatch->epoch << 32;
    args_uuid(&args, &taker->id);
    args_int8(&args, taker->read_upto);
    args_int8(&args, dispatch->epoch << 32);
    db_call(dispatch->look, QUERY_OUTSTANDING, &args, on_outstanding, asked);
}

static void see_executor(struct dispatch *dispatch, const PGresult *rows, int row)
{
    struct uuid id = rows_uuid(rows, row, 0);
    bool added;

    if (rows_bool(rows, row, 5) || !rows_bool(rows, row, 6))
        return; /* dead, or has not said yet what it would take */
    struct taker *taker = takers_get(&dispatch->takers, &id, &added);

    taker->seen = true;
    taker->alive = rows_bool(rows, row, 4);
    taker->low = rows_int(rows, row, 10);
    taker_says(taker, (int)rows_int(rows, row, 8), rows_int(rows, row, 9));
    if (added) {
        snprintf(taker->name, sizeof taker->name, "%s", rows_text(rows, row, 2));
        read_queues(taker, rows, row);
    }
    if (!taker->counted || taker->before)
        count_before(dispatch, taker);
}

static void on_executors(void *data, const PGresult *rows, const struct fault *fault)
{
    struct dispatch *dispatch = data;

    dispatch->looking_executors = false;
    if (fault || !is_current(dispatch))
        return;
    dispatch->known = true;
    for (int row = 0; row < PQntuples(rows); row++) {
        see_executor(dispatch, rows, row);
        dispatch->owner.looked(dispatch->owner.data, rows, row);
    }
    for (size_t i = dispatch->takers.count; i-- > 0;) {
        if (!dispatch->takers.list[i].seen)
            takers_remove(&dispatch->takers, i);
        else
            dispatch->takers.list[i].seen = false;
    }
    dispatch->owner.looked(dispatch->owner.data, NULL, 0);
    step(dispatch);
}

static void look_at_executors(struct dispatch *dispatch)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    if (dispatch->looking_executors)
        return;
    dispatch->looking_executors = true;
    args_int8(&args, dispatch->config->alive_ms);
    db_call(dispatch->look, QUERY_EXECUTORS, &args, on_executors, dispatch);
}

static void look_at_lanes(struct dispatch *dispatch);

static void on_lanes(void *data, const PGresult *rows, const struct fault *fault)
{
    struct dispatch *dispatch = data;
    bool late = false;

    dispatch->looking_lanes = false;
    if (fault || !is_current(dispatch))
        return;
    for (int row = 0; row < PQntuples(rows); row++) {
        const char *queue = rows_text(rows, row, 0);
        int priority = (int)rows_int(rows, row, 1);

        late |= rows_bool(rows, row, 4);
        if (strlen(queue) >= LANE_QUEUE_SIZE || rows_is_null(rows, row, 2))
            continue;
        lanes_hint(&dispatch->lanes, queue, priority, rows_time(rows, row, 2));
        lanes_find(&dispatch->lanes, queue, priority)->seen = true;
    }
    lanes_sweep(&dispatch->lanes);
    if (late)
        dispatch->owner.late(dispatch->owner.data);
    if (dispatch->look_again)
        look_at_lanes(dispatch);
    step(dispatch);
}

static void look_at_lanes(struct dispatch *dispatch)
{
    dispatch->look_again = dispatch->looking_lanes;
    if (dispatch->looking_lanes)
        return;
    dispatch->looking_lanes = true;
    db_call(dispatch->look, QUERY_LANES, NULL, on_lanes, dispatch);
}

/* Tells the executors that something lies in their inboxes. */
static void wake_takers(struct dispatch *dispatch, const bool *woken)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;
    bool any = false;

    args_array(&args, ARGS_TEXT);
    for (size_t i = 0; i < dispatch->takers.count; i++) {
        if (!woken[i])
            continue;
        args_text(&args, dispatch->takers.list[i].channel);
        any = true;
    }
    args_array_end(&args);
    args_text(&args, "");
    if (any)
        db_call(dispatch->work, QUERY_NOTIFY, &args, NULL, NULL);
}

static void log_assigned(struct dispatch *dispatch, const PGresult *rows)
{
    struct rows_array ids = rows_array(rows, 0, TASKS), tokens = rows_array(rows, 0, TOKENS),
                      executors = rows_array(rows, 0, EXECUTORS);
    char task[UUID_TEXT];

    if (!log_wants(LOG_INFO))
        return;
    while (ids.count-- > 0) {
        struct uuid id = rows_next_uuid(&ids), to = rows_next_uuid(&executors);
        struct taker *taker = takers_find(&dispatch->takers, &to);

        log_info("task.assigned", "epoch=%lld task=%s attempt=%lld queue=%s executor=%s",
                 (long long)dispatch->epoch, uuid_write(task, &id),
                 (long long)rows_next_int(&tokens), dispatch->queue, taker ? taker->name : "?");
    }
}

/* Counts for each executor what it was given, and what it says it would take. */
static void account(struct dispatch *dispatch, const PGresult *rows, bool *woken)
{
    struct rows_array to = rows_array(rows, 0, EXECUTORS), inboxes = rows_array(rows, 0, INBOXES),
                      said = rows_array(rows, 0, SAID_EXECUTORS),
                      credits = rows_array(rows, 0, SAID_CREDITS),
                      read = rows_array(rows, 0, SAID_READ_UPTO);
    int *counts = mem_array(int, dispatch->takers.count);
    /* The last number that each was given itself: of a later one it never hears. */
    int64_t *last = mem_array(int64_t, dispatch->takers.count);
    struct taker *list = dispatch->takers.list;

    for (; to.count > 0; to.count--) {
        struct uuid id = rows_next_uuid(&to);
        struct taker *taker = takers_find(&dispatch->takers, &id);
        int64_t inbox = rows_next_int(&inboxes);

        if (!taker)
            continue;
        counts[taker - list]++;
        if (inbox > last[taker - list])
            last[taker - list] = inbox;
    }
    for (size_t i = 0; i < dispatch->takers.count; i++) {
        taker_assigned(&list[i], last[i], counts[i]);
        woken[i] = counts[i] > 0;
    }
    for (; said.count > 0; said.count--) {
        struct uuid id = rows_next_uuid(&said);
        struct taker *taker = takers_find(&dispatch->takers, &id);
        int would_take = (int)rows_next_int(&credits);
        int64_t upto = rows_next_int(&read);

        if (taker)
            taker_says(taker, would_take, upto);
    }
    free(last);
    free(counts);
}

/* Inbox numbers were given out in the order of the lane. */
static struct uuid last_task(const PGresult *rows)
{
    struct rows_array ids = rows_array(rows, 0, TASKS), inboxes = rows_array(rows, 0, INBOXES);
    struct uuid last = {0};
    int64_t most = -1;

    while (ids.count-- > 0) {
        struct uuid id = rows_next_uuid(&ids);
        int64_t inbox = rows_next_int(&inboxes);

        if (inbox > most)
            last = id;
        most = inbox > most ? inbox : most;
    }
    return last;
}

/* The queue's own bounds have cut the answer short: until they may allow more. */
static int64_t held_until(const struct dispatch *dispatch, const PGresult *rows)
{
    int64_t wait_ms = dispatch->config->poll_ms;

    if (!rows_is_null(rows, 0, MORE_IN_MS) && rows_int(rows, 0, MORE_IN_MS) < wait_ms)
        wait_ms = rows_int(rows, 0, MORE_IN_MS);
    if (wait_ms < POUR_WAIT_MS)
        wait_ms = POUR_WAIT_MS;
    return rows_time(rows, 0, NOW) + wait_ms * 1000;
}

/* Where the lane stands after an answer: behind the last row taken, waiting for the next instant.
 */
static void move_lane(struct dispatch *dispatch, const PGresult *rows, int taken)
{
    struct lane *lane = lanes_find(&dispatch->lanes, dispatch->queue, dispatch->priority);
    int64_t next_us =
        rows_is_null(rows, 0, NEXT_RUN_AT) ? LANE_NEVER : rows_time(rows, 0, NEXT_RUN_AT);

    if (!lane)
        return;
    if (taken) {
        int64_t last_us = rows_time(rows, 0, LAST_RUN_AT);
        /* A hint that came meanwhile may have set it further back: then it stays there. */
        if (lane->next_us >= last_us) {
            lane->cursor_us = last_us;
            lane->cursor_id = last_task(rows);
        }
    }
    bool held = !rows_is_null(rows, 0, ROOM) && taken == rows_int(rows, 0, ROOM);

    if (taken == dispatch->limit || held)
        next_us = INT64_MIN; /* there may be more right behind */
    if (held)
        lane->held_us = held_until(dispatch, rows);
    if (next_us < lane->next_us)
        lane->next_us = next_us;
}

/* A connection lost leaves the outcome open; any other refusal has changed nothing. */
static void on_refused(struct dispatch *dispatch, const struct fault *fault)
{
    struct lane *lane = lanes_find(&dispatch->lanes, dispatch->queue, dispatch->priority);

    if (fault->kind == FAULT_DOWN) {
        dispatch->owner.doubt(dispatch->owner.data, fault->text);
        return;
    }
    log_warn("dispatch.refused", "queue=%s cause=%s", dispatch->queue, LOG_VALUE(fault->text));
    if (lane)
        lane->next_us = INT64_MIN;
    wake_at(dispatch, clock_boot_us() + REFUSED_WAIT_US);
}

static void on_dispatched(void *data, const PGresult *rows, const struct fault *fault)
{
    struct dispatch *dispatch = data;
    int64_t now_us = clock_boot_us();

    dispatch->asking = false;
    if (!fault && rows_array(rows, 0, TASKS).count)
        POINT(DISPATCH_COMMITTED);
    /* Counted first: who was frozen mostly learns from its own clock that its term has ended. */
    if (!fault && !rows_bool(rows, 0, HELD)) {
        metrics_count(METRIC_DISPATCH_FENCED);
        log_warn("dispatch.fenced", "epoch=%lld", (long long)dispatch->asked_epoch);
    }
    if (dispatch->epoch != dispatch->asked_epoch) {
        step(dispatch);
        return;
    }
    if (fault) {
        on_refused(dispatch, fault);
        return;
    }
    if (!rows_bool(rows, 0, HELD)) {
        dispatch->owner.doubt(dispatch->owner.data, "the lease is another node's");
        return;
    }
    clock_heard(rows_time(rows, 0, NOW), dispatch->asked_us, now_us);
    metrics_observe(METRIC_FETCH_DURATION, (double)(now_us - dispatch->asked_us) / 1e6);
    struct rows_array ids = rows_array(rows, 0, TASKS);
    bool *woken = mem_array(bool, dispatch->takers.count);

    account(dispatch, rows, woken);
    move_lane(dispatch, rows, ids.count);
    if (ids.count) {
        metrics_add(METRIC_DISPATCHED, ids.count);
        metrics_observe(METRIC_DISPATCH_DELAY,
                        (double)(rows_time(rows, 0, NOW) - rows_time(rows, 0, LAST_RUN_AT)) / 1e6);
        log_assigned(dispatch, rows); /* before its start, for who reads along */
        wake_takers(dispatch, woken);
    }
    free(woken);
    step(dispatch);
}

static void send(struct dispatch *dispatch, struct lane *lane)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;
    struct taker_share shares[SHARES_MOST];
    size_t count = takers_deal(&dispatch->takers, lane->queue, (int)dispatch->config->batch, shares,
                               SHARES_MOST, &dispatch->limit);

    snprintf(dispatch->queue, sizeof dispatch->queue, "%s", lane->queue);
    dispatch->priority = lane->priority;
    dispatch->base = dispatch->epoch << 32 | dispatch->numbers;
    dispatch->numbers += (uint32_t)dispatch->limit;
    lane->next_us = LANE_NEVER; /* until the answer or a hint says otherwise */

    args_uuid(&args, &dispatch->id);
    args_int8(&args, dispatch->epoch);
    args_text(&args, lane->queue);
    args_int2(&args, (int16_t)lane->priority);
    args_time(&args, lane->cursor_us == INT64_MIN + 1 ? 0 : lane->cursor_us);
    args_uuid(&args, &lane->cursor_id);
    args_array(&args, ARGS_UUID);
    for (size_t i = 0; i < count; i++)
        args_uuid(&args, &dispatch->takers.list[shares[i].taker].id);
    args_array_end(&args);
    args_array(&args, ARGS_INT4);
    for (size_t i = 0; i < count; i++)
        args_int4(&args, shares[i].count);
    args_array_end(&args);
    args_int8(&args, dispatch->base);
    args_int8(&args, dispatch->config->alive_ms);
    dispatch->asking = true;
    dispatch->asked_epoch = dispatch->epoch;
    dispatch->asked_us = clock_boot_us();
    POINT(DISPATCH_SENDING);
    db_call(dispatch->work, QUERY_DISPATCH, &args, on_dispatched, dispatch);
}

/* The lane to serve now: queues take turns, within a queue the highest priority comes first. */
static struct lane *choose(struct dispatch *dispatch, int64_t now_us, int64_t *soonest_us,
                           bool *starving)
{
    struct lanes *lanes = &dispatch->lanes;

    *soonest_us = LANE_NEVER;
    *starving = false;
    for (size_t i = 0; i < lanes->count; i++) {
        size_t at = (lanes->turn + i) % lanes->count;
        struct lane *lane = &lanes->list[at];

        if (lane_next(lane) > now_us) {
            if (lane_next(lane) < *soonest_us)
                *soonest_us = lane_next(lane);
            continue;
        }
        if (!takers_any(&dispatch->takers, lane->queue)) {
            *starving = true;
            continue;
        }
        /* Higher priorities of the same queue may stand before the place where the turn began. */
        while (at > 0 && !strcmp(lanes->list[at - 1].queue, lane->queue))
            at--;
        while (lane_next(&lanes->list[at]) > now_us)
            at++;
        lane = &lanes->list[at];
        while (at < lanes->count && !strcmp(lanes->list[at].queue, lane->queue))
            at++;
        lanes->turn = at % lanes->count;
        return lane;
    }
    return NULL;
}

/* Does what there is to do, or sets the timer for it. */
static void step(struct dispatch *dispatch)
{
    int64_t now_us = clock_database_us(), soonest_us;
    bool starving;

    if (!is_current(dispatch) || dispatch->asking || !dispatch->known ||
        !db_is_ready(dispatch->work))
        return;
    if (dispatch->numbers > UINT32_MAX - (uint32_t)dispatch->config->batch) {
        dispatch->owner.doubt(dispatch->owner.data, "the numbers of this epoch are used up");
        return;
    }
    struct lane *lane = choose(dispatch, now_us, &soonest_us, &starving);

    if (!starving || lane)
        dispatch->starving_us = 0;
    if (lane) {
        send(dispatch, lane);
        return;
    }
    int64_t wait_us = soonest_us == LANE_NEVER ? -1 : soonest_us - now_us;

    if (starving) {
        dispatch->starving_us =
            dispatch->starving_us ? dispatch->starving_us * 2 : STARVING_FIRST_US;
        if (dispatch->starving_us > STARVING_LONGEST_US)
            dispatch->starving_us = STARVING_LONGEST_US;
        if (wait_us < 0 || wait_us > dispatch->starving_us)
            wait_us = dispatch->starving_us;
    }
    if (wait_us >= 0)
        wake_at(dispatch, clock_boot_us() + wait_us);
}

static int timer_rings(sd_event_source *source, uint64_t usec, void *data)
{
    struct dispatch *dispatch = data;

    (void)source, (void)usec;
    if (!is_current(dispatch))
        return 0;
    if (dispatch->starving_us)
        look_at_executors(dispatch);
    step(dispatch); /* a lane of another queue may be due */
    return 0;
}

static int tick_due(sd_event_source *source, uint64_t usec, void *data)
{
    struct dispatch *dispatch = data;

    (void)usec;
    sd_event_source_set_time_relative(source, (uint64_t)dispatch->config->poll_ms * 1000);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    if (is_current(dispatch))
        dispatch_look(dispatch);
    return 0;
}

struct dispatch *dispatch_new(sd_event *loop, struct db *work, struct db *look,
                              const struct config *config, const struct dispatch_owner *owner)
{
    struct dispatch *dispatch = mem_new(struct dispatch, .loop = loop, .work = work, .look = look,
                                        .config = config, .owner = *owner);

    sd_event_add_time(loop, &dispatch->timer, CLOCK_BOOTTIME, 0, 1, timer_rings, dispatch);
    sd_event_source_set_enabled(dispatch->timer, SD_EVENT_OFF);
    sd_event_add_time(loop, &dispatch->tick, CLOCK_BOOTTIME, 0, 1000, tick_due, dispatch);
    sd_event_source_set_enabled(dispatch->tick, SD_EVENT_OFF);
    return dispatch;
}

void dispatch_free(struct dispatch *dispatch)
{
    if (!dispatch)
        return;
    dispatch_end(dispatch);
    sd_event_source_disable_unref(dispatch->timer);
    sd_event_source_disable_unref(dispatch->tick);
    free(dispatch);
}

void dispatch_begin(struct dispatch *dispatch, const struct uuid *id, int64_t epoch)
{
    dispatch->id = *id;
    dispatch->epoch = epoch;
    dispatch->numbers = 0;
    dispatch->known = false;
    sd_event_source_set_time_relative(dispatch->tick, (uint64_t)dispatch->config->poll_ms * 1000);
    sd_event_source_set_enabled(dispatch->tick, SD_EVENT_ONESHOT);
    dispatch_look(dispatch);
}

void dispatch_end(struct dispatch *dispatch)
{
    dispatch->epoch = 0;
    dispatch->starving_us = 0;
    sd_event_source_set_enabled(dispatch->timer, SD_EVENT_OFF);
    sd_event_source_set_enabled(dispatch->tick, SD_EVENT_OFF);
    lanes_clear(&dispatch->lanes);
    takers_clear(&dispatch->takers);
}

void dispatch_due(struct dispatch *dispatch, const char *text)
{
    if (!is_current(dispatch))
        return;
    if (!lanes_hear(&dispatch->lanes, text))
        look_at_lanes(dispatch);
    step(dispatch);
}

void dispatch_queue(struct dispatch *dispatch, const char *queue)
{
    if (!is_current(dispatch))
        return;
    lanes_release(&dispatch->lanes, queue);
    step(dispatch);
}

void dispatch_credit(struct dispatch *dispatch)
{
    if (!is_current(dispatch))
        return;
    dispatch->starving_us = 0;
    look_at_executors(dispatch);
}

void dispatch_look(struct dispatch *dispatch)
{
    look_at_executors(dispatch);
    look_at_lanes(dispatch);
}
