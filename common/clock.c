#include "common/clock.h"

#include <time.h>

/* For how long the answer with the shortest way is trusted before any other one replaces it. */
#define TRUST_US INT64_C(10000000)

static struct {
    bool known;
    int64_t distance_us; /* the database's clock minus the boot clock */
    int64_t way_us;      /* how long that answer took: the distance is off by at most half of it */
    int64_t heard_us;    /* boot clock */
} database;

static int64_t now_us(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

int64_t clock_boot_us(void)
{
    return now_us(CLOCK_BOOTTIME);
}

int64_t clock_wall_us(void)
{
    return now_us(CLOCK_REALTIME);
}

void clock_heard(int64_t database_us, int64_t asked_us, int64_t answered_us)
{
    int64_t way = answered_us - asked_us;
    int64_t distance = database_us - asked_us - way / 2;
    int64_t apart = distance - database.distance_us;

    if (apart < 0)
        apart = -apart;
    bool stepped = apart > (way + database.way_us) / 2 + 1000;

    if (database.known && !stepped && way > database.way_us &&
        answered_us - database.heard_us < TRUST_US)
        return;
    database.known = true;
    database.distance_us = distance;
    database.way_us = way;
    database.heard_us = answered_us;
}

bool clock_is_known(void)
{
    return database.known;
}

int64_t clock_database_at(int64_t boot_us)
{
    if (!database.known)
        return clock_wall_us() - (clock_boot_us() - boot_us);
    return boot_us + database.distance_us;
}

int64_t clock_database_us(void)
{
    return clock_database_at(clock_boot_us());
}
