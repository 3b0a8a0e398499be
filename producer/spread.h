/*
 * Tasks of one moment share a partition, and the moments take turns.
 *
 * The key of a record is the id of its task, and the partition follows from the key: that keeps all
 * commands about one task in their order. Ids chosen by chance alone would spread each batch over
 * all partitions: as many record batches, and where Kafka writes through to the disk as many
 * flushes, as there are partitions. Of the many ids that could be given, one is taken whose
 * partition has its turn. Nothing depends on it but speed: librdkafka places the record by its key.
 */
#pragma once

#include "common/uuid.h"

struct spread {
    int turn, left;   /* whose turn it is; how many tasks it still takes */
    int64_t until_us; /* boot clock */
};

/* Changes the id's last two bytes. `partitions` 0: not known, and the id stays as it is. */
void spread_choose(struct spread *spread, struct uuid *id, int partitions);
