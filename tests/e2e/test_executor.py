"""The executor alone: a real process on a real database, with the test in the master's place.

The test writes assignments as dispatch does (rows of `task` and `attempt`, a notification), closes
nodes as recovery does, and looks at what the executor reports and leaves behind. No other program
runs, so that each moment can be chosen.
"""

import hashlib
import http.server
import json
import os
import signal
import subprocess
import threading
import uuid

import psycopg2
import pytest

from cluster import ROOT, is_alive, marked, proper_of, wait_until

SHORT = {"executor_lease": "6s", "heartbeat": "200ms", "poll": "500ms"}


def apply_migrations(cluster):
    """As the first consumer would."""
    cluster.sql("CREATE TABLE schema_migration (version integer PRIMARY KEY, name text NOT NULL,"
                " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())")
    for path in sorted((ROOT / "sql" / "migrations").glob("*.sql")):
        script = path.read_text()
        version, _, name = path.stem.partition("_")
        cluster.sql(script)
        cluster.sql("INSERT INTO schema_migration VALUES (%s, %s, %s)", int(version), name,
                    hashlib.sha256(script.encode()).hexdigest())


class Desk:
    """Hands tasks to an executor as the master does, and reads what became of them."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.number = 1 << 32
        apply_migrations(cluster)

    def node(self, executor, but=None):
        """The row of the executor's latest incarnation, other than `but`."""
        rows = self.cluster.sql("SELECT id::text FROM node WHERE role = 'executor' AND name = %s"
                                " AND dead_at IS NULL AND id::text <> %s"
                                " AND EXISTS (SELECT FROM executor_state WHERE executor = id)",
                                executor.environment["ROTA_NODE_NAME"], but or "")
        return rows[0][0] if rows else None

    def executor(self, **settings):
        settings = {**SHORT, "node_name": "exec-" + os.urandom(3).hex(),
                    "executor_types": "log,http,shell", **settings}
        executor = self.cluster.executor(**settings)
        executor.wait_ready()
        executor.id = wait_until(lambda: self.node(executor), 10, "the node has joined")
        return executor

    def assign(self, executor, kind, work=None, payload=None, count=1, on_lost="retry",
               timeout_ms=None, wake=True, node=None):
        """Returns the ids of the tasks; all in one transaction."""
        ids = [str(uuid.uuid4()) for _ in range(count)]
        first, self.number = self.number, self.number + count
        connection = psycopg2.connect(self.cluster.database_url)
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO task (id, type, queue, priority, run_at, created_at, on_lost,"
                " timeout_ms, size, payload, work)"
                " SELECT id, %s, 'default', 0, now(), now(), %s, %s, 0, %s, %s"
                " FROM unnest(%s::uuid[]) AS id",
                (kind, on_lost, timeout_ms, json.dumps(payload),
                 None if work is None else json.dumps(work), ids))
            cursor.execute(
                "INSERT INTO attempt (task_id, token, executor, inbox, assigned_at)"
                " SELECT id, 1, %s, %s + n, clock_timestamp()"
                " FROM unnest(%s::uuid[]) WITH ORDINALITY AS u(id, n)",
                (node or executor.id, first, ids))
            if wake:
                cursor.execute("SELECT pg_notify(%s, '')", (self.channel(node or executor.id),))
        connection.close()
        return ids if count > 1 else ids[0]

    @staticmethod
    def channel(node):
        return "rota_x_" + node.replace("-", "")

    def cancel(self, executor, task):
        self.cluster.sql("UPDATE attempt SET cancel_at = clock_timestamp(), cancel_reason = 'test'"
                         " WHERE task_id = %s AND outcome IS NULL", task)
        self.cluster.sql("SELECT pg_notify(%s, 'cancel')", self.channel(executor.id))

    def attempt(self, task):
        rows = self.cluster.sql("SELECT outcome::text, exit_code, error, started_at, finished_at,"
                                " assigned_at FROM attempt WHERE task_id = %s", task)
        return dict(zip(("outcome", "exit_code", "error", "started_at", "finished_at",
                         "assigned_at"), rows[0]))

    def wait_outcome(self, task, seconds=10):
        def ended():
            attempt = self.attempt(task)
            return attempt if attempt["outcome"] else None
        return wait_until(ended, seconds, f"task {task} has an outcome")

    def state(self, executor):
        return self.cluster.sql("SELECT credits, read_upto, low FROM executor_state"
                                " WHERE executor = %s", executor.id)[0]


