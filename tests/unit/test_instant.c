#include "tests/unit/unit.h"

#include "common/instant.h"
#include "common/mem.h"

#include <string.h>

static void reads_instants(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-21T02:05:00.123Z", 1795226700123000},
        {"2026-11-21T03:05:00.123+01:00", 1795226700123000},
        {"2026-11-20T21:05:00.123-05:00", 1795226700123000},
        {"2026-11-21t02:05:00.123456z", 1795226700123456},
        {"2024-02-29T12:00:00Z", 1709208000000000},
        {"2000-02-29T00:00:00Z", 951782400000000},
        {"2199-12-31T23:59:59.999999Z", INSTANT_MOST_US},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault;
        int64_t us;

        assert_true(instant_read(&us, cases[i].text, &fault));
        assert_int_equal(us, cases[i].us);
    }
}

static void refuses_instants_and_says_why(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "RFC 3339"},
        {"tomorrow", "RFC 3339"},
        {"2026-11-21T09:00:00", "no offset"},
        {"2026-11-21", "RFC 3339"},
        {"2026-11-21T09:00Z", "RFC 3339"},
        {"2026-11-21T09:00:00+0100", "RFC 3339"},
        {"2026-11-21T09:00:00+24:00", "RFC 3339"},
        {"2026-11-21T09:00:00Zx", "RFC 3339"},
        {"2026-11-21T09:00:00.Z", "RFC 3339"},
        {"2026-02-29T09:00:00Z", "exists"},
        {"2100-02-29T09:00:00Z", "exists"},
        {"2026-13-01T09:00:00Z", "exists"},
        {"2026-00-01T09:00:00Z", "exists"},
        {"2026-11-21T24:00:00Z", "exists"},
        {"2026-11-21T23:59:60Z", "leap"},
        {"9999-01-01T00:00:00Z", "1970 to 2199"},
        {"2200-01-01T00:00:00Z", "1970 to 2199"},
        {"1969-12-31T23:59:59Z", "1970 to 2199"},
        {"1970-01-01T00:00:00+01:00", "1970 to 2199"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault;
        int64_t us = 42;

        assert_false(instant_read(&us, cases[i].text, &fault));
        assert_non_null(strstr(fault.text, cases[i].says));
        assert_int_equal(us, 42);
    }
}

static void writes_what_it_reads(void **state)
{
    char text[INSTANT_TEXT];
    struct fault fault;

    (void)state;
    /* A day and a bit over two centuries: every month, leap years, the end of the range. */
    for (int64_t us = 0; us <= INSTANT_MOST_US; us += INT64_C(86461234000)) {
        int64_t back;

        assert_true(instant_read(&back, instant_write(text, us), &fault));
        assert_int_equal(back, us / 1000 * 1000);
    }
}

static void reads_durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"PT0S", 0},
        {"PT3S", 3000},
        {"PT1.5S", 1500},
        {"PT0.001S", 1},
        {"P1D", 86400000},
        {"P1DT1H", 90000000},
        {"P2W", 1209600000},
        {"PT1H30M", 5400000},
        {"PT90M", 5400000},
        {"PT1H2M3S", 3723000},
        {"P36500D", INT64_C(3153600000000)},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault;
        int64_t ms;

        assert_true(duration_read(&ms, cases[i].text, &fault));
        assert_int_equal(ms, cases[i].ms);
    }
}

static void refuses_durations(void **state)
{
    static const char *const cases[] = {"",
                                        "P",
                                        "PT",
                                        "3s",
                                        "P1Y",
                                        "P1M",
                                        "-PT3S",
                                        "PT-3S",
                                        "PT3",
                                        "PTS",
                                        "P1.5D",
                                        "PT1.5H",
                                        "PT3S ",
                                        "PT3S1M",
                                        "P1W1D",
                                        "PT1S1S",
                                        "P1D1H",
                                        "PT1.S",
                                        "PT9999999999999S"};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault;
        int64_t ms = 42;

        assert_false(duration_read(&ms, cases[i], &fault));
        assert_int_equal(ms, 42);
        assert_int_equal(fault.kind, FAULT_REJECTED);
    }
}

static void reads_settings_durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } cases[] = {{"500ms", 500},    {"30s", 30000},   {"5m", 300000}, {"1h30m", 5400000},
                 {"7d", 604800000}, {"PT30S", 30000}, {"1.5s", 1500}, {"5", -1},
                 {"5 s", -1},       {"s", -1},        {"", -1},       {"1s1h", -1}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault;
        int64_t ms = -1;

        assert_int_equal(duration_read_setting(&ms, cases[i].text, &fault), cases[i].ms >= 0);
        assert_int_equal(ms, cases[i].ms);
    }
}

/* The largest unit that it is a whole number of; what is written can be read. */
static void writes_durations(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {{0, "PT0S"},        {1, "PT0.001S"},   {1500, "PT1.500S"},
                 {3000, "PT3S"},     {90000, "PT90S"},  {300000, "PT5M"},
                 {5400000, "PT90M"}, {7200000, "PT2H"}, {604800000, "P7D"}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[INSTANT_TEXT];
        struct fault fault;
        int64_t back;

        assert_string_equal(duration_write(text, cases[i].ms), cases[i].text);
        assert_true(duration_read(&back, text, &fault));
        assert_int_equal(back, cases[i].ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_instants),           cmocka_unit_test(refuses_instants_and_says_why),
        cmocka_unit_test(writes_what_it_reads),     cmocka_unit_test(reads_durations),
        cmocka_unit_test(refuses_durations),        cmocka_unit_test(writes_durations),
        cmocka_unit_test(reads_settings_durations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
