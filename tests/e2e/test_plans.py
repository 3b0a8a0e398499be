"""The hot statements keep their plans against a million rows, whatever the statistics say.

No program runs here: the statements are those of sql/queries, prepared as the programs prepare them,
in sessions set up by sql/queries/session.sql.
"""

import json
import re

import psycopg2
import pytest

from cluster import ROOT, Cluster

OWNER = "00000000-0000-4000-8000-00000000000a"
EXECUTORS = [f"00000000-0000-4000-8000-0000000000e{n}" for n in (1, 2)]
HOT_TABLES = {"task", "due", "attempt"}
ROWS = 500  # of each statement

FILL = """
ALTER TABLE task SET (autovacuum_enabled = off);
ALTER TABLE due SET (autovacuum_enabled = off);
ALTER TABLE attempt SET (autovacuum_enabled = off);
UPDATE master SET owner = '%(owner)s', epoch = 7, expires_at = clock_timestamp() + interval '1 day';
INSERT INTO node (id, role, name, version, pid, heartbeat_at)
    SELECT e::uuid, 'executor', 'e', 'x', 1, clock_timestamp() + interval '1 day'
    FROM unnest(ARRAY['%(e1)s', '%(e2)s']) e;
INSERT INTO node_guard SELECT id FROM node;
INSERT INTO executor_state (executor, queues, credits, read_upto, low)
    SELECT id, '{default}', 1000, 0, 0 FROM node;
-- Statistics of empty tables: what "stale" means below.
ANALYZE task, due, attempt;
INSERT INTO task (id, type, queue, priority, run_at, created_at, on_lost, size, payload)
    SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(g), 12, '0'))::uuid, 'log', 'default', 0,
           CASE WHEN g <= 650000 THEN now() - interval '1 hour' + g * interval '1 ms'
                ELSE now() + g * interval '1 s' END,
           now(), 'retry', 20, '{"hello": "world"}'
    FROM generate_series(1, 1000000) g;
-- 600,000 have run, 2,000 are with the executors, 48,000 are due, 350,000 lie ahead.
INSERT INTO attempt (task_id, token, executor, inbox, assigned_at, started_at, finished_at, outcome)
    SELECT id, 1, (ARRAY['%(e1)s', '%(e2)s'])[1 + n %% 2]::uuid, (6::bigint << 32) + n, run_at,
           run_at, CASE WHEN n <= 600000 THEN run_at END,
           CASE WHEN n <= 600000 THEN 'succeeded'::attempt_outcome END
    FROM (SELECT id, run_at, row_number() OVER (ORDER BY id) AS n FROM task) t WHERE n <= 602000;
INSERT INTO due SELECT id, queue, priority, run_at, 0, 0
    FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM task) t WHERE n > 602000;
"""


def statement(name):
    lines = (ROOT / "sql" / "queries" / f"{name}.sql").read_text().splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("--")).rstrip().rstrip(";")


@pytest.fixture(scope="module")
def database(servers):
    cluster = Cluster(servers, "plans")
    try:
        for migration in sorted((ROOT / "sql" / "migrations").glob("*.sql")):
            cluster.sql(migration.read_text())
        cluster.sql(FILL % {"owner": OWNER, "e1": EXECUTORS[0], "e2": EXECUTORS[1]})
        yield cluster
    finally:
        cluster.close()


def open_attempts(cluster):
    return cluster.sql("SELECT task_id::text, token, inbox FROM attempt"
                       " WHERE executor = %s AND outcome IS NULL ORDER BY inbox LIMIT %s",
                       EXECUTORS[0], ROWS)