@pytest.fixture(scope="module")
def desk(cluster):
    return Desk(cluster)


@pytest.fixture
def executor(desk):
    executor = desk.executor()
    yield executor
    executor.close()


FAMILY = ("sleep 1000 & (setsid sleep 1001 </dev/null >/dev/null 2>&1 &);"
          " setsid -f sleep 1002 </dev/null >/dev/null 2>&1; trap '' TERM; wait; sleep 1003")


def start_family(desk, executor):
    task = desk.assign(executor, "shell", {"command": FAMILY})
    wait_until(lambda: len(marked(executor.id)) == 4, 10, "four processes run")
    wait_until(lambda: desk.attempt(task)["started_at"], 5, "the start is on record")
    return task


# --- The types --------------------------------------------------------------------------------


def test_a_log_task_is_printed_and_succeeds(desk, executor):
    task = desk.assign(executor, "log", payload={"hello": "wörld"})
    attempt = desk.wait_outcome(task)
    assert attempt["outcome"] == "succeeded" and attempt["error"] is None
    assert attempt["assigned_at"] <= attempt["started_at"] <= attempt["finished_at"]
    assert len(executor.lines(f"event=task.started .*task={task} ")) == 1
    assert len(executor.lines(f"event=task.output .*task={task} .*w.*rld")) == 1
    assert len(executor.lines(f"event=task.finished .*task={task} .*outcome=succeeded")) == 1


def test_a_shell_task_has_its_environment_payload_and_folder(desk, executor, tmp_path):
    script = ('test "$MINE" = yours && test "$(pwd)" = "$WHERE" && test -n "$ROTA_TASK_ID" &&'
              ' test "$ROTA_ATTEMPT" = 1 && test -z "$ROTA_DATABASE_URL" && cat > seen')
    task = desk.assign(executor, "shell", {"command": script, "cwd": str(tmp_path),
                                           "env": {"MINE": "yours", "WHERE": str(tmp_path)}},
                       payload={"a": [1, "ü"]})
    assert desk.wait_outcome(task)["outcome"] == "succeeded"
    assert json.loads((tmp_path / "seen").read_text()) == {"a": [1, "ü"]}


@pytest.mark.parametrize("work, code, says", [
    ({"command": "echo one; echo two >&2; exit 7"}, 7, "exit status 7: one\ntwo"),
    ({"command": "kill -SEGV $$"}, -11, "signal 11"),
    ({"argv": ["/nowhere/to/be/found"]}, 127, "No such file"),
    ({"argv": ["true"], "cwd": "/nowhere"}, 127, "/nowhere"),
    ({"command": "printf 'a\\000b\\377c'; exit 1"}, 1, "a?b?c"),
    ({"command": "head -c 300000 /dev/zero | tr '\\0' x; echo end; exit 1"}, 1, "xxend"),
    ({"command": "true", "argv": ["true"]}, None, "either command or argv"),
    ({"argv": [1]}, None, "argv"),
    ({"command": "true", "cwd": "here"}, None, "cwd"),
    ([], None, "object"),
    (None, None, "either command or argv"),
])
def test_a_shell_task_that_fails_says_why(desk, executor, work, code, says):
    attempt = desk.wait_outcome(desk.assign(executor, "shell", work))
    assert attempt["outcome"] == "failed" and attempt["exit_code"] == code
    assert says in attempt["error"] and len(attempt["error"]) < 2500


def test_a_time_out_ends_the_whole_group(desk, executor):
    began = desk.assign(executor, "shell", {"command": "trap '' TERM; sleep 1000 & wait; sleep 9",
                                            "grace": "PT0.2S"}, timeout_ms=300)
    attempt = desk.wait_outcome(began)
    assert attempt["outcome"] == "timed_out" and "300 ms" in attempt["error"]
    assert marked(executor.id) == []


