"""PostgreSQL fails over to a standby. What an asynchronous one lacks is put right as far as it can
be: ends that are lost are reported once more, what was stored on the old primary alone comes from
Kafka again, and only tasks whose handing over is lost may run twice. A synchronous one lacks
nothing, and nothing runs twice."""

import collections
import os
import signal
import time

import pytest

from cluster import Cluster, family, is_alive, wait_until
from replica import Pair, timeline_epoch

CLUSTER = SETTINGS = {"lease": "2s", "resolve": "500ms", "heartbeat": "200ms", "alive": "5s", "poll": "200ms",
            "executor_lease": "20s", "kill_grace": "300ms", "executor_slots": "64"}


class Trace:
    """What tasks themselves have written: one line at each start and end, appended."""

    def __init__(self, folder):
        self.file = folder / "trace"
        self.folder = folder

    def task(self, gate=None, status=0, **fields):
        """A shell task that ends when its gate is opened, or at once."""
        wait = f"while [ ! -e {self.folder}/{gate} ]; do sleep 0.05; done" if gate else ":"
        told = "$ROTA_TASK_ID $ROTA_ATTEMPT $$ $(date +%s.%N)"
        command = (f'echo "start {told}" >> {self.file}; {wait};'
                   f' echo "end {told}" >> {self.file}; exit {status}')
        return {"type": "shell", "shell": {"command": command}, **fields}

    def open(self, gate):
        (self.folder / gate).touch()

    def lines(self, word="start"):
        """task id -> [(attempt, pid, instant)], in the order of the file."""
        found = collections.defaultdict(list)
        for line in self.file.read_text().splitlines() if self.file.exists() else []:
            kind, task, attempt, pid, instant = line.split()
            if kind == word:
                found[task].append((int(attempt), int(pid), float(instant)))
        return found

    def wait(self, ids, word="start", times=1, seconds=30):
        wait_until(lambda: all(len(self.lines(word)[task]) >= times for task in ids), seconds,
                   f"{len(ids)} tasks tell their {word} number {times}")


@pytest.fixture
def fail_over_cluster(servers, request):
    """fail_over_cluster(synchronous=False): servers and a cluster on them; all is removed."""
    made = []

    def make(synchronous=False, **settings):
        pair = Pair(servers, synchronous)
        made.append(pair)
        pair.start()
        cluster = Cluster(pair, request.node.name, **{**SETTINGS, **settings})
        make.made.append(cluster)
        made.append(cluster)
        return pair, cluster

    make.made = []
    yield make
    for thing in reversed(made):
        thing.close()


# Its failed tests show the logs, as conftest.py knows it.
new_cluster = fail_over_cluster


def schedule(cluster, count, task):
    return [cluster.schedule(task)["id"] for _ in range(count)]


def on(pair, server, cluster, query, *arguments):
    return pair.ask(server, query, *arguments, database=cluster.name)


def count_ended(pair, cluster, ids):
    return on(pair, pair.postgres, cluster, "SELECT count(*) FROM attempt"
              " WHERE task_id = ANY (%s::uuid[]) AND outcome IS NOT NULL", ids)[0][0]


def stored(pair, cluster, ids):
    return on(pair, pair.postgres, cluster, "SELECT count(*) FROM task WHERE id = ANY (%s::uuid[])",
              ids)[0][0]


def ends(pair, server, cluster, ids):
    return on(pair, server, cluster, "SELECT task_id::text, token, inbox, started_at, finished_at,"
              " outcome::text, exit_code, error FROM attempt WHERE task_id = ANY (%s::uuid[])"
              " ORDER BY 1, 2", ids)


def repeated(cluster):
    return sum(node.metric("rota_reports_repeated_total") or 0 for node in cluster.of("executor"))


