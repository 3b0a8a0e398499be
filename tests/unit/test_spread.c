#include "tests/unit/unit.h"

#include "producer/spread.h"

#include <librdkafka/rdkafka.h>

static int partition_of(const struct uuid *id, int partitions)
{
    char key[UUID_TEXT];

    return rd_kafka_msg_partitioner_consistent(NULL, uuid_write(key, id), UUID_TEXT - 1, partitions,
                                               NULL, NULL);
}

/* One id that the spread has chosen. */
static struct uuid chosen(struct spread *spread, int partitions)
{
    struct uuid id = uuid_ordered(INT64_C(1795226700123456)), before = id;

    spread_choose(spread, &id, partitions);
    assert_memory_equal(id.bytes, before.bytes, 14);
    return id;
}

static void tasks_of_a_moment_share_a_partition(void **state)
{
    struct spread spread = {0};
    int changes = 0, last = -1;

    (void)state;
    for (int i = 0; i < 10000; i++) {
        struct uuid id = chosen(&spread, 12);

        changes += partition_of(&id, 12) != last;
        last = partition_of(&id, 12);
    }
    /* By their number ten turns; more where the machine stood still, but nowhere near each task. */
    assert_in_range(changes, 10, 1000);
}

static void every_partition_has_its_turn(void **state)
{
    static const int sizes[] = {2, 3, 12, 16, 100};

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct spread spread = {0};
        int counts[100] = {0}, served = 0;

        for (int task = 0; task < 40000; task++) {
            struct uuid id = chosen(&spread, sizes[i]);

            counts[partition_of(&id, sizes[i])]++;
        }
        for (int place = 0; place < sizes[i]; place++)
            served += counts[place] > 0;
        assert_int_equal(served, sizes[i]);
    }
}

static void an_id_stays_where_there_is_no_choice(void **state)
{
    struct spread spread = {0};

    (void)state;
    for (int partitions = 0; partitions < 2; partitions++) {
        struct uuid id = uuid_random(), before = id;

        spread_choose(&spread, &id, partitions);
        assert_true(uuid_equal(&id, &before));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_of_a_moment_share_a_partition),
        cmocka_unit_test(every_partition_has_its_turn),
        cmocka_unit_test(an_id_stays_where_there_is_no_choice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
