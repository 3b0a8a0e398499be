"""Lists against a million tasks: whatever is filtered by, a page of 50 stays under 2,000 buffers.

The statements of the producer's lists run as it runs them (prepared, generic plans, the settings of
session.sql), with statistics that are fresh, those of an empty table, and none. What a page costs is
the step that finds its tasks and the statement that reads them.

    pytest tests/integration/test_list_buffers.py
"""

import os
import pathlib
import re
import subprocess
import uuid

import psycopg2
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROWS = int(os.environ.get("ROTA_LIST_ROWS", "1000000"))
MOST = 2000
LIMIT = 50
LOOKED = 2 * LIMIT  # CANDIDATES in producer/list.c
WALKED = 1000  # OPEN_WALKED in producer/list.c
LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
FIRST_ID = "00000000-0000-0000-0000-000000000000"
LATE = "2200-01-01T00:00:00Z"
EARLY = "1970-01-01T00:00:00Z"
TYPES = ["log", "shell", "http", "kafka"]
ENDS = ["failed", "cancelled", "expired", "skipped"]


def statement(name):
    text = (ROOT / "sql" / "queries" / f"{name}.sql").read_text()
    return re.sub(r"^\s*--.*\n", "", text, flags=re.M).strip().rstrip(";")


def parameters(name):
    return max(int(n) for n in re.findall(r"\$(\d+)", statement(name)))


def script(*arguments):
    return subprocess.run(
        [ROOT / "tools" / "postgres.sh", *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def psql(url, *arguments):
    subprocess.run(
        ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, *arguments],
        check=True,
        env={**os.environ, "PGOPTIONS": "-c client_min_messages=warning"},
    )


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    given = os.environ.get("ROTA_LIST_DATABASE")
    if given:
        yield given
        return
    folder = str(tmp_path_factory.mktemp("postgres"))
    script("start", folder, "0")
    try:
        url = script("url", folder)
        script("sql", folder, "ALTER SYSTEM SET autovacuum = off")
        script("sql", folder, "SELECT pg_reload_conf()")
        for file in sorted((ROOT / "sql" / "migrations").glob("*.sql")):
            psql(url, "-f", file)
        psql(url, "-c", "ANALYZE")
        psql(url, "-v", f"rows={ROWS}", "-f", ROOT / "tests" / "integration" / "list_rows.sql")
        yield url
    finally:
        script("remove", folder)


class Session:
    """One connection that does what common/db.c does."""

    def __init__(self, url):
        self.connection = psycopg2.connect(url)
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        self.prepared = set()
        self.cursor.execute("PREPARE session AS " + statement("session"))
        self.cursor.execute("EXECUTE session('60000', '60000')")

    def run(self, name, values):
        """The rows, and how many buffers were touched."""
        if name not in self.prepared:
            self.cursor.execute(f"PREPARE {name} AS {statement(name)}")
            self.prepared.add(name)
        assert len(values) == parameters(name)
        call = self.cursor.mogrify(f"EXECUTE {name}({', '.join(['%s'] * len(values))})", values)
        # Planning reads catalogs, once a connection; it is not what a page costs.
        self.cursor.execute(b"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) " + call)
        plan = self.cursor.fetchone()[0][0]["Plan"]
        self.cursor.execute(call)
        return self.cursor.fetchall(), plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]

    def value(self, sql):
        self.cursor.execute(sql)
        return self.cursor.fetchone()[0]


