#include "executor/ledger.h"

#include "common/mem.h"

#define FIRST_BUCKETS 1024 /* a power of two, as all its successors */

/* Numbers ascend, so the low bits spread well; the epoch stands in the high ones. */
static size_t bucket_of(const struct ledger *ledger, int64_t inbox)
{
    uint64_t number = (uint64_t)inbox;

    return (size_t)(number ^ (number >> 32)) & (ledger->bucket_count - 1);
}

void ledger_init(struct ledger *ledger)
{
    *ledger = (struct ledger){.buckets = mem_array(struct attempt *, FIRST_BUCKETS),
                              .bucket_count = FIRST_BUCKETS};
    TAILQ_INIT(&ledger->held);
}

void ledger_done(struct ledger *ledger)
{
    struct attempt *attempt;

    while ((attempt = TAILQ_FIRST(&ledger->held)))
        ledger_drop(ledger, attempt);
    free(ledger->buckets);
    ledger->buckets = NULL;
}

struct attempt *ledger_find(const struct ledger *ledger, int64_t inbox)
{
    struct attempt *attempt = ledger->buckets[bucket_of(ledger, inbox)];

    while (attempt && attempt->inbox != inbox)
        attempt = attempt->bucket_next;
    return attempt;
}

static void put_in_bucket(struct ledger *ledger, struct attempt *attempt)
{
    struct attempt **bucket = &ledger->buckets[bucket_of(ledger, attempt->inbox)];

    attempt->bucket_next = *bucket;
    *bucket = attempt;
}

static void grow(struct ledger *ledger)
{
    struct attempt *attempt;

    free(ledger->buckets);
    ledger->bucket_count *= 2;
    ledger->buckets = mem_array(struct attempt *, ledger->bucket_count);
    for (attempt = TAILQ_FIRST(&ledger->held); attempt; attempt = TAILQ_NEXT(attempt, held))
        put_in_bucket(ledger, attempt);
}

void ledger_add(struct ledger *ledger, struct attempt *attempt)
{
    struct attempt *before = TAILQ_LAST(&ledger->held, attempt_queue);

    if (ledger->count >= ledger->bucket_count)
        grow(ledger);
    /* Numbers come in order, but for the few of a statement that became visible late. */
    while (before && before->inbox > attempt->inbox)
        before = TAILQ_PREV(before, attempt_queue, held);
    if (before)
        TAILQ_INSERT_AFTER(&ledger->held, before, attempt, held);
    else
        TAILQ_INSERT_HEAD(&ledger->held, attempt, held);
    put_in_bucket(ledger, attempt);
    ledger->count++;
}

void ledger_drop(struct ledger *ledger, struct attempt *attempt)
{
    struct attempt **link = &ledger->buckets[bucket_of(ledger, attempt->inbox)];

    while (*link != attempt)
        link = &(*link)->bucket_next;
    *link = attempt->bucket_next;
    TAILQ_REMOVE(&ledger->held, attempt, held);
    ledger->count--;
    attempt_free(attempt);
}

int64_t ledger_low(const struct ledger *ledger, int64_t read_upto)
{
    const struct attempt *first = TAILQ_FIRST(&ledger->held);

    return first ? first->inbox : read_upto + 1;
}