def test_what_the_leader_leaves_behind_in_its_group_ends_with_it(desk, executor):
    task = desk.assign(executor, "shell", {"command": "sleep 1000 & exit 0"})
    assert desk.wait_outcome(task)["outcome"] == "succeeded"
    wait_until(lambda: not marked(executor.id), 5, "nothing is left")


def test_other_types_are_refused(desk):
    executor = desk.executor(executor_types="log")
    for kind, says in (("shell", "not allowed"), ("http", "not allowed"), ("odd", "not known")):
        attempt = desk.wait_outcome(desk.assign(executor, kind, {"command": "true"}))
        assert attempt["outcome"] == "failed" and says in attempt["error"]
    executor.close()


class Target(http.server.BaseHTTPRequestHandler):
    seen = []

    def do_any(self):
        size = int(self.headers.get("Content-Length") or 0)
        Target.seen.append((self.command, self.path, dict(self.headers), self.rfile.read(size)))
        if self.path == "/slow":
            threading.Event().wait(3)
        status = int(self.path[1:]) if self.path[1:].isdigit() else 200
        body = b"x" * 5000 if self.path == "/large" else b"answer"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_any

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def target():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_an_http_task_sends_what_was_asked(desk, executor, target):
    Target.seen.clear()
    task = desk.assign(executor, "http", {"url": target + "/hook?a=1", "headers": {"X-Mine": "y"}},
                       payload={"n": 1})
    attempt = desk.wait_outcome(task)
    assert (attempt["outcome"], attempt["exit_code"]) == ("succeeded", 200)
    (method, path, headers, body), = Target.seen
    assert (method, path, json.loads(body)) == ("POST", "/hook?a=1", {"n": 1})
    assert headers["X-Mine"] == "y" and headers["Idempotency-Key"] == f'"{task}"'
    assert headers["Rota-Task-Id"] == task and headers["Rota-Attempt"] == "1"
    assert headers["Content-Type"] == "application/json" and "Expect" not in headers


@pytest.mark.parametrize("work, outcome, code, says", [
    ({"url": "/200", "method": "GET"}, "succeeded", 200, None),
    ({"url": "/200", "method": "HEAD"}, "succeeded", 200, None),
    ({"url": "/404"}, "failed", 404, "HTTP status 404: answer"),
    ({"url": "/302"}, "failed", 302, "HTTP status 302"),
    ({"url": "/404", "expect_status": ["2xx", 404]}, "succeeded", 404, None),
    ({"url": "/503", "expect_status": ["5xx"]}, "succeeded", 503, None),
    ({"url": "/200", "expect_status": [201]}, "failed", 200, "HTTP status 200"),
    ({"url": "/large"}, "failed", 200, "larger than 4096 bytes"),
    ({"url": "/slow"}, "timed_out", None, "timed out"),
    ({"url": "file:///etc/passwd"}, "failed", None, "http"),
    ({"url": "http://127.0.0.1:1/"}, "failed", None, "onnect"),
    ({"url": "/200", "headers": {"A": "b\r\nEvil: c"}}, "failed", None, "headers"),
    ({"url": "/200", "method": "GET / HTTP/1.1"}, "failed", None, "method"),
    ({}, "failed", None, "url"),
])
def test_an_http_task_ends_as_its_answer_says(desk, http_executor, target, work, outcome, code,
                                              says):
    if work.get("url", "").startswith("/"):
        work = {**work, "url": target + work["url"]}
    attempt = desk.wait_outcome(desk.assign(http_executor, "http", work, timeout_ms=1000))
    assert (attempt["outcome"], attempt["exit_code"]) == (outcome, code), attempt
    assert says is None or says in attempt["error"]


@pytest.fixture(scope="module")
def http_executor(desk):
    executor = desk.executor(executor_response="4KiB")
    yield executor
    executor.close()