def calls(cluster):
    """Each hot statement with arguments as the programs give them."""
    attempts = open_attempts(cluster)
    assert len(attempts) == ROWS
    ids = "ARRAY[" + ",".join(f"'{a[0]}'" for a in attempts) + "]::uuid[]"
    tokens = "ARRAY[" + ",".join(str(a[1]) for a in attempts) + "]::int[]"
    numbers = "ARRAY[" + ",".join(str(a[2]) for a in attempts) + "]::bigint[]"
    nows = f"array_fill(now(), ARRAY[{ROWS}])"
    half = ROWS // 2
    return {
        "dispatch": f"'{OWNER}', 7, 'default', 0::smallint, '1970-01-01Z',"
                    f" '00000000-0000-0000-0000-000000000000', ARRAY['{EXECUTORS[0]}',"
                    f" '{EXECUTORS[1]}']::uuid[], ARRAY[{half}, {half}], 7::bigint << 32, 3600000",
        "inbox": f"'{EXECUTORS[0]}', {attempts[0][2] - 1}, {ROWS}, 8388608",
        "finish": f"'{EXECUTORS[0]}', {ids}, {tokens}, {numbers}, {nows}, {nows},"
                  # The later half has failed, and is tried again.
                  f" array_fill(1, ARRAY[{half}]) || array_fill(2, ARRAY[{half}]), array_fill(0, ARRAY[{ROWS}]),"
                  f" array_fill(NULL::text, ARRAY[{ROWS}]), 100, {attempts[-1][2]}, {attempts[-1][2]}, false,"
                  f" array_fill(NULL::bigint, ARRAY[{half}]) || array_fill(9::bigint, ARRAY[{half}])",
        "start": f"'{EXECUTORS[0]}', {ids}, {tokens}, {numbers}, {nows}",
        "review": f"'{EXECUTORS[0]}', {ids}, {tokens}, {numbers}",
        "strays": f"'{EXECUTORS[0]}', {attempts[0][2] - ROWS}, {2 * ROWS}",
    }


def set_statistics(cluster, kind):
    tables = "'task'::regclass, 'due'::regclass, 'attempt'::regclass"
    if kind == "fresh":
        cluster.sql("ANALYZE task, due, attempt")
    elif kind == "empty":
        cluster.sql(f"DELETE FROM pg_statistic WHERE starelid IN ({tables})")
        cluster.sql(f"UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE oid IN ({tables}) OR oid IN"
                    f" (SELECT indexrelid FROM pg_index WHERE indrelid IN ({tables}))")


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def session(cluster):
    """A session as the programs set it up."""
    connection = psycopg2.connect(cluster.database_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement("session").replace("$1::text", "'60000'").replace("$2::text", "'1000'"))
    return connection


def explain(cursor, name, arguments):
    """The plan of a prepared statement, run and rolled back."""
    cursor.execute("BEGIN")
    cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {name}({arguments})")
    plan = cursor.fetchone()[0][0]["Plan"]
    cursor.execute("ROLLBACK")
    return plan


def check(plan):
    """By index or by place, and no more rows looked at than the call is about."""
    for node in nodes(plan):
        if node.get("Relation Name") in HOT_TABLES and "Scan" in node["Node Type"]:
            assert node["Node Type"] in ("Index Scan", "Index Only Scan", "Tid Scan"), json.dumps(node)
        looked = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
                  + node.get("Rows Removed by Join Filter", 0)) * node["Actual Loops"]
        assert looked <= ROWS * 4, json.dumps(node)


@pytest.mark.parametrize("statistics", ["stale", "empty", "fresh"])
@pytest.mark.parametrize("name", ["dispatch", "inbox", "start", "finish", "review", "strays"])
def test_keeps_its_plan(database, statistics, name):
    set_statistics(database, statistics)
    connection = session(database)
    with connection.cursor() as cursor:
        cursor.execute(f"PREPARE {name} AS {statement(name)}")
        plan = explain(cursor, name, calls(database)[name])
    connection.close()
    check(plan)
    touched = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    # A row costs its index walks (four deep at most), itself and its writes: far below 60 blocks.
    assert touched < ROWS * 60, touched
    rows = max(node["Actual Rows"] * node["Actual Loops"] for node in nodes(plan)
               if node["Node Type"] in ("ModifyTable", "Index Scan", "Limit", "Nested Loop"))
    assert rows >= ROWS


def test_every_statement_is_sound(database):
    """PostgreSQL prepares each of them: no typo waits for the night on which it is first used."""
    scripts = {"migration_apply", "migration_table"}  # sent as they are, not prepared
    database.sql((ROOT / "sql" / "queries" / "migration_table.sql").read_text())
    with session(database) as connection, connection.cursor() as cursor:
        for file in sorted((ROOT / "sql" / "queries").glob("*.sql")):
            if file.stem not in scripts:
                cursor.execute(f"PREPARE {file.stem} AS {statement(file.stem)}")
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        assert cursor.fetchone()[0] > 30