def test_an_asynchronous_standby_that_lacks_the_last_commits(new_cluster, tmp_path):
    pair, cluster = new_cluster()
    tmp_path.chmod(0o755)
    trace = Trace(tmp_path)
    cluster.start()
    before = schedule(cluster, 10, trace.task())
    for identity in before:
        cluster.wait_state(identity, "succeeded")
    # Handed over before the cut: end lost, also that of a failure, end after the failover.
    lost_ends = schedule(cluster, 20, trace.task("first"))
    lost_failures = schedule(cluster, 3, trace.task("first", status=3, on_lost="fail"))
    outlasting = schedule(cluster, 5, trace.task("last"))
    trace.wait(lost_ends + lost_failures + outlasting)
    wait_until(lambda: on(pair, pair.postgres, cluster, "SELECT 1 FROM attempt WHERE outcome IS NULL"
                          " HAVING count(started_at) = 28"), 10, "28 starts are on record")
    # Handed over before the cut, start and end lost.
    frozen = [family(executor.pid)[1] for executor in cluster.of("executor")]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    lost_runs = schedule(cluster, 20, trace.task())
    wait_until(lambda: on(pair, pair.postgres, cluster, "SELECT count(*) FROM attempt"
                          " WHERE task_id = ANY (%s::uuid[])", lost_runs)[0][0] == 20, 10,
               "tasks are handed over to executors that are frozen")
    # Stored before the cut, handed over after it.
    lost_starts = schedule(cluster, 10, trace.task(delay="PT4S"))
    lost_running = schedule(cluster, 3, trace.task("last", delay="PT4S"))
    wait_until(lambda: stored(pair, cluster, lost_starts + lost_running) == 13, 10, "all is stored")
    pair.cut()
    cut_at = time.time()
    # The truth of what was handed over, however long all of that took.
    known_attempts = dict(on(pair, pair.standby, cluster,
                             "SELECT task_id::text, outcome IS NOT NULL FROM attempt"))
    handed = set(known_attempts)
    assert {*before, *lost_ends, *lost_failures, *outlasting, *lost_runs} <= handed
    assert not handed >= {*lost_starts, *lost_running}
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)

    trace.open("first")
    lost = lost_ends + lost_failures + lost_runs
    wait_until(lambda: count_ended(pair, cluster, lost) == 43, 20,
               "the ends that will be lost are accepted")
    known = ends(pair, pair.postgres, cluster, lost)
    trace.wait(lost_starts + lost_running)
    # Known to the old primary alone: tasks, and an executor that runs some of them.
    newcomer = cluster.executor().wait_ready()
    lost_tasks = schedule(cluster, 10, trace.task())
    ahead = schedule(cluster, 5, trace.task(delay="PT6S"))
    trace.wait(lost_tasks)
    wait_until(lambda: count_ended(pair, cluster, lost_tasks + lost_starts) == 20, 20,
               "the tasks that will be lost have ended")
    wait_until(lambda: stored(pair, cluster, ahead) == 5, 20, "all is stored")
    running = [lines[0][1] for task, lines in trace.lines().items()
               if task in lost_running and task not in handed]
    epoch = cluster.value("SELECT epoch FROM master")
    pair.kill()
    killed_at = time.monotonic()
    pair.promote()

    # The programs go over by themselves. What is not open there any more is stopped.
    wait_until(cluster.master, 30, "one is master of the new primary")
    took = time.monotonic() - killed_at
    for pid in running:
        wait_until(lambda: not is_alive(pid), 20, f"process {pid}, whose handing over is lost, ends")
    wait_until(lambda: ends(pair, pair.standby, cluster, lost) == known, 20,
               "the ends are reported again as they were")
    trace.open("last")
    tasks = {"before": before, "lost_ends": lost_ends, "lost_failures": lost_failures,
             "lost_runs": lost_runs, "outlasting": outlasting, "lost_starts": lost_starts, "lost_running": lost_running,
             "lost_tasks": lost_tasks, "ahead": ahead}
    cluster.wait_all_ended(sum(map(len, tasks.values())), 60)
    for name, ids in tasks.items():
        states = {cluster.task(identity)["state"] for identity in ids}
        assert states == {"failed" if name == "lost_failures" else "succeeded"}, name
    starts = trace.lines()
    for name in ("before", "lost_ends", "lost_failures", "lost_runs", "outlasting", "ahead"):
        assert [len(starts[task]) for task in tasks[name]] == [1] * len(tasks[name]), name
    twice = [task for task, lines in starts.items() if len(lines) > 1]
    assert set(twice) <= {*lost_starts, *lost_running, *lost_tasks} - handed
    assert all(starts[task][0][2] > cut_at for task in twice)
    assert max(len(lines) for lines in starts.values()) == 2
    # One attempt each on record, of a number that the old primary never gave.
    new = timeline_epoch(2)
    assert epoch < new <= cluster.value("SELECT epoch FROM master")
    for task, token, inbox in cluster.sql("SELECT task_id::text, token, inbox FROM attempt"):
        assert token == 1
        assert (inbox >> 32 >= new) == (task not in handed)
    # The executor that the new primary does not know is there as another node.
    newcomer.wait_line("event=executor.giving_up.*marked dead", 20)
    newcomer.wait_ready()
    wait_until(lambda: cluster.value("SELECT count(*) FROM node WHERE name = %s AND dead_at IS NULL",
                                     newcomer.name) == 1, 20, "the newcomer is registered again")
    assert repeated(cluster) == len([task for task in [*lost, *lost_starts]
                                     if known_attempts.get(task) is False])
    assert cluster.broken_invariants() == []
    print(f"one is master {took:.1f} s after the kill; {len(twice)} tasks ran twice")


