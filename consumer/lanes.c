#include "consumer/lanes.h"

#include "common/mem.h"

#include <stdio.h>

static int compare(const struct lane *lane, const char *queue, int priority)
{
    int order = strcmp(lane->queue, queue);

    return order ? order : priority - lane->priority;
}

/* The first place whose lane is not before (queue, priority). */
static size_t place(const struct lanes *lanes, const char *queue, int priority)
{
    size_t low = 0, high = lanes->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (compare(&lanes->list[middle], queue, priority) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct lane *lanes_find(struct lanes *lanes, const char *queue, int priority)
{
    size_t at = place(lanes, queue, priority);

    return at < lanes->count && !compare(&lanes->list[at], queue, priority) ? &lanes->list[at]
                                                                            : NULL;
}

static struct lane *get(struct lanes *lanes, const char *queue, int priority)
{
    struct lane *lane = lanes_find(lanes, queue, priority);
    size_t at = place(lanes, queue, priority);

    if (lane)
        return lane;
    lanes->list = mem_grow(lanes->list, lanes->count + 1);
    lane = &lanes->list[at];
    memmove(lane + 1, lane, (lanes->count - at) * sizeof *lane);
    lanes->count++;
    *lane = (struct lane){.priority = priority, .cursor_us = INT64_MIN + 1, .next_us = LANE_NEVER};
    snprintf(lane->queue, sizeof lane->queue, "%s", queue);
    return lane;
}

void lanes_hint(struct lanes *lanes, const char *queue, int priority, int64_t run_at_us)
{
    struct lane *lane = get(lanes, queue, priority);

    if (run_at_us < lane->next_us)
        lane->next_us = run_at_us;
    if (run_at_us <= lane->cursor_us) {
        /* Before every row of that instant: no identity is less than nil. */
        lane->cursor_us = run_at_us;
        lane->cursor_id = (struct uuid){0};
    }
}

bool lanes_hear(struct lanes *lanes, const char *text)
{
    while (*text) {
        char queue[LANE_QUEUE_SIZE];
        int priority, used = 0;
        long long run_at_us;

        if (sscanf(text, "%127s %d %lld%n", queue, &priority, &run_at_us, &used) != 3 || !used)
            return false;
        lanes_hint(lanes, queue, priority, run_at_us);
        text += used;
        text += strspn(text, "\n");
    }
    return true;
}

int64_t lane_next(const struct lane *lane)
{
    return lane->next_us > lane->held_us ? lane->next_us : lane->held_us;
}

void lanes_release(struct lanes *lanes, const char *queue)
{
    for (size_t i = 0; i < lanes->count; i++)
        if (!queue || !strcmp(lanes->list[i].queue, queue))
            lanes->list[i].held_us = 0;
}

void lanes_clear(struct lanes *lanes)
{
    free(lanes->list);
    *lanes = (struct lanes){0};
}

void lanes_sweep(struct lanes *lanes)
{
    size_t kept = 0;

    for (size_t i = 0; i < lanes->count; i++) {
        struct lane *lane = &lanes->list[i];

        if (lane->seen || lane->next_us != LANE_NEVER)
            lanes->list[kept++] = *lane;
    }
    lanes->count = kept;
    for (size_t i = 0; i < kept; i++)
        lanes->list[i].seen = false;
}
