#include "tests/unit/unit.h"

#include "common/mem.h"
#include "consumer/takers.h"

static struct taker *add(struct takers *takers, uint8_t number, const char *queue, int credits)
{
    struct uuid id = {.bytes = {number}};
    bool added;
    struct taker *taker = takers_get(takers, &id, &added);

    assert_true(added);
    taker->queues = mem_array(char *, 1);
    taker->queues[0] = mem_text(queue);
    taker->queue_count = 1;
    taker->alive = taker->counted = true;
    taker_says(taker, credits, 0);
    return taker;
}

/* What was assigned counts against the credits until the executor says that it read it. */
static void credits_count_what_is_on_its_way(void **state)
{
    struct takers takers = {0};
    struct taker *taker = add(&takers, 1, "default", 10);

    (void)state;
    taker_assigned(taker, 100, 4);
    taker_assigned(taker, 200, 3);
    assert_int_equal(taker_credits(taker), 3);
    taker_says(taker, 10, 100);
    assert_int_equal(taker_credits(taker), 7);
    taker_says(taker, 2, 50); /* older words than known */
    assert_int_equal(taker_credits(taker), 7);
    taker_says(taker, 10, 200);
    assert_int_equal(taker_credits(taker), 10);
    taker->alive = false;
    assert_int_equal(taker_credits(taker), 0);
    takers_clear(&takers);
}

static void a_former_masters_tasks_count_until_read(void **state)
{
    struct takers takers = {0};
    struct taker *taker = add(&takers, 1, "default", 10);

    (void)state;
    taker->before = 6;
    taker->before_upto = 1000;
    assert_int_equal(taker_credits(taker), 4);
    taker_says(taker, 10, 1000);
    assert_int_equal(taker_credits(taker), 10);
    taker->counted = false;
    assert_int_equal(taker_credits(taker), 0);
    takers_clear(&takers);
}

static void deals_only_to_who_serves_the_queue(void **state)
{
    struct takers takers = {0};
    struct taker_share shares[64];
    int total;

    (void)state;
    add(&takers, 1, "mail", 5);
    add(&takers, 2, "default", 7);
    size_t count = takers_deal(&takers, "default", 100, shares, COUNT(shares), &total);

    assert_int_equal(total, 7);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(takers.list[shares[i].taker].id.bytes[0], 2);
    assert_true(takers_any(&takers, "mail"));
    assert_false(takers_any(&takers, "other"));
    takers_clear(&takers);
}

/* Few tasks spread: the first shares are small; nobody gets more than it would take. */
static void deals_in_rounds(void **state)
{
    struct takers takers = {0};
    struct taker_share shares[64];
    int total, given[2] = {0};

    (void)state;
    add(&takers, 1, "default", 1000);
    add(&takers, 2, "default", 10);
    size_t count = takers_deal(&takers, "default", 500, shares, COUNT(shares), &total);

    assert_int_equal(total, 500);
    assert_int_equal(shares[0].count, 1);
    assert_int_equal(shares[1].count, 1);
    assert_int_not_equal(shares[0].taker, shares[1].taker);
    for (size_t i = 0; i < count; i++)
        given[shares[i].taker] += shares[i].count;
    assert_int_equal(given[0], 490);
    assert_int_equal(given[1], 10);
    takers_clear(&takers);
}

static void deals_nothing_where_nobody_takes(void **state)
{
    struct takers takers = {0};
    struct taker_share shares[4];
    int total = -1;

    (void)state;
    assert_int_equal(takers_deal(&takers, "default", 5, shares, COUNT(shares), &total), 0);
    assert_int_equal(total, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credits_count_what_is_on_its_way),
        cmocka_unit_test(a_former_masters_tasks_count_until_read),
        cmocka_unit_test(deals_only_to_who_serves_the_queue),
        cmocka_unit_test(deals_in_rounds),
        cmocka_unit_test(deals_nothing_where_nobody_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