class Filter:
    """What the caller asked for, and the source that producer/list.c takes for it."""

    def __init__(self, state=None, **others):
        self.state = state
        self.others = others

    def __str__(self):
        return ",".join([self.state or "any", *self.others])

    def bounds(self):
        get = self.others.get
        return [
            get("due_after", EARLY),
            get("due_before", LATE),
            get("created_after", EARLY),
            get("created_before", LATE),
        ]

    def is_created(self):
        return "created_after" in self.others or "created_before" in self.others

    def step(self, session, at, task):
        """One step: (rows, buffers). Mirrors pick_source in producer/list.c."""
        get = self.others.get
        kind, queue, tag = get("type"), get("queue"), get("tag")
        bounds = self.bounds()
        if self.state in ("assigned", "running"):
            return session.run("list_open", [
                [self.state], kind, queue, tag, *bounds,
                at if at else 2**62, LOOKED, WALKED])
        if not at:  # begins at the upper bound itself
            at = bounds[3] if self.is_created() else bounds[1]
            task = FIRST_ID
        if self.state in ENDS and not tag:
            index = ("created" if self.is_created() else "type" if kind
                     else "queue" if queue else "due")
            return session.run("list_end", [
                index, [self.state], kind, queue, tag, *bounds, at, task, LOOKED])
        if self.state in ("scheduled", "retrying") and not (kind or tag or self.is_created()):
            return session.run("list_due", [
                [self.state], queue, kind, tag, bounds[0], *bounds[2:], at, task, LOOKED, False])
        index = ("created" if self.is_created() else "tag" if tag else "queue" if queue else "type")
        if self.state in ("scheduled", "retrying") and not self.is_created():
            now = session.value("SELECT clock_timestamp()")
            ahead, buffers = [], 0
            if isinstance(at, str) or at > now:
                ahead, buffers = session.run("list_task", [
                    index, [kind] if kind else TYPES, kind, queue, tag, now, *bounds[1:],
                    [self.state], at, task, LOOKED])
                at, task = now, LAST_ID
            if len(ahead) == LOOKED:
                return ahead, buffers
            rest, more = session.run("list_due", [
                [self.state], queue, kind, tag, bounds[0], *bounds[2:], at, task,
                LOOKED - len(ahead), True])
            return [*ahead, *(row[:3] for row in rest)], buffers + more
        if self.state == "succeeded" and at == LATE:  # nothing that lies ahead has run
            at = session.value("SELECT clock_timestamp()")
        return session.run("list_task", [
            index, [kind] if kind else TYPES, kind, queue, tag, *bounds,
            [self.state] if self.state else None, at, task, LOOKED])


def one_of_each(session):
    """The single filters, as values that select much and little."""
    middle = session.value("SELECT (now() - interval '15 days')::text")
    late = session.value("SELECT (now() + interval '2 days')::text")
    return [
        *({"type": name} for name in TYPES),
        {"queue": "q1"}, {"queue": "rare"}, {"queue": "none"},
        {"tag": "common"}, {"tag": "scarce"}, {"tag": "none"},
        {"due_after": middle}, {"due_before": middle}, {"due_after": late}, {"due_before": late},
        {"created_after": middle}, {"created_before": middle},
        {"created_after": middle, "created_before": late},
    ]


STATES = ["scheduled", "retrying", "assigned", "running", "succeeded", *ENDS]


def pages(session, filter_, count):
    """The first pages: yields (ids that fit, buffers)."""
    at, task = None, LAST_ID
    for _ in range(count):
        rows, buffers = filter_.step(session, at, task)
        ids = []
        for row in rows:
            at, task = row[0], row[1] or LAST_ID
            if row[2]:
                ids.append(row[1])
                if len(ids) == LIMIT:
                    break
        _, more = session.run("tasks_read", ["{" + ",".join(ids) + "}"])
        yield ids, buffers + more
        if not rows:
            return


@pytest.mark.parametrize("statistics", ["stale", "empty", "fresh"])
def test_a_page_is_cheap(url, statistics, record_property):
    prepare = Session(url)
    if statistics == "empty":
        prepare.cursor.execute("DELETE FROM pg_statistic")
        prepare.cursor.execute("UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE relkind = 'r'"
                               " AND relnamespace = 'public'::regnamespace")
    elif statistics == "fresh":
        prepare.cursor.execute("ANALYZE")
    session = Session(url)
    singles = one_of_each(session)
    worst = {}
    for state in [None, *STATES]:
        for other in [{}, *singles]:
            filter_ = Filter(state, **other)
            for ids, buffers in pages(session, filter_, 3):
                assert buffers < MOST, f"{filter_} {other} with {statistics} statistics: {buffers}"
                if buffers > worst.get(str(filter_), (0,))[0]:
                    worst[str(filter_)] = (buffers, len(ids))
    for name, (buffers, found) in sorted(worst.items(), key=lambda item: -item[1][0])[:8]:
        print(f"{statistics}: {name}: {buffers} buffers, {found} tasks")