def test_a_kafka_task_is_done_at_the_delivery_report(desk, cluster):
    executor = desk.executor(executor_types="kafka")
    subprocess.run([str(ROOT / "tools" / "kafka.sh"), "topic", str(cluster.servers.kafka.folder),
                    cluster.prefix + "mine"], check=True, capture_output=True, timeout=60)
    good = desk.assign(executor, "kafka", {"topic": cluster.prefix + "mine", "key": "k",
                                           "headers": {"a": "b"}, "value": {"n": 1}})
    bad = desk.assign(executor, "kafka", {"topic": ""})
    assert desk.wait_outcome(good, 30)["outcome"] == "succeeded"
    attempt = desk.wait_outcome(bad)
    assert attempt["outcome"] == "failed" and "topic" in attempt["error"]
    executor.close()


# --- Inbox, credits, reports -------------------------------------------------------------------


def test_many_tasks_are_read_and_reported_once(desk, executor):
    tasks = []
    for _ in range(10):
        tasks += desk.assign(executor, "log", payload=1, count=1000)
    wait_until(lambda: desk.cluster.value(
        "SELECT count(*) = 10000 FROM attempt WHERE executor = %s AND outcome = 'succeeded'",
        executor.id), 20, "all are reported")
    assert len(executor.lines("event=task.started")) == 10000
    credits, read_upto, low = wait_until(
        lambda: [s for s in [desk.state(executor)] if s[2] == s[1] + 1], 5, "low mark")[0]
    assert read_upto == desk.number and credits == 2000


def test_without_a_notification_the_net_finds_the_task(desk, executor):
    task = desk.assign(executor, "log", wake=False)
    assert desk.wait_outcome(task, 5)["outcome"] == "succeeded"


def test_notifications_do_not_wait_for_the_net(desk):
    executor = desk.executor(poll="60s", executor_slots=1)
    first = desk.assign(executor, "shell", {"command": "exec sleep 1000"})
    wait_until(lambda: marked(executor.id), 3, "it runs")
    desk.cancel(executor, first)
    assert desk.wait_outcome(first, 3)["outcome"] == "cancelled"
    executor.close()


def test_the_master_is_woken_when_there_is_room_again(desk):
    executor = desk.executor(poll="60s", executor_slots=1)
    listener = psycopg2.connect(desk.cluster.database_url)
    listener.autocommit = True
    listener.cursor().execute("LISTEN rota_credit")
    task = desk.assign(executor, "shell", {"command": "sleep 0.2"})
    desk.wait_outcome(task, 5)

    def woken():
        listener.poll()
        return listener.notifies
    wait_until(woken, 3, "a notification on rota_credit")
    assert desk.state(executor)[0] == 1
    listener.close()
    executor.close()


def test_a_number_that_becomes_visible_late_is_found(desk, executor):
    desk.number += 10
    later = desk.assign(executor, "log")
    desk.wait_outcome(later)
    desk.number -= 11
    earlier = desk.assign(executor, "log", wake=False)
    desk.number += 10
    assert desk.wait_outcome(earlier, 5)["outcome"] == "succeeded"


def test_slots_bound_what_runs_and_log_tasks_pass_by(desk):
    executor = desk.executor(executor_slots=2)
    shells = desk.assign(executor, "shell", {"command": "exec sleep 1000"}, count=4)
    wait_until(lambda: len(marked(executor.id)) == 2, 5, "two run")
    assert desk.wait_outcome(desk.assign(executor, "log"))["outcome"] == "succeeded"
    assert len(marked(executor.id)) == 2
    assert executor.metric("rota_executor_slots_busy") == 2
    wait_until(lambda: desk.state(executor)[0] == 0, 5, "no credits are left")
    running = [task for task in shells if desk.attempt(task)["started_at"]]
    for task in running:
        desk.cancel(executor, task)
        assert desk.wait_outcome(task)["outcome"] == "cancelled"
    wait_until(lambda: len(marked(executor.id)) == 2, 5, "the other two run")
    executor.close()


def test_cancelled_before_its_start(desk):
    executor = desk.executor(executor_slots=1)
    first = desk.assign(executor, "shell", {"command": "exec sleep 1000"})
    second = desk.assign(executor, "shell", {"command": "true"})
    wait_until(lambda: marked(executor.id), 5, "the first runs")
    desk.cancel(executor, second)
    attempt = desk.wait_outcome(second)
    assert attempt["outcome"] == "cancelled" and attempt["started_at"] is None
    assert desk.attempt(first)["outcome"] is None
    executor.close()