@pytest.mark.slow
def test_a_synchronous_standby_loses_nothing(new_cluster, tmp_path):
    pair, cluster = new_cluster(synchronous=True)
    tmp_path.chmod(0o755)
    trace = Trace(tmp_path)
    cluster.start()
    # Due all along: while the primary is there, while none is, and afterwards.
    tasks = [trace.task(delay=f"PT{n * 6 / 240:.3f}S") for n in range(240)]
    answer = cluster.front.post("/api/v1/tasks:batch", tasks)
    assert answer.status == 202, answer
    ids = [item["id"] for item in answer.json()["results"]]
    outlasting = schedule(cluster, 5, trace.task("last"))
    trace.wait(outlasting + ids[:60])
    pair.fail_over()
    accepted = schedule(cluster, 10, trace.task())
    wait_until(cluster.master, 30, "one is master of the new primary")
    trace.open("last")
    cluster.wait_all_ended(len(ids + outlasting + accepted), 60)
    starts = trace.lines()
    assert {task: len(starts[task]) for task in ids + outlasting + accepted if len(starts[task]) != 1} \
        == {}
    assert cluster.value("SELECT count(*) FROM attempt WHERE outcome = 'succeeded' AND token = 1") \
        == len(ids + outlasting + accepted)
    assert cluster.value("SELECT epoch FROM master") >= timeline_epoch(2)
    assert cluster.broken_invariants() == []


def test_a_late_report_ends_nothing_of_another_history(new_cluster, tmp_path):
    """The same task and token, handed over by both primaries: the report of the former attempt comes
    when the later one runs."""
    pair, cluster = new_cluster(alive="2s", executor_lease="60s")
    tmp_path.chmod(0o755)
    trace = Trace(tmp_path)
    cluster.start(executors=1)
    former = cluster.of("executor")[0]
    pair.cut()
    # Each run ends when a file of its node's name is there, with the status that it holds.
    task = cluster.schedule(trace.task("$ROTA_NODE", status=f"$(cat {tmp_path}/$ROTA_NODE)"))["id"]
    trace.wait([task])
    node = cluster.value("SELECT executor::text FROM attempt")
    pair.kill()
    (tmp_path / node).write_text("7")
    former.wait_line(f"event=task.finished.*task={task}.*exit_code=7", 20)
    proper = family(former.pid)[1]
    os.kill(proper, signal.SIGSTOP)
    try:
        # By what the standby knows it must not look alive: the later attempt goes elsewhere.
        wait_until(lambda: on(pair, pair.standby, cluster, "SELECT clock_timestamp() - heartbeat_at >"
                              " interval '2 s' FROM node WHERE id = %s", node)[0][0], 10, "it is silent")
        pair.promote()
        later = cluster.executor().wait_ready()
        trace.wait([task], times=2)
    finally:
        os.kill(proper, signal.SIGCONT)
    former.wait_line(f"event=task.fenced.*task={task}.*at=finish", 30)
    assert cluster.task(task)["state"] in ("assigned", "running")
    (tmp_path / cluster.value("SELECT executor::text FROM attempt WHERE outcome IS NULL")).write_text("0")
    cluster.wait_state(task, "succeeded")
    assert [row[:1] + row[3:5] for row in attempts_of(cluster, task)] == [(1, "succeeded", 0)]
    assert later.metric("rota_fenced_writes_total") in (None, 0)
    assert cluster.broken_invariants() == []