def test_a_plan_made_while_the_tables_were_empty(servers):
    """Programs start before the first task is there, and keep the plans of that moment."""
    cluster = Cluster(servers, "born_empty")
    try:
        for migration in sorted((ROOT / "sql" / "migrations").glob("*.sql")):
            cluster.sql(migration.read_text())
        connection = session(cluster)
        nobody = "'00000000-0000-4000-8000-000000000000'"
        empty = {"dispatch": f"{nobody}, 1, 'default', 0::smallint, '1970-01-01Z', {nobody},"
                             " '{}'::uuid[], '{}'::int[], 0, 1000",
                 "inbox": f"{nobody}, 0, 10, 10",
                 "start": f"{nobody}, '{{}}'::uuid[], '{{}}'::int[], '{{}}'::bigint[],"
                          " '{}'::timestamptz[]",
                 "finish": f"{nobody}, '{{}}'::uuid[], '{{}}'::int[], '{{}}'::bigint[],"
                           " '{}'::timestamptz[], '{}'::timestamptz[], '{}'::int[], '{}'::int[],"
                           " '{}'::text[], 0, 0, 0, false, '{}'::bigint[]",
                 "review": f"{nobody}, '{{}}'::uuid[], '{{}}'::int[], '{{}}'::bigint[]",
                 "strays": f"{nobody}, 0, 10"}
        with connection.cursor() as cursor:
            for name, arguments in empty.items():
                cursor.execute(f"PREPARE {name} AS {statement(name)}")
                cursor.execute(f"EXECUTE {name}({arguments})")
            # ALTER TABLE and ANALYZE would have every plan made anew.
            few = re.sub(r"(?m)^(ALTER TABLE|ANALYZE) .*$", "", FILL)
            for many, some in (("1000000", "5000"), ("650000", "4000"), ("602000", "3000"),
                               ("600000", "2000")):
                few = few.replace(many, some)
            cluster.sql(few % {"owner": OWNER, "e1": EXECUTORS[0], "e2": EXECUTORS[1]})
            for name, arguments in calls(cluster).items():
                check(explain(cursor, name, arguments))
        connection.close()
    finally:
        cluster.close()


def test_finishes_stay_on_their_page(database):
    """Dispatch, then finish, 40 batches: at least 95 % of the updates are HOT."""
    database.sql("SELECT pg_stat_reset_single_table_counters('attempt'::regclass)")
    connection = psycopg2.connect(database.database_url)
    connection.autocommit = True
    arguments = calls(database)["dispatch"]
    with connection.cursor() as cursor:
        cursor.execute(f"PREPARE dispatch AS {statement('dispatch')}")
        cursor.execute(f"PREPARE finish AS {statement('finish')}")
        for batch in range(40):
            given = arguments.replace("7::bigint << 32", f"(7::bigint << 32) + {batch * ROWS}")
            cursor.execute(f"EXECUTE dispatch({given})")
            assert cursor.fetchone()[0]
            for executor in EXECUTORS:
                cursor.execute("SELECT array_agg(task_id ORDER BY inbox), array_agg(token ORDER BY inbox),"
                               " array_agg(inbox ORDER BY inbox), count(*)"
                               " FROM attempt WHERE executor = %s AND inbox > 7::bigint << 32"
                               " AND outcome IS NULL", (executor,))
                ids, tokens, numbers, count = cursor.fetchone()
                assert count == ROWS // 2
                cursor.execute(
                    "EXECUTE finish(%s, %s::uuid[], %s, %s::bigint[], array_fill(now(), ARRAY[%s]),"
                    " array_fill(now(), ARRAY[%s]), array_fill(1, ARRAY[%s]),"
                    " array_fill(0, ARRAY[%s]), array_fill(NULL::text, ARRAY[%s]), 100, 0, 0, false, NULL)",
                    (executor, re.findall(r"[0-9a-f-]{36}", str(ids)), tokens, numbers)
                    + (count,) * 5)
                assert len(cursor.fetchone()[0]) == count
        cursor.execute("SELECT pg_stat_force_next_flush()")
    connection.close()
    updated, hot = database.sql("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables"
                                " WHERE relname = 'attempt'")[0]
    assert updated >= 40 * ROWS
    assert hot / updated >= 0.95, f"{hot} of {updated}"
    assert database.broken_invariants() == []


def test_deadlines_that_lie_ahead_are_not_walked(database):
    """A look at the lanes and at what is past its start_deadline steps over 350,000 of them."""
    database.sql("UPDATE due SET start_by = run_at + interval '1 day' WHERE run_at > now() + interval '1 min'")
    connection = session(database)
    with connection.cursor() as cursor:
        for name, arguments in (("lanes", ""), ("expire", f"('{OWNER}', 7, {ROWS})")):
            cursor.execute(f"PREPARE {name} AS {statement(name)}")
            cursor.execute("BEGIN")
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {name}{arguments}")
            plan = cursor.fetchone()[0][0]["Plan"]
            cursor.execute("ROLLBACK")
            check(plan)
            assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 800, json.dumps(plan)
    connection.close()
