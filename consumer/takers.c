#include "consumer/takers.h"

#include "common/mem.h"

struct taker *takers_find(struct takers *takers, const struct uuid *id)
{
    for (size_t i = 0; i < takers->count; i++)
        if (uuid_equal(&takers->list[i].id, id))
            return &takers->list[i];
    return NULL;
}

static void write_channel(struct taker *taker)
{
    char text[UUID_TEXT];
    char *at = stpcpy(taker->channel, "rota_x_");

    uuid_write(text, &taker->id);
    for (const char *c = text; *c; c++)
        if (*c != '-')
            *at++ = *c;
    *at = '\0';
}

struct taker *takers_get(struct takers *takers, const struct uuid *id, bool *added)
{
    struct taker *taker = takers_find(takers, id);

    *added = !taker;
    if (taker)
        return taker;
    takers->list = mem_grow(takers->list, takers->count + 1);
    taker = &takers->list[takers->count++];
    *taker = (struct taker){.id = *id};
    write_channel(taker);
    return taker;
}

static void release(struct taker *taker)
{
    for (int i = 0; i < taker->queue_count; i++)
        free(taker->queues[i]);
    free(taker->queues);
    free(taker->batches);
}

void takers_remove(struct takers *takers, size_t index)
{
    release(&takers->list[index]);
    takers->list[index] = takers->list[--takers->count];
}

void takers_clear(struct takers *takers)
{
    for (size_t i = 0; i < takers->count; i++)
        release(&takers->list[i]);
    free(takers->list);
    *takers = (struct takers){0};
}

static void forget_read(struct taker *taker)
{
    size_t read = 0;

    while (read < taker->batch_count && taker->batches[read].last <= taker->read_upto)
        taker->waiting -= taker->batches[read++].count;
    if (!read)
        return;
    taker->batch_count -= read;
    memmove(taker->batches, taker->batches + read, taker->batch_count * sizeof *taker->batches);
}

void taker_says(struct taker *taker, int credits, int64_t read_upto)
{
    if (read_upto < taker->read_upto)
        return;
    taker->credits = credits;
    taker->read_upto = read_upto;
    if (read_upto >= taker->before_upto)
        taker->before = 0;
    forget_read(taker);
}

void taker_assigned(struct taker *taker, int64_t last, int count)
{
    if (!count)
        return;
    if (taker->batch_count == taker->batch_room) {
        taker->batch_room = taker->batch_room * 2 + 16;
        taker->batches = mem_grow(taker->batches, taker->batch_room);
    }
    taker->batches[taker->batch_count++] = (struct taker_batch){last, count};
    taker->waiting += count;
}

int taker_credits(const struct taker *taker)
{
    int left = taker->credits - taker->waiting - taker->before;

    return taker->alive && taker->counted && left > 0 ? left : 0;
}

bool taker_serves(const struct taker *taker, const char *queue)
{
    for (int i = 0; i < taker->queue_count; i++)
        if (!strcmp(taker->queues[i], queue))
            return true;
    return false;
}

bool takers_any(const struct takers *takers, const char *queue)
{
    for (size_t i = 0; i < takers->count; i++)
        if (taker_credits(&takers->list[i]) && taker_serves(&takers->list[i], queue))
            return true;
    return false;
}

/* One round: everybody who can still take some gets up to `chunk`. */
static bool deal_round(struct takers *takers, const char *queue, int chunk, int *left, int *given,
                       struct taker_share *shares, size_t *count, size_t room)
{
    bool any = false;

    for (size_t i = 0; i < takers->count && *left && *count < room; i++) {
        size_t index = (takers->turn + i) % takers->count;
        struct taker *taker = &takers->list[index];
        int share = taker_serves(taker, queue) ? taker_credits(taker) - given[index] : 0;

        if (share <= 0)
            continue;
        share = share < chunk ? share : chunk;
        share = share < *left ? share : *left;
        shares[(*count)++] = (struct taker_share){index, share};
        given[index] += share;
        *left -= share;
        any = true;
    }
    return any;
}

size_t takers_deal(struct takers *takers, const char *queue, int most, struct taker_share *shares,
                   size_t room, int *ret_total)
{
    size_t count = 0;
    int left = most, *given = mem_array(int, takers->count);

    for (int chunk = 1; left && count < room; chunk *= 2)
        if (!deal_round(takers, queue, chunk, &left, given, shares, &count, room))
            break;
    free(given);
    if (takers->count)
        takers->turn = (takers->turn + 1) % takers->count;
    *ret_total = most - left;
    return count;
}