def test_on_lost_fail_starts_only_when_its_start_is_on_record(desk, executor):
    task = desk.assign(executor, "shell", {"command": "sleep 0.2"}, on_lost="fail")
    wait_until(lambda: desk.attempt(task)["started_at"], 5, "the start is written")
    assert desk.wait_outcome(task)["outcome"] == "succeeded"
    log = desk.assign(executor, "log", on_lost="fail")
    assert desk.wait_outcome(log)["outcome"] == "succeeded"


def test_on_lost_fail_that_was_taken_away_never_starts(desk, executor, tmp_path):
    """Recovery closes the attempt after it was read and before its start is written."""
    blocker = psycopg2.connect(desk.cluster.database_url)
    proper = proper_of(executor)
    os.kill(proper, signal.SIGSTOP)
    task = desk.assign(executor, "shell", {"command": f"touch {tmp_path}/ran"}, on_lost="fail")
    with blocker.cursor() as cursor:
        cursor.execute("UPDATE attempt SET outcome = 'returned', finished_at = now()"
                       " WHERE task_id = %s", (task,))
        os.kill(proper, signal.SIGCONT)
        wait_until(lambda: desk.cluster.sql(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'rota-executor' AND wait_event_type = 'Lock'"), 5,
            "the start waits for the row")
    blocker.commit()
    blocker.close()
    executor.wait_line(f"event=task.fenced .*task={task} ")
    assert not (tmp_path / "ran").exists()
    assert desk.attempt(task)["outcome"] == "returned"


def test_a_report_that_came_too_late_is_fenced(desk, executor):
    task = desk.assign(executor, "shell", {"command": "sleep 0.5"})
    desk.cluster.sql("UPDATE attempt SET outcome = 'lost', finished_at = clock_timestamp()"
                     " WHERE task_id = %s", task)
    task2 = desk.assign(executor, "shell", {"command": "sleep 0.3"})
    wait_until(lambda: desk.attempt(task2)["started_at"], 5, "it runs")
    desk.cluster.sql("UPDATE attempt SET outcome = 'lost', finished_at = clock_timestamp()"
                     " WHERE task_id = %s", task2)
    executor.wait_line(f"event=task.fenced .*task={task2} ")
    assert desk.attempt(task2)["outcome"] == "lost"
    assert executor.metric("rota_fenced_writes_total", where="finish") >= 1


def test_reports_outlive_broken_connections(desk, executor):
    """Every connection is ended again and again while 5,000 tasks are run: each is reported."""
    tasks = []
    for _ in range(5):
        tasks += desk.assign(executor, "log", count=1000)
        desk.cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                         " WHERE datname = current_database()"
                         " AND application_name LIKE 'rota-executor%%' AND pid <> %s", 0)
    wait_until(lambda: desk.cluster.value(
        "SELECT count(*) = 5000 FROM attempt WHERE executor = %s AND outcome = 'succeeded'",
        executor.id), 30, "all are reported")
    started = executor.lines("event=task.started")
    assert len(started) == 5000
    assert not executor.lines("event=task.fenced")


# --- Ends --------------------------------------------------------------------------------------


def test_a_clean_stop_returns_what_waits_and_awaits_what_runs(desk):
    executor = desk.executor(executor_slots=1)
    runs = desk.assign(executor, "shell", {"command": "sleep 1"})
    waits = desk.assign(executor, "shell", {"command": "true"})
    wait_until(lambda: marked(executor.id), 5, "the first runs")
    wait_until(lambda: desk.state(executor)[1] == desk.number, 5, "both are read")
    assert executor.stop() == 0
    assert desk.attempt(runs)["outcome"] == "succeeded"
    attempt = desk.attempt(waits)
    assert attempt["outcome"] == "returned" and attempt["started_at"] is None
    assert desk.cluster.sql("SELECT token, spent FROM due WHERE task_id = %s", waits) == [(1, 0)]
    assert desk.cluster.sql("SELECT dead_reason FROM node WHERE id = %s", executor.id) == \
        [("stopped",)]


