#include "producer/spread.h"

#include "common/clock.h"

#include <librdkafka/rdkafka.h>

#define TURN_US 10000
#define TURN_TASKS 1000
#define GROUPS_MOST 16 /* of partitions: an id is found after so many tries on average */
#define TRIES_MOST 256

static void take_turn(struct spread *spread, int groups)
{
    int64_t now_us = clock_boot_us();

    if (spread->left <= 0 || now_us >= spread->until_us) {
        spread->turn++;
        spread->left = TURN_TASKS;
        spread->until_us = now_us + TURN_US;
    }
    spread->turn %= groups;
    spread->left--;
}

/* As librdkafka does for a key, unless another partitioner was configured. */
static int partition_of(const struct uuid *id, int partitions)
{
    char key[UUID_TEXT];

    uuid_write(key, id);
    return rd_kafka_msg_partitioner_consistent(NULL, key, UUID_TEXT - 1, partitions, NULL, NULL);
}

void spread_choose(struct spread *spread, struct uuid *id, int partitions)
{
    int groups = partitions < GROUPS_MOST ? partitions : GROUPS_MOST;
    unsigned tail = (unsigned)id->bytes[14] << 8 | id->bytes[15];

    if (partitions < 2)
        return;
    take_turn(spread, groups);
    for (int tries = 0; tries < TRIES_MOST; tries++, tail++) {
        id->bytes[14] = (uint8_t)(tail >> 8);
        id->bytes[15] = (uint8_t)tail;
        if (partition_of(id, partitions) % groups == spread->turn)
            return;
    }
}
