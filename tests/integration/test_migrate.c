/* Migrations against a real server: on nothing, twice at once, and on what does not fit. */
#include "tests/integration/real.h"

#include "common/migrate.h"

struct answer {
    bool came, fits;
    struct fault fault;
};

static const char *name, *url;
static PGconn *sql;

static void on_answer(void *data, const struct fault *fault)
{
    struct answer *answer = data;

    answer->came = true;
    answer->fits = !fault;
    if (fault)
        answer->fault = *fault;
}

static struct db *open_db(void)
{
    struct db *db = NULL;
    struct fault fault;

    if (!db_open(&db, loop, &(struct db_settings){.conninfo = url, .name = "test"}, &fault))
        fail_msg("%s", fault.text);
    pump_until(db_is_ready(db));
    return db;
}

static struct answer run(bool apply)
{
    struct db *db = open_db();
    struct answer answer = {0};

    migrate_run(db, apply, on_answer, &answer);
    pump_until(answer.came);
    db_close(db);
    return answer;
}

static void looking_only_waits(void **state)
{
    (void)state;
    struct answer answer = run(false);
    assert_false(answer.fits);
    assert_int_equal(answer.fault.kind, FAULT_BUSY);
}

static void two_at_once_both_fit(void **state)
{
    struct db *dbs[] = {open_db(), open_db(), open_db()};
    struct answer answers[3] = {0};

    (void)state;
    for (int i = 0; i < 3; i++)
        migrate_run(dbs[i], true, on_answer, &answers[i]);
    pump_until(answers[0].came && answers[1].came && answers[2].came);
    for (int i = 0; i < 3; i++) {
        if (!answers[i].fits)
            fail_msg("%s", answers[i].fault.text);
        db_close(dbs[i]);
    }
    assert_int_equal(count_sql(sql, "SELECT count(*) FROM schema_migration"), migration_count);
    assert_int_equal(count_sql(sql, "SELECT count(*) FROM master"), 1);
    assert_true(run(false).fits);
    assert_true(run(true).fits);
}

static void the_next_version_fits_a_later_one_does_not(void **state)
{
    char text[200];
    int known = migrations[migration_count - 1].version;

    (void)state;
    snprintf(text, sizeof text, "INSERT INTO schema_migration VALUES (%d, 'next', 'x')", known + 1);
    run_sql(sql, text);
    assert_true(run(true).fits);
    snprintf(text, sizeof text, "INSERT INTO schema_migration VALUES (%d, 'later', 'x')",
             known + 2);
    run_sql(sql, text);
    struct answer answer = run(true);
    assert_false(answer.fits);
    assert_int_equal(answer.fault.kind, FAULT_REJECTED);
    assert_non_null(strstr(answer.fault.text, "upgrade"));
    snprintf(text, sizeof text, "DELETE FROM schema_migration WHERE version > %d", known);
    run_sql(sql, text);
}

static void another_text_is_refused(void **state)
{
    (void)state;
    run_sql(sql, "UPDATE schema_migration SET checksum = 'another' WHERE version = 1");
    struct answer answer = run(true);
    assert_false(answer.fits);
    assert_int_equal(answer.fault.kind, FAULT_BROKEN);
    assert_non_null(strstr(answer.fault.text, migrations[0].name));
}

static int begin(void **state)
{
    (void)state;
    name = fresh_name("migrate_");
    url = make_database(name);
    if (!url)
        exit(77);
    sql = connect_to(url);
    return sd_event_default(&loop) < 0;
}

static int end(void **state)
{
    (void)state;
    PQfinish(sql);
    drop_database(name);
    sd_event_unref(loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looking_only_waits),
        cmocka_unit_test(two_at_once_both_fit),
        cmocka_unit_test(the_next_version_fits_a_later_one_does_not),
        cmocka_unit_test(another_text_is_refused),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