def test_a_clean_stop_where_the_database_was_never_reached(cluster):
    executor = cluster.executor(database_url="postgresql://nobody@127.0.0.1:1/none")
    executor.wait_line("event=db.lost")
    assert executor.stop(10) == 0


def test_a_clean_stop_has_an_end(desk):
    executor = desk.executor(shutdown_timeout="3s")
    task = start_family(desk, executor)
    assert executor.stop(10) == 0
    assert marked(executor.id) == []
    assert desk.attempt(task)["outcome"] is None  # for recovery to settle
    assert desk.cluster.value("SELECT dead_at IS NOT NULL FROM node WHERE id = %s", executor.id)


def test_kill_9_of_the_executor_leaves_nothing_and_is_reported_at_once(desk, executor):
    start_family(desk, executor)
    os.kill(proper_of(executor), signal.SIGKILL)
    successor = wait_until(lambda: desk.node(executor, but=executor.id), 10, "a successor is up")
    assert marked(executor.id) == []
    assert wait_until(lambda: desk.cluster.sql(
        "SELECT dead_reason FROM node WHERE id = %s AND dead_at IS NOT NULL", executor.id), 5,
        "the former is marked dead") == [("process ended",)]
    assert desk.wait_outcome(desk.assign(executor, "log", node=successor))["outcome"] == "succeeded"


def test_a_frozen_executor_is_killed_by_its_deadline(desk, executor):
    start_family(desk, executor)
    frozen = proper_of(executor)
    os.kill(frozen, signal.SIGSTOP)
    wait_until(lambda: not is_alive(frozen), 8, "the guardian has killed it")
    # The executor is killed first, so that it starts nothing more; its tasks right after it.
    wait_until(lambda: not marked(executor.id), 3, "nothing of it is left")
    wait_until(lambda: desk.node(executor, but=executor.id), 10, "a successor is up")


def test_an_executor_without_its_guardian_ends_all(desk, executor):
    start_family(desk, executor)
    proper = proper_of(executor)
    executor.kill()
    wait_until(lambda: not marked(executor.id), 5, "nothing of it is left")
    wait_until(lambda: not is_alive(proper), 5, "it has ended itself")


def test_cut_off_from_the_database_it_stops_in_time_and_comes_back(desk, executor, servers):
    start_family(desk, executor)
    refused = desk.cluster.name
    desk.cluster.maintain(f'ALTER DATABASE "{refused}" ALLOW_CONNECTIONS false')
    desk.cluster.maintain("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                          f" WHERE datname = '{refused}'")
    try:
        executor.wait_line("event=lease.running_out", 8)
        wait_until(lambda: not marked(executor.id), 3, "nothing of it runs")
        # By itself, before the guardian has to.
        executor.wait_line("event=executor.giving_up .*lease ran out", 3)
        assert not executor.lines("event=guardian.deadline")
    finally:
        desk.cluster.maintain(f'ALTER DATABASE "{refused}" ALLOW_CONNECTIONS true')
    wait_until(lambda: desk.node(executor, but=executor.id), 15, "a successor is up")


def test_marked_dead_it_ends_all_at_once(desk, executor):
    start_family(desk, executor)
    desk.cluster.sql("WITH gone AS (DELETE FROM node_guard WHERE id = %s RETURNING id)"
                     " UPDATE node SET dead_at = clock_timestamp(), dead_reason = 'test'"
                     " FROM gone WHERE node.id = gone.id", executor.id)
    wait_until(lambda: not marked(executor.id), 3, "nothing of it runs")
    wait_until(lambda: desk.node(executor, but=executor.id), 10, "a successor is up")


def test_wrong_settings_end_it_with_one_line(desk, cluster):
    executor = cluster.executor(executor_types="log,magic")
    wait_until(lambda: not executor.running, 10, "it has ended")
    assert executor.exit_status == 2
    assert executor.lines("ROTA_EXECUTOR_TYPES.*magic")
