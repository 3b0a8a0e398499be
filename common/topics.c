#include "common/topics.h"

#include "common/mem.h"

#define DEAD_LETTER_PARTITIONS 3

/* `partitions` 0: ROTA_KAFKA_PARTITIONS. */
static const struct {
    const char *end;
    int partitions;
    bool keep_all;
} known[] = {
    {"commands", 0, true},
    {"dead-letters", DEAD_LETTER_PARTITIONS, false},
    {"results", 0, false},
    {"events", 0, false},
};

void topics_ensure(struct bus *bus, const struct config *config)
{
    static char names[COUNT(known)][256];
    struct bus_topic topics[COUNT(known) + 1];
    int partitions = (int)config->kafka_partitions;
    bool legacy = *config->kafka_legacy_topic;

    for (size_t i = 0; i < COUNT(known); i++) {
        snprintf(names[i], sizeof names[i], "%s%s", config->kafka_topic_prefix, known[i].end);
        topics[i] =
            (struct bus_topic){.name = names[i],
                               .partitions = known[i].partitions ? known[i].partitions : partitions,
                               .keep_all = known[i].keep_all};
    }
    topics[COUNT(known)] = (struct bus_topic){
        .name = config->kafka_legacy_topic, .partitions = partitions, .keep_all = true};
    bus_ensure_topics(bus, topics, COUNT(known) + legacy);
}
