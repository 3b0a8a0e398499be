#include "tests/unit/unit.h"

#include "common/uuid.h"

#include <string.h>

static void writes_what_it_reads(void **state)
{
    char text[UUID_TEXT];
    struct uuid uuid, back;

    (void)state;
    assert_true(uuid_read(&uuid, "019AA4D2-7425-40de-944b-e07fc1f90ae7"));
    assert_string_equal(uuid_write(text, &uuid), "019aa4d2-7425-40de-944b-e07fc1f90ae7");
    uuid = uuid_random();
    assert_true(uuid_read(&back, uuid_write(text, &uuid)));
    assert_true(uuid_equal(&uuid, &back));
    assert_int_equal(text[14], '4');
}

static void refuses_other_texts(void **state)
{
    static const char *const cases[] = {
        "",
        "019aa4d2742540de944be07fc1f90ae7",
        "019aa4d2-7425-40de-944b-e07fc1f90ae",
        "019aa4d2-7425-40de-944b-e07fc1f90ae77",
        "019aa4d2-7425-40de-944b-e07fc1f90aeg",
        "{019aa4d2-7425-40de-944b-e07fc1f90ae7}",
        "019aa4d2-7425-40de-944b_e07fc1f90ae7",
    };
    struct uuid uuid;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_false(uuid_read(&uuid, cases[i]));
}

/* RFC 9562: 48 bits of milliseconds first; those of one process ascend within a millisecond too. */
static void ordered_ones_ascend(void **state)
{
    struct uuid last = uuid_ordered(INT64_C(1795226700123456));
    char text[UUID_TEXT];

    (void)state;
    uuid_write(text, &last);
    assert_int_equal(strncmp(text, "01a1fbd9-895b-7", 15), 0);
    for (int i = 0; i < 10000; i++) {
        struct uuid next = uuid_ordered(INT64_C(1795226700123456) + i / 100);

        assert_true(memcmp(last.bytes, next.bytes, 16) < 0);
        last = next;
    }
}

static void derived_ones_depend_on_scope_and_key(void **state)
{
    struct uuid one = uuid_derived("task", "key"), same = uuid_derived("task", "key"),
                other_key = uuid_derived("task", "yek"), shifted = uuid_derived("taskk", "ey");
    char text[UUID_TEXT];

    (void)state;
    assert_true(uuid_equal(&one, &same));
    assert_false(uuid_equal(&one, &other_key));
    assert_false(uuid_equal(&one, &shifted));
    assert_int_equal(uuid_write(text, &one)[14], '8');
}

/* FIPS 180-4, the one-block example. */
static void digest_is_sha256(void **state)
{
    static const uint8_t abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea};
    uint8_t sum[DIGEST_SIZE];

    (void)state;
    digest(sum, "abc", 3);
    assert_memory_equal(sum, abc, sizeof abc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_what_it_reads),
        cmocka_unit_test(refuses_other_texts),
        cmocka_unit_test(ordered_ones_ascend),
        cmocka_unit_test(derived_ones_depend_on_scope_and_key),
        cmocka_unit_test(digest_is_sha256),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
