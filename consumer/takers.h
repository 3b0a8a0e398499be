/*
 * Executors as the master knows them: who is alive, which queues each serves, and how many tasks it
 * would take beyond those already on their way.
 *
 * An executor says "beyond inbox number R I would take C more". What was assigned above R counts
 * against C until the executor says a later R. The numbers of an epoch ascend in commit order, so
 * counting in the master's memory is enough; what a former master left is asked once per executor.
 */
#pragma once

#include "common/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAKER_QUEUES_MOST 64

struct taker_batch {
    int64_t last; /* inbox number */
    int count;
};

struct taker {
    struct uuid id;
    char name[64], channel[48];
    char **queues;
    int queue_count;
    bool alive;   /* its heartbeat is young */
    bool counted; /* what a former master left is known */
    bool seen;    /* in the look under way */
    int credits;
    int64_t read_upto, low;
    int before; /* assigned by former masters, not read when we began */
    int64_t before_upto;
    struct taker_batch *batches; /* assigned and not said to be read, oldest first */
    size_t batch_count, batch_room;
    int waiting; /* tasks in batches */
};

struct takers {
    struct taker *list;
    size_t count;
    size_t turn; /* who comes first next time */
};

/* Finds it, or adds it; false `added` when it was there. */
struct taker *takers_get(struct takers *takers, const struct uuid *id, bool *added);
struct taker *takers_find(struct takers *takers, const struct uuid *id);
void takers_clear(struct takers *takers);
void takers_remove(struct takers *takers, size_t index);

/* What it says now; older words than known change nothing. */
void taker_says(struct taker *taker, int credits, int64_t read_upto);
void taker_assigned(struct taker *taker, int64_t last, int count);
int taker_credits(const struct taker *taker);
bool taker_serves(const struct taker *taker, const char *queue);

struct taker_share {
    size_t taker; /* index in the list */
    int count;
};

/*
 * Deals up to `most` tasks of a queue to those who would take them: in rounds, small shares first,
 * so that few tasks spread and many come in runs. Returns how many shares; *ret_total is their sum.
 */
size_t takers_deal(struct takers *takers, const char *queue, int most, struct taker_share *shares,
                   size_t room, int *ret_total);

/* Whether anybody would take a task of this queue. */
bool takers_any(const struct takers *takers, const char *queue);
