#include "producer/waiters.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/rows.h"
#include "common/state.h"

#define FIRST_US INT64_C(10000)
#define MOST_US INT64_C(200000)
#define ASK_MOST 1000 /* by one statement */

struct waiter {
    struct uuid id;
    struct after after;
    enum waiters_until until;
    int64_t deadline_us, next_us, pause_us;
    bool asked, gone;
    waiters_reply *reply;
    void *data;
    struct waiter *next;
};

struct waiters {
    struct db *db;
    sd_event_source *timer;
    struct waiter *first;
    struct waiter *asked[ASK_MOST];
    int asked_count;
    bool asking, stopped;
    struct args args;
};

static void set_timer(struct waiters *waiters)
{
    int64_t next_us = INT64_MAX;

    for (const struct waiter *waiter = waiters->first; waiter; waiter = waiter->next) {
        int64_t at_us = waiters->asking ? waiter->deadline_us : waiter->next_us;

        if (at_us > waiter->deadline_us)
            at_us = waiter->deadline_us;
        if (at_us < next_us)
            next_us = at_us;
    }
    if (next_us == INT64_MAX) {
        sd_event_source_set_enabled(waiters->timer, SD_EVENT_OFF);
        return;
    }
    sd_event_source_set_time(waiters->timer, (uint64_t)next_us);
    sd_event_source_set_enabled(waiters->timer, SD_EVENT_ONESHOT);
}

/* A waiter that is asked for is freed with the answer. */
static void end(struct waiters *waiters, struct waiter *waiter, bool in_time)
{
    struct waiter **place = &waiters->first;
    waiters_reply *reply = waiter->reply;
    void *data = waiter->data;

    while (*place != waiter)
        place = &(*place)->next;
    *place = waiter->next;
    waiter->gone = true;
    if (!waiter->asked)
        free(waiter);
    reply(data, in_time);
}

static bool is_there(const struct waiter *waiter, const PGresult *rows, int row)
{
    const char *name = rows_text(rows, row, 0);
    bool passed = rows_bool(rows, row, 1), refused = rows_bool(rows, row, 2);
    enum task_state state;

    if (refused)
        return true;
    if (waiter->until == WAIT_STORED || !passed)
        return passed;
    return !name || (state_read(&state, name) && state_is_final(state));
}

static void on_watched(void *data, const PGresult *rows, const struct fault *fault)
{
    struct waiters *waiters = data;
    int64_t now_us = clock_boot_us();

    waiters->asking = false;
    for (int i = 0; i < waiters->asked_count; i++) {
        struct waiter *waiter = waiters->asked[i];

        waiter->asked = false;
        if (waiter->gone) {
            free(waiter);
            continue;
        }
        if (!fault && is_there(waiter, rows, i)) {
            end(waiters, waiter, true);
            continue;
        }
        waiter->pause_us = waiter->pause_us * 3 / 2 < MOST_US ? waiter->pause_us * 3 / 2 : MOST_US;
        waiter->next_us = now_us + waiter->pause_us;
    }
    set_timer(waiters);
}

static void fill_array(struct waiters *waiters, enum args_type type,
                       void (*add)(struct args *args, const struct waiter *waiter))
{
    args_array(&waiters->args, type);
    for (int i = 0; i < waiters->asked_count; i++)
        add(&waiters->args, waiters->asked[i]);
    args_array_end(&waiters->args);
}

static void add_id(struct args *args, const struct waiter *waiter)
{
    args_uuid(args, &waiter->id);
}

static void add_topic(struct args *args, const struct waiter *waiter)
{
    args_text(args, *waiter->after.topic ? waiter->after.topic : NULL);
}

static void add_partition(struct args *args, const struct waiter *waiter)
{
    if (*waiter->after.topic)
        args_int4(args, waiter->after.partition);
    else
        args_null(args);
}

static void add_offset(struct args *args, const struct waiter *waiter)
{
    if (*waiter->after.topic)
        args_int8(args, waiter->after.offset);
    else
        args_null(args);
}

static void ask(struct waiters *waiters, int64_t now_us)
{
    waiters->asked_count = 0;
    for (struct waiter *waiter = waiters->first; waiter && waiters->asked_count < ASK_MOST;
         waiter = waiter->next)
        if (waiter->next_us <= now_us) {
            waiter->asked = true;
            waiters->asked[waiters->asked_count++] = waiter;
        }
    if (!waiters->asked_count)
        return;
    waiters->asking = true;
    args_reset(&waiters->args);
    fill_array(waiters, ARGS_UUID, add_id);
    fill_array(waiters, ARGS_TEXT, add_topic);
    fill_array(waiters, ARGS_INT4, add_partition);
    fill_array(waiters, ARGS_INT8, add_offset);
    db_call(waiters->db, QUERY_TASK_WATCH, &waiters->args, on_watched, waiters);
}

/* An answer may add or end others: the list is begun anew after each. */
static void end_late(struct waiters *waiters, int64_t now_us)
{
    struct waiter *waiter = waiters->first;

    while (waiter)
        if (waiter->deadline_us <= now_us) {
            end(waiters, waiter, false);
            waiter = waiters->first;
        } else {
            waiter = waiter->next;
        }
}

static int ring(sd_event_source *source, uint64_t usec, void *data)
{
    struct waiters *waiters = data;
    int64_t now_us = clock_boot_us();

    (void)source, (void)usec;
    end_late(waiters, now_us);
    if (!waiters->asking)
        ask(waiters, now_us);
    set_timer(waiters);
    return 0;
}

struct waiters *waiters_new(sd_event *loop, struct db *db)
{
    struct waiters *waiters = mem_new(struct waiters, .db = db);

    sd_event_add_time(loop, &waiters->timer, CLOCK_BOOTTIME, UINT64_MAX, 1000, ring, waiters);
    sd_event_source_set_enabled(waiters->timer, SD_EVENT_OFF);
    return waiters;
}

void waiters_stop(struct waiters *waiters)
{
    waiters->stopped = true;
    while (waiters->first)
        end(waiters, waiters->first, false);
    set_timer(waiters);
}

void waiters_free(struct waiters *waiters)
{
    if (!waiters)
        return;
    waiters_stop(waiters);
    sd_event_source_disable_unref(waiters->timer);
    args_free(&waiters->args);
    free(waiters);
}

void waiters_add(struct waiters *waiters, const struct uuid *id, const struct after *after,
                 enum waiters_until until, int64_t wait_ms, waiters_reply *reply, void *data)
{
    int64_t now_us = clock_boot_us();

    if (waiters->stopped) {
        reply(data, false);
        return;
    }
    struct waiter *waiter =
        mem_new(struct waiter, .id = *id, .until = until, .deadline_us = now_us + wait_ms * 1000,
                .next_us = now_us + FIRST_US, .pause_us = FIRST_US, .reply = reply, .data = data,
                .next = waiters->first);

    if (after)
        waiter->after = *after;
    waiters->first = waiter;
    set_timer(waiters);
}
