#include "tests/unit/unit.h"

#include "common/listen.h"

#include <unistd.h>

static void addresses_are_read(void **state)
{
    static const struct {
        const char *text, *host, *port, *near;
    } cases[] = {
        {"127.0.0.1:8080", "127.0.0.1", "8080", "127.0.0.1"},
        {"localhost:0", "127.0.0.1", "0", "127.0.0.1"},
        {":8080", "0.0.0.0", "8080", "127.0.0.1"},
        {"0.0.0.0:80", "0.0.0.0", "80", "127.0.0.1"},
        {"[::]:8080", "::", "8080", "::1"},
        {"[fe80::1]:65535", "fe80::1", "65535", "fe80::1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct listen_address address;
        struct fault fault;

        assert_true(listen_read(&address, cases[i].text, &fault));
        assert_string_equal(address.host, cases[i].host);
        assert_string_equal(address.port, cases[i].port);
        listen_make_near(&address);
        assert_string_equal(address.host, cases[i].near);
    }
}

static void other_texts_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "8080",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "::1:80",
        "[::1]",
        "[]:80",
        "[127.0.0.1]:80",
        "127.0.0.1:-1",
        "127.0.0.1: 80",
        "[::1:80",
        "1.2.3.4.:1",
        "example.org:80",
        "1111111111111111111111111111111111111111111111111111111111111111111111111111111:80",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct listen_address address;
        struct fault fault;

        assert_false(listen_read(&address, texts[i], &fault));
        assert_int_equal(fault.kind, FAULT_REJECTED);
        assert_non_null(strstr(fault.text, "host:port"));
    }
}

static void a_port_in_use_says_so(void **state)
{
    struct listen_address address;
    struct fault fault;
    int fd, other;

    (void)state;
    assert_true(listen_read(&address, "127.0.0.1:0", &fault));
    assert_true(listen_open(&fd, &address, 16, &fault));
    assert_true(listen_port(fd) > 0);
    snprintf(address.port, sizeof address.port, "%d", listen_port(fd));
    assert_false(listen_open(&other, &address, 16, &fault));
    assert_int_equal(fault.kind, FAULT_BUSY);
    assert_non_null(strstr(fault.text, "in use"));
    close(fd);
}

static void a_foreign_address_is_refused(void **state)
{
    struct listen_address address;
    struct fault fault;
    int fd;

    (void)state;
    assert_true(listen_read(&address, "192.0.2.1:0", &fault));
    assert_false(listen_open(&fd, &address, 16, &fault));
    assert_int_equal(fault.kind, FAULT_REJECTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test(a_port_in_use_says_so),
        cmocka_unit_test(a_foreign_address_is_refused),
    };

    return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
