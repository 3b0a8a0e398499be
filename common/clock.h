/*
 * Two clocks. Durations are measured by CLOCK_BOOTTIME, which goes on while a machine sleeps.
 * Instants are the database's: node clocks may be hours wrong, so a node asks the database and
 * keeps the distance between that clock and its own boot clock. Without an answer so far it falls
 * back to its wall clock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Microseconds on the boot clock. */
int64_t clock_boot_us(void);

/* Microseconds since 1970 by this node's own wall clock: for log lines only. */
int64_t clock_wall_us(void);

/*
 * The database said `database_us` in answer to a question sent at `asked_us` and answered at
 * `answered_us` (boot clock). Of the answers of the last seconds the one with the shortest way
 * counts; an answer that contradicts it (the database's clock was stepped) replaces it.
 */
void clock_heard(int64_t database_us, int64_t asked_us, int64_t answered_us);

/* Microseconds since 1970 by the database's clock, as well as this node knows it. */
int64_t clock_database_us(void);

/* The same for a moment of the boot clock. */
int64_t clock_database_at(int64_t boot_us);
bool clock_is_known(void);
