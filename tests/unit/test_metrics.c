#include "tests/unit/unit.h"

#include "common/metrics.h"

#include <ctype.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#define THREADS 4
#define ADDITIONS 100000

static char *page(bool open_metrics)
{
    size_t size;
    char *text = metrics_write(open_metrics, &size);

    assert_int_equal(strlen(text), size);
    return text;
}

/* A whole line of the page. */
static bool has_line(const char *text, const char *line)
{
    size_t size = strlen(line);

    for (const char *at = text; (at = strstr(at, line)); at++)
        if ((at == text || at[-1] == '\n') && at[size] == '\n')
            return true;
    return false;
}

static void counters_and_gauges_are_told(void **state)
{
    double before = metrics_get(METRIC_RECOVERED);
    char line[80], *text;

    (void)state;
    metrics_add(METRIC_RECOVERED, 2);
    metrics_count(METRIC_RECOVERED);
    metrics_set(METRIC_EPOCH, 4294967296.5);
    assert_true(metrics_get(METRIC_RECOVERED) == before + 3);
    text = page(false);
    snprintf(line, sizeof line, "rota_recovered_total %g", before + 3);
    assert_true(has_line(text, line));
    assert_true(has_line(text, "rota_master_epoch 4294967296.5"));
    assert_true(has_line(text, "rota_http_requests_total{code=\"2xx\"} 0"));
    assert_true(has_line(text, "# TYPE rota_recovered_total counter"));
    free(text);
}

static void buckets_add_up(void **state)
{
    static const double seconds[] = {0, .001, .0011, .2, .25, 61, 100};
    char *text;

    (void)state;
    for (size_t i = 0; i < COUNT(seconds); i++)
        metrics_observe(METRIC_FETCH_DURATION, seconds[i]);
    text = page(false);
    assert_true(has_line(text, "rota_fetch_duration_seconds_bucket{le=\"0.001\"} 2"));
    assert_true(has_line(text, "rota_fetch_duration_seconds_bucket{le=\"0.0025\"} 3"));
    assert_true(has_line(text, "rota_fetch_duration_seconds_bucket{le=\"0.25\"} 5"));
    assert_true(has_line(text, "rota_fetch_duration_seconds_bucket{le=\"60.0\"} 5"));
    assert_true(has_line(text, "rota_fetch_duration_seconds_bucket{le=\"+Inf\"} 7"));
    assert_true(has_line(text, "rota_fetch_duration_seconds_count 7"));
    assert_true(has_line(text, "rota_fetch_duration_seconds_sum 161.4521"));
    assert_true(metrics_get(METRIC_FETCH_DURATION) == 7);
    free(text);
}

/* Each family has one head, before its samples, and its samples stand together. */
static void families_stand_together(void **state)
{
    (void)state;
    for (int open_metrics = 0; open_metrics <= 1; open_metrics++) {
        char seen[200][80], *rest, *text = page(open_metrics), *line = strtok_r(text, "\n", &rest);
        char family[80] = "";
        size_t count = 0;

        for (; line; line = strtok_r(NULL, "\n", &rest)) {
            if (!strncmp(line, "# HELP ", 7)) {
                assert_int_equal(sscanf(line, "# HELP %79s", family), 1);
                for (size_t i = 0; i < count; i++)
                    assert_string_not_equal(seen[i], family);
                assert_true(count < COUNT(seen));
                strcpy(seen[count++], family);
                assert_true(strlen(line) > strlen("# HELP  ") + strlen(family));
            } else if (*line == '#') {
                assert_true(!strncmp(line, "# TYPE ", 7) || !strcmp(line, "# EOF"));
                assert_true(line[2] == 'E' || !strncmp(line + 7, family, strlen(family)));
            } else {
                assert_int_equal(strncmp(line, family, strlen(family)), 0);
                assert_non_null(strchr(line, ' '));
            }
        }
        free(text);
    }
}

static void open_metrics_has_its_own_ways(void **state)
{
    char *text = page(true);
    size_t size = strlen(text);

    (void)state;
    assert_string_equal(text + size - strlen("# EOF\n"), "# EOF\n");
    assert_true(has_line(text, "# TYPE rota_recovered counter"));
    assert_true(has_line(text, "# TYPE process_cpu_seconds counter"));
    assert_non_null(strstr(text, "\nrota_recovered_total "));
    free(text);
    text = page(false);
    assert_null(strstr(text, "# EOF"));
    free(text);
}

static double value_of(const char *text, const char *name)
{
    char start[80];

    snprintf(start, sizeof start, "\n%s ", name);
    const char *at = strstr(text, start);

    assert_non_null(at);
    return strtod(at + strlen(start), NULL);
}

static void the_process_is_told(void **state)
{
    char *text;

    (void)state;
    metrics_set_role("executor");
    text = page(false);
    assert_non_null(strstr(text, "rota_build_info{version=\""));
    assert_non_null(strstr(text, "rota_node_info{node=\"starting\",role=\"executor\"} 1\n"));
    assert_true(value_of(text, "process_resident_memory_bytes") > 100e3);
    assert_true(value_of(text, "process_open_fds") >= 3);
    assert_true(value_of(text, "process_cpu_seconds_total") > 0);
    double age = (double)time(NULL) - value_of(text, "process_start_time_seconds");

    assert_true(age > -2 && age < 600);
    free(text);
}

static void *add_many(void *unused)
{
    for (int i = 0; i < ADDITIONS; i++)
        metrics_count(METRIC_HEARTBEATS);
    return unused;
}

static void threads_lose_nothing(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_true(metrics_get(METRIC_HEARTBEATS) == THREADS * ADDITIONS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_and_gauges_are_told),
        cmocka_unit_test(buckets_add_up),
        cmocka_unit_test(families_stand_together),
        cmocka_unit_test(open_metrics_has_its_own_ways),
        cmocka_unit_test(the_process_is_told),
        cmocka_unit_test(threads_lose_nothing),
    };

    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
