/*
 * All attempts that this executor holds: found by inbox number, and in the order of their numbers.
 */
#pragma once

#include "executor/attempt.h"

#include <stddef.h>

struct ledger {
    struct attempt_queue held;
    struct attempt **buckets;
    size_t bucket_count, count;
};

void ledger_init(struct ledger *ledger);

/* Releases what it holds. */
void ledger_done(struct ledger *ledger);

/* NULL where it is not held. */
struct attempt *ledger_find(const struct ledger *ledger, int64_t inbox);

/* Takes over an attempt whose number is not held. */
void ledger_add(struct ledger *ledger, struct attempt *attempt);

/* Lets go of it and releases it. */
void ledger_drop(struct ledger *ledger, struct attempt *attempt);

/* Everything below this number is done with: the least that is held, else one after `read_upto`. */
int64_t ledger_low(const struct ledger *ledger, int64_t read_upto);
