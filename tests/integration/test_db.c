/*
 * A database connection: what it calls an answer is committed.
 *
 * The rows of a statement leave the server before its transaction has ended. A trigger that is
 * deferred to the commit refuses there, or ends its own session there as a server does that is
 * stopped at once: then the rows were on the wire already, and nothing of them is true.
 */
#include "tests/integration/real.h"

#include "common/db.h"
#include "common/migrate.h"

struct seen {
    int answers;
    bool rows;
    struct fault fault;
};

static const char *name, *url;
static PGconn *sql;
static struct db *db;
static const struct uuid node = {.bytes = {1}};

static void on_migrated(void *data, const struct fault *fault)
{
    if (fault)
        fail_msg("%s", fault->text);
    *(bool *)data = true;
}

static void on_answer(void *data, const PGresult *rows, const struct fault *fault)
{
    struct seen *seen = data;

    seen->answers++;
    seen->rows = rows && PQntuples(rows) == 1;
    seen->fault = fault ? *fault : (struct fault){0};
}

static struct seen beat(void)
{
    struct seen seen = {0};
    struct args args = {0};

    pump_until(db_is_ready(db));
    args_reset(&args);
    args_uuid(&args, &node);
    db_call(db, QUERY_NODE_BEAT, &args, on_answer, &seen);
    args_free(&args);
    pump_until(seen.answers);
    /* One answer for one call, whatever comes after it. */
    pump_until(db_is_ready(db));
    assert_int_equal(seen.answers, 1);
    return seen;
}

/* What every change of a node does at its commit, from now on. */
static void at_commit(const char *what)
{
    char text[600];

    snprintf(text, sizeof text,
             "DROP TRIGGER IF EXISTS at_commit ON node;"
             "CREATE OR REPLACE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS "
             "$$ BEGIN %s; RETURN NULL; END $$;"
             "CREATE CONSTRAINT TRIGGER at_commit AFTER UPDATE ON node"
             " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit()",
             what);
    run_sql(sql, text);
}

static const char *heartbeat(void)
{
    return ask_sql(sql, "SELECT heartbeat_at::text FROM node");
}

static void rows_are_an_answer_once_they_are_committed(void **state)
{
    (void)state;
    at_commit("NULL");
    struct seen seen = beat();
    assert_true(seen.rows);
}

/* The rows came, the commit did not: the call has failed, and the database is as before. */
static void check_nothing_was_done(const char *what, enum fault_kind kind)
{
    char before[100];

    at_commit(what);
    snprintf(before, sizeof before, "%s", heartbeat());
    struct seen seen = beat();
    assert_false(seen.rows);
    assert_int_equal(seen.fault.kind, kind);
    assert_string_equal(heartbeat(), before);
}

static void what_is_refused_at_its_commit_is_refused(void **state)
{
    (void)state;
    check_nothing_was_done("RAISE EXCEPTION 'not now' USING ERRCODE = '40001'", FAULT_BUSY);
}

static void what_ends_in_its_commit_is_not_known(void **state)
{
    (void)state;
    check_nothing_was_done("PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(0)",
                           FAULT_DOWN);
}

static int begin(void **state)
{
    bool migrated = false;
    struct fault fault;

    (void)state;
    name = fresh_name("db_");
    url = make_database(name);
    if (!url)
        exit(77);
    sql = connect_to(url);
    if (sd_event_default(&loop) < 0 ||
        !db_open(&db, loop, &(struct db_settings){.conninfo = url, .name = "test"}, &fault))
        return 1;
    pump_until(db_is_ready(db));
    migrate_run(db, true, on_migrated, &migrated);
    pump_until(migrated);
    run_sql(sql, "INSERT INTO node (id, role, name, version, pid) VALUES"
                 " ('01000000-0000-0000-0000-000000000000', 'executor', 'test', '1', 1)");
    return 0;
}

static int end(void **state)
{
    (void)state;
    db_close(db);
    PQfinish(sql);
    drop_database(name);
    sd_event_unref(loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_an_answer_once_they_are_committed),
        cmocka_unit_test(what_is_refused_at_its_commit_is_refused),
        cmocka_unit_test(what_ends_in_its_commit_is_not_known),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
