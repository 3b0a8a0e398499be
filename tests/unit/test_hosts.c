#include "tests/unit/unit.h"

#include "common/hosts.h"

static void servers_are_taken_in_turns(void **state)
{
    struct fault fault;
    struct hosts hosts;

    (void)state;
    assert_true(hosts_read(&hosts, "postgresql://u:p@a.example:1,b:2,[::1]:3/rota", &fault));
    assert_string_equal(hosts.host, "a.example,b,::1");
    assert_string_equal(hosts.port, "1,2,3");
    assert_null(hosts.hostaddr);
    hosts_turn(&hosts);
    assert_string_equal(hosts.host, "b,::1,a.example");
    assert_string_equal(hosts.port, "2,3,1");
    hosts_turn(&hosts);
    hosts_turn(&hosts);
    assert_string_equal(hosts.host, "a.example,b,::1");
    assert_string_equal(hosts.port, "1,2,3");
    hosts_done(&hosts);
}

/* One port counts for all; an empty one, or an empty host, is libpq's own default. */
static void what_stands_for_all_stays(void **state)
{
    struct fault fault;
    struct hosts hosts;

    (void)state;
    assert_true(hosts_read(&hosts, "host=a,b hostaddr=10.0.0.1,10.0.0.2 port=7", &fault));
    hosts_turn(&hosts);
    assert_string_equal(hosts.host, "b,a");
    assert_string_equal(hosts.hostaddr, "10.0.0.2,10.0.0.1");
    assert_string_equal(hosts.port, "7");
    hosts_done(&hosts);
    assert_true(hosts_read(&hosts, "host=a,,c port=,5432,", &fault));
    hosts_turn(&hosts);
    assert_string_equal(hosts.host, ",c,a");
    assert_string_equal(hosts.port, "5432,,");
    hosts_done(&hosts);
    assert_true(hosts_read(&hosts, "", &fault));
    hosts_turn(&hosts);
    assert_null(hosts.host);
    hosts_done(&hosts);
}

static void what_libpq_cannot_read_is_refused(void **state)
{
    struct fault fault;
    struct hosts hosts;

    (void)state;
    assert_false(hosts_read(&hosts, "postgresql://[::1/rota", &fault));
    assert_int_equal(fault.kind, FAULT_REJECTED);
    assert_false(hosts_read(&hosts, "nonsense=1", &fault));
}

static void the_server_that_was_found_comes_first(void **state)
{
    struct fault fault;
    struct hosts hosts;

    (void)state;
    assert_true(hosts_read(&hosts, "host=a,a,b port=1,2,1", &fault));
    hosts_begin_with(&hosts, "a", "2");
    assert_string_equal(hosts.host, "a,b,a");
    assert_string_equal(hosts.port, "2,1,1");
    hosts_begin_with(&hosts, "b", "1");
    assert_string_equal(hosts.host, "b,a,a");
    hosts_begin_with(&hosts, "stranger", "1");
    assert_string_equal(hosts.host, "b,a,a");
    hosts_done(&hosts);
    assert_true(hosts_read(&hosts, "host=a,b", &fault));
    hosts_begin_with(&hosts, "b", "5432");
    assert_string_equal(hosts.host, "b,a");
    hosts_done(&hosts);
    assert_true(hosts_read(&hosts, "dbname=x", &fault));
    hosts_begin_with(&hosts, "b", "5432");
    assert_null(hosts.host);
    hosts_done(&hosts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_are_taken_in_turns),
        cmocka_unit_test(what_stands_for_all_stays),
        cmocka_unit_test(the_server_that_was_found_comes_first),
        cmocka_unit_test(what_libpq_cannot_read_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
