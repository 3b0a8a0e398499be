#include "tests/unit/unit.h"

#include "common/log.h"

#include <stdbool.h>
#include <unistd.h>

#define LINES 50000

struct place {
    char dir[64], file[96];
};

static struct place open_log(int64_t most_bytes)
{
    struct place place = {.dir = "/tmp/rota-log.XXXXXX"};
    struct fault fault;

    assert_non_null(mkdtemp(place.dir));
    snprintf(place.file, sizeof place.file, "%s/tester-1.log", place.dir);
    assert_true(log_open(&(struct log_settings){.dir = place.dir,
                                                .role = "tester",
                                                .least = LOG_INFO,
                                                .most_bytes = most_bytes,
                                                .keep = 1},
                         &fault));
    return place;
}

static void remove_log(const struct place *place)
{
    char path[128];

    unlink(place->file);
    snprintf(path, sizeof path, "%s.1", place->file);
    unlink(path);
    snprintf(path, sizeof path, "%s/.tester-1.lock", place->dir);
    unlink(path);
    assert_int_equal(rmdir(place->dir), 0);
}

/* The number behind n= of each line goes up by one from `first`; returns the one that would follow.
 */
static int read_numbers(const char *file, int first)
{
    FILE *from = fopen(file, "r");
    char line[512];

    assert_non_null(from);
    while (fgets(line, sizeof line, from)) {
        int number = -1;

        assert_non_null(strchr(line, '\n'));
        assert_int_equal(
            sscanf(strstr(line, " event="), " event=test.line node=tester-1 n=%d", &number), 1);
        assert_int_equal(number, first++);
    }
    fclose(from);
    return first;
}

static void every_line_is_written_whole_and_in_order(void **state)
{
    struct place place = open_log(1 << 30);

    (void)state;
    for (int i = 0; i < LINES; i++)
        log_info("test.line", "n=%d", i);
    log_close();
    assert_int_equal(log_lost(), 0);
    assert_int_equal(read_numbers(place.file, 0), LINES);
    remove_log(&place);
}

static void a_line_of_any_length_is_one_line(void **state)
{
    struct place place = open_log(1 << 30);
    char *wide = mem_array(char, 40000), line[20000];

    (void)state;
    memset(wide, 'x', 39999);
    wide[100] = '\n';
    log_info("test.wide", "value=%s", wide);
    log_info("test.line", "%s", "");
    log_close();
    free(wide);
    FILE *from = fopen(place.file, "r");

    assert_non_null(from);
    assert_non_null(fgets(line, sizeof line, from));
    assert_int_equal(strlen(line), 16384);
    assert_null(memchr(line, '\n', 16383));
    assert_non_null(fgets(line, sizeof line, from));
    assert_non_null(strstr(line, " event=test.line node=tester-1\n"));
    assert_null(fgets(line, sizeof line, from));
    fclose(from);
    remove_log(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_is_written_whole_and_in_order),
        cmocka_unit_test(a_line_of_any_length_is_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