@pytest.mark.slow
def test_a_primary_that_does_not_answer_at_all(new_cluster):
    """Frozen, its machine still takes connections: nobody waits at its door for ever."""
    pair, cluster = new_cluster()
    cluster.start(executors=1)
    pair.postgres.pause()
    frozen_at = time.monotonic()
    pair.promote()
    accepted = schedule(cluster, 10, {"type": "log"})
    wait_until(lambda: pair.ask(pair.standby, "SELECT 1 FROM attempt WHERE outcome = 'succeeded'"
                                " HAVING count(*) = 10", database=cluster.name), 55,
               "the programs find the new primary, and what was accepted runs")
    took = time.monotonic() - frozen_at
    assert cluster.front.get(f"/api/v1/tasks/{accepted[0]}").status in (200, 503)
    pair.kill()
    assert cluster.broken_invariants() == []
    print(f"tasks ran {took:.1f} s after the primary froze")


def take_back_end(cluster, identity):
    """As a standby shows an attempt whose end did not reach it; what follows an end goes, too."""
    cluster.sql("DELETE FROM task_end WHERE task_id = %s", identity)
    cluster.sql("UPDATE attempt SET outcome = NULL, finished_at = NULL, exit_code = NULL, error = NULL,"
                " started_at = NULL WHERE task_id = %s", identity)


def attempts_of(cluster, identity):
    return cluster.sql("SELECT token, started_at, finished_at, outcome::text, exit_code, error"
                       " FROM attempt WHERE task_id = %s ORDER BY 1", identity)


def test_an_end_that_is_lost_below_the_low_mark(cluster, tmp_path):
    """Without a failover: the row is set back. Its executor reports it again as it was; where that
    is gone as well, recovery walks its inbox."""
    cluster.start(executors=1)
    trace = Trace(tmp_path)
    tmp_path.chmod(0o755)
    ids = [cluster.schedule(trace.task(status=n))["id"] for n in range(3)]
    cluster.wait_all_ended(3)
    known = [attempts_of(cluster, identity) for identity in ids]
    # More behind them, so that the low mark has passed.
    later = schedule(cluster, 5, {"type": "log"})
    for identity in later:
        cluster.wait_state(identity, "succeeded")
    for identity in ids:
        take_back_end(cluster, identity)
    cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'rota-executor'")
    cluster.wait_all_ended(8)
    assert [attempts_of(cluster, identity) for identity in ids] == known
    assert repeated(cluster) == 3
    assert [len(trace.lines()[identity]) for identity in ids] == [1, 1, 1]
    assert cluster.broken_invariants() == []
    # Nobody remembers: its executor is gone, and the number lies below its low mark.
    executor = cluster.of("executor")[0]
    wait_until(lambda: cluster.value("SELECT low > (SELECT max(inbox) FROM attempt)"
                                     " FROM executor_state"), 10, "all is below the low mark")
    assert executor.stop() == 0
    take_back_end(cluster, ids[0])
    cluster.executor().wait_ready()
    wait_until(lambda: len(trace.lines()[ids[0]]) == 2, 30, "it is found and runs again")
    cluster.wait_state(ids[0], "succeeded")
    assert [row[3] for row in attempts_of(cluster, ids[0])] == ["returned", "succeeded"]
    wait_until(lambda: cluster.value("SELECT count(*) FROM executor_state") == 1, 20,
               "the state of the former executor is dropped")
    assert cluster.broken_invariants() == []
