"""Nodes stopped and killed exactly where timing decides: at each point of common/point.h.

A story arms a point on one node, makes it pass there, sees that it did stop or die, and looks at what
became of the tasks: each accepted one has ended, and ran as often as its policy allows, by a record
that the tasks themselves write. Most of a story's time is a lease that passes, so a few run beside
each other; those of executors share a cluster, each on a queue of its own. A test waits for its story
and fails with it.

Runs only with programs that have the points in them: a build with -Dfault_points=true.
"""

import collections
import concurrent.futures
import datetime
import functools
import http.client
import os
import re
import signal
import subprocess
import threading
import time

import psycopg2
import pytest

from cluster import (ROOT, Cluster, cluster_program, family, is_alive, process_fields,
                     session_members, wait_until)

SETTINGS = {"lease": "2s", "resolve": "500ms", "heartbeat": "200ms", "alive": "5s",
            "executor_lease": "6s", "kill_grace": "300ms", "poll": "200ms", "kafka_partitions": "2"}
AT_ONCE = 12
DECLARED = re.findall(r'^#define POINT_\w+ "(.+?)"', (ROOT / "common/point.h").read_text(), re.M)

Story = collections.namedtuple("Story", "play points shared")
STORIES = {}
INVARIANTS = (ROOT / "sql/invariants.sql").read_text()
counting = threading.Lock()
starting = threading.Semaphore(4)  # clusters: each makes its topics
wait = functools.partial(wait_until, every=0.05)


def story(*points, shared=False, name=None, **how):
    """Makes a story of a function: stage and `how` are its arguments, `points` what it reaches."""
    def add(function):
        STORIES[name or function.__name__] = Story(lambda stage: function(stage, **how), points, shared)
        return function
    return add


# --- The stage ----------------------------------------------------------------------------------


class Stage:
    """What a story has: a cluster or, where it is shared, a queue of it; and the record."""

    def __init__(self, cluster, queue):
        self.cluster, self.queue = cluster, queue
        self.record, self.gate = (cluster.folder / f"{queue}.{end}" for end in ("record", "gate"))
        self.nodes, self.seen = [], []
        self.connection = psycopg2.connect(cluster.database_url, connect_timeout=10)
        self.connection.autocommit = True
        self.record.touch()
        self.open_gate()

    # Nodes and their points.

    def node(self, role, order=None, **settings):
        if role == "executor":
            settings.setdefault("executor_queues", self.queue)
        with counting:
            node = self.cluster.node(role, **settings)
        node.order = self.cluster.folder / f"{node.name}.point"
        node.environment["FAULT_POINT"] = str(node.order)
        if order:
            self.arm(node, order)
        self.nodes.append(node)
        return node.start()

    def start(self, consumers=2, executors=1, **settings):
        with starting:
            self.node("producer")
            nodes = [self.node("consumer") for _ in range(consumers)]
            nodes += [self.node("executor", **settings) for _ in range(executors)]
            for node in self.nodes:
                node.wait_ready(60)
            self.master()
        return nodes

    def arm(self, node, order):
        fresh = node.order.with_suffix(".fresh")
        fresh.write_text(order)
        fresh.rename(node.order)
        node.struck = node.order.with_suffix(".point.reached")
        node.struck.unlink(missing_ok=True)
        node.armed = order

    def reached(self, node, seconds=40):
        """The process that the point has struck: it is stopped, or gone."""
        point, what = node.armed.split("=")
        wait(lambda: node.struck.exists(), seconds, f"{node.name} passes {point}")
        pid = int(node.struck.read_text())
        if what.startswith("kill"):
            wait(lambda: not is_alive(pid), 10, f"{node.name} died at {point}")
        else:
            wait(lambda: process_fields(pid)[0] == "T", 10, f"{node.name} stands at {point}")
        self.seen.append(point)
        return pid

    def arm_consumers(self, order):
        """Whichever comes there: also on a busy machine, where the lease may move meanwhile."""
        for node in self.of("consumer"):
            self.arm(node, order)

    def reached_by_one(self, seconds=40):
        """The first of the consumers; the others are not armed any more."""
        nodes = [node for node in self.of("consumer") if hasattr(node, "armed")]
        wait(lambda: any(node.struck.exists() for node in nodes), seconds, nodes[0].armed)
        one = next(node for node in nodes if node.struck.exists())
        for node in nodes:
            node.order.unlink(missing_ok=True)
        self.reached(one)
        return one

    def of(self, role):
        return [node for node in self.nodes if node.role == role]

    def wake(self, node):
        os.kill(int(node.struck.read_text()), signal.SIGCONT)

    def master(self, former=None, seconds=40):
        """The master; where a former one is named, as soon as it is another."""
        def other():
            pids = self.sql("SELECT n.pid FROM master m JOIN node n ON n.id = m.owner"
                            " WHERE m.expires_at > clock_timestamp()")
            return next((node for node in self.of("consumer") if node is not former
                         and [(node.pid,)] == pids), None)
        return wait(other, seconds, "another is master" if former else "one is master")

    # Tasks.

    def open_gate(self):
        self.gate.touch()

    def close_gate(self):
        """From now on a task runs for a minute, unless it finds the gate open when it starts."""
        self.gate.unlink()

    def task(self, **fields):
        say = 'echo "$ROTA_TASK_ID $ROTA_ATTEMPT'
        command = (f'{say} start" >> {self.record}; [ -e {self.gate} ] || sleep 60;'
                   f' {say} end" >> {self.record}')
        return {"type": "shell", "shell": {"command": command}, "queue": self.queue, **fields}

    def post(self, count=1, **fields):
        """The ids of so many alike, once they are stored."""
        return self.post_all([self.task(**fields)] * count)

    def post_all(self, tasks):
        answer = self.cluster.front.post("/api/v1/tasks:batch", tasks)
        assert answer.status == 202, answer
        ids = [result["id"] for result in answer.json()["results"] if result["status"] == 202]
        assert len(ids) == len(tasks), answer
        self.wait_stored(ids)
        return ids

    def sql(self, query, *arguments):
        with self.connection.cursor() as cursor:
            cursor.execute(query, arguments or None)
            return cursor.fetchall() if cursor.description else []

    def count(self, query, *arguments):
        return self.sql(query, *arguments)[0][0]

    def wait_stored(self, ids, seconds=40):
        wait(lambda: self.count("SELECT count(*) FROM task WHERE id = ANY (%s::uuid[])", ids)
                   == len(ids), seconds, "all are stored")

    def wait_assigned(self, ids, seconds=40):
        wait(lambda: self.count("SELECT count(DISTINCT task_id) FROM attempt"
                                      " WHERE task_id = ANY (%s::uuid[])", ids) == len(ids),
                   seconds, "all are assigned")

    def wait_running(self, ids, seconds=40):
        """They run, and their starts are written."""
        wait(lambda: all(self.runs(task) for task in ids), seconds, "all run")
        wait(lambda: self.count(
            "SELECT count(*) FROM attempt WHERE task_id = ANY (%s::uuid[]) AND outcome IS NULL"
            " AND started_at IS NOT NULL", ids) == len(ids), seconds, "their starts are written")

    def runs(self, task):
        return sum(line.startswith(task) and line.endswith("start")
                   for line in self.record.read_text().splitlines())

    def attempts(self, ids):
        """All that the database holds of their attempts."""
        return self.sql("SELECT * FROM attempt WHERE task_id = ANY (%s::uuid[])"
                        " ORDER BY task_id, token", ids)

    def outcomes(self, task):
        return [row[0] for row in self.sql("SELECT outcome::text FROM attempt WHERE task_id = %s::uuid"
                                           " ORDER BY token", task)]

    def settle(self, ids, runs=1, state="succeeded", seconds=60):
        """Until each has ended, in that state, after so many runs, none of them beside another."""
        def states():
            return dict(self.sql("SELECT task_id::text, state FROM task_state"
                                 " WHERE task_id = ANY (%s::uuid[])", ids))
        open_states = ("scheduled", "assigned", "running", "retrying")
        wait(lambda: not set(states().values()) & set(open_states), seconds,
                   f"all have ended: {ids}")
        assert states() == {task: state for task in ids}
        assert {task: self.runs(task) for task in ids} == {task: runs for task in ids}
        self.check_order()
        self.check_invariants()

    def check_order(self):
        """No task says that it ended after a later attempt of it has begun."""
        latest = {}
        for line in self.record.read_text().splitlines():
            task, attempt, _ = line.split()
            assert int(attempt) >= latest.setdefault(task, int(attempt)), line
            latest[task] = int(attempt)

    def check_invariants(self):
        assert self.sql(INVARIANTS) == []

    def unchanged_by(self, what, ids):
        """Does `what`, after which everything about these tasks stands as it stood."""
        before = self.attempts(ids), [self.runs(task) for task in ids]
        what()
        assert (self.attempts(ids), [self.runs(task) for task in ids]) == before, "that changed something"
        self.check_invariants()

    def close(self):
        for node in self.nodes:
            node.close()
        self.connection.close()


def proper(executor):
    """The executor proper: the guardian's child."""
    return wait(lambda: family(executor.pid)[1:2], 10, "the executor proper")[0]


def signal_all_of(executor, number):
    """Guardian, executor proper and tasks."""
    for pid in session_members(executor.pid):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass  # a task that was about to end


# --- What runs them -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told(servers, request):
    """name -> future of each story that was asked for. The longest were defined first, and begin."""
    wanted = {item.callspec.params.get("name") for item in request.session.items
              if hasattr(item, "callspec")}
    shared = Cluster(servers, "points", **SETTINGS)
    pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)

    def tell(name):
        told = STORIES[name]
        cluster = shared if told.shared else Cluster(servers, name, **SETTINGS)
        stage = Stage(cluster, name.replace("_", "-"))
        try:
            told.play(stage)
            assert set(stage.seen) == set(told.points), "a point was not reached"
        except Exception as problem:
            raise AssertionError(f"{type(problem).__name__}: {problem}\n" + "\n".join(
                f"--- {node.name}\n{node.tail(60)}" for node in stage.nodes)) from problem
        finally:
            stage.close()
            if not told.shared:
                cluster.close()

    try:
        for program in ("producer", "consumer", "executor"):
            assert b"FAULT_POINT" in cluster_program(program).read_bytes(), \
                f"rota-{program} has no fault points: build it with -Dfault_points=true"
        shared.start(executors=0)
        yield {name: pool.submit(tell, name) for name in STORIES if name in wanted}
    finally:
        pool.shutdown(cancel_futures=True)
        shared.close()


def test_every_point_is_told():
    assert len(DECLARED) == len(set(DECLARED)) > 40
    assert sorted({point for told in STORIES.values() for point in told.points}) == sorted(DECLARED)


# --- Stories: what takes longest ------------------------------------------------------------------

OLD = """
INSERT INTO node (id, role, name, version, pid, started_at, heartbeat_at, dead_at, dead_reason)
    VALUES ('{0}', 'executor', 'gone', 'x', 1, now() - interval '49 d', now() - interval '40 d',
            now() - interval '40 d', 'stopped');
INSERT INTO task (id, type, name, queue, priority, run_at, created_at, stored_at, on_lost, size)
    SELECT gen_random_uuid(), 'log', 'old', 'default', 0, at, at, at, 'retry', 0
    FROM (SELECT now() - interval '40 d' AS at) AS w, generate_series(1, 50);
INSERT INTO attempt (task_id, token, executor, inbox, assigned_at, started_at, finished_at, outcome)
    SELECT id, 1, '{0}', (1::bigint << 32) + row_number() OVER (), run_at, run_at, run_at, 'failed'
    FROM task WHERE name = 'old';
INSERT INTO task_end SELECT id, 'failed', 'as said', run_at, type, queue, run_at, created_at
    FROM task WHERE name = 'old';
""".format("00000000-0000-4000-8000-0000000000d1")


def old_tasks(stage):
    return stage.count("SELECT count(*) FROM task WHERE name = 'old'")


@story("retain.sending")
def a_late_removal_is_fenced(stage):
    stage.start(executors=0)
    stage.sql(OLD)
    stage.arm_consumers("retain.sending=stop")
    former = stage.reached_by_one(60)
    stage.master(former)
    stage.wake(former)
    former.wait_line("event=master.ended")
    wait(lambda: not stage.count("SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
                                       " AND application_name = 'rota master'"), 10, "it was answered")
    assert old_tasks(stage) == 50
    stage.check_invariants()


@story("retain.committed")
def a_removal_is_not_undone(stage):
    stage.start()
    stage.sql(OLD)
    stage.arm_consumers("retain.committed=kill")
    former = stage.reached_by_one(60)
    assert old_tasks(stage) == 0
    stage.master(former)
    stage.check_invariants()


@story("mark.sending", name="a_late_mark_is_fenced", point="mark.sending=stop")
@story("mark.committed", name="between_mark_and_sweep", point="mark.committed=kill")
def silent_executor(stage, point):
    *_, executor = stage.start(executor_slots=2)
    *tasks, _ = running_and_waiting(stage, executor)
    stage.arm_consumers(point)
    signal_all_of(executor, signal.SIGSTOP)  # in one go: the machine is gone
    executor.close()
    stage.open_gate()
    former = stage.reached_by_one()
    marked = stage.count("SELECT count(*) FROM node WHERE role = 'executor' AND dead_at IS NOT NULL")
    assert marked == (point == "mark.committed=kill")
    assert stage.count("SELECT count(*) FROM attempt WHERE outcome IS NULL") == 3
    stage.node("executor")
    stage.master(former)
    settle_lost(stage, *tasks)
    if point.endswith("stop"):
        stage.unchanged_by(lambda: wake_to_nothing(stage, former), sum(tasks, []))


def wake_to_nothing(stage, former):
    """A master that was frozen past its lease goes on: its term has ended, and it writes nothing."""
    stage.wake(former)
    former.wait_line("event=master.ended")
    former.wait_ready()
    overlaps = stage.sql("SELECT a.epoch FROM master_term a JOIN master_term b ON a.epoch < b.epoch"
                         " WHERE a.ended_at IS NULL OR a.ended_at > b.began_at")
    assert overlaps == []


@story("claim.sending", "claim.committed", "store.sending", "store.committed")
def consumers_die_where_they_store(stage):
    """Six of seven consumers die or freeze, all at their first records; the last one stores it all."""
    orders = ["claim.sending=stop", "claim.committed=kill", "claim.sending=kill",
              "store.sending=stop", "store.sending=kill", "store.committed=stop", "store.committed=kill"]
    stage.node("producer", kafka_partitions=16).wait_ready()
    victims = [stage.node("consumer", order) for order in orders]
    for node in victims:
        node.wait_ready(60)
    ids = []

    def all_are_struck():
        """Tasks of one moment share a partition: each call is the next one's turn."""
        answer = stage.cluster.front.post("/api/v1/tasks:batch", [stage.task()] * 10)
        assert answer.status == 202, answer
        ids.extend(result["id"] for result in answer.json()["results"] if result["status"] == 202)
        return all(node.struck.exists() for node in victims)

    wait_until(all_are_struck, 40, "every consumer has had a record", every=0.03)
    for node in victims:
        stage.reached(node)
    stage.node("consumer")
    stage.node("executor")
    stage.wait_stored(ids, 40)
    stage.settle(ids)
    assert stage.count("SELECT count(*) FROM task") == len(ids)
    assert stage.count("SELECT count(*) FROM attempt") == len(ids)
    frozen = [node for node in victims if node.running]
    assert len(frozen) == 3

    def go_on():
        for node in frozen:
            stage.wake(node)
        for node in frozen:
            # What it was about to store is stored since, by another: it is fenced, or was on a
            # connection that has had no answer for too long.
            if node.armed == "store.sending=stop":
                node.wait_line("event=ingest.(fenced|waits)", 20)
            node.wait_ready()

    stage.unchanged_by(go_on, ids)
    assert stage.count("SELECT count(*) FROM task") == len(ids)
    stage.settle(stage.post(20))


# --- Stories: cancels -----------------------------------------------------------------------------


def ask_to_cancel(stage, task):
    answer = stage.cluster.front.post(f"/api/v1/tasks/{task}/cancel", {"reason": "as told"})
    assert answer.status == 202, answer


def read_again(stage, died):
    """Another consumer applies the cancel anew, since its offset was not stored."""
    other = next(node for node in stage.of("consumer") if node is not died)
    return other.wait_line("event=task.cancel", 40)


@story("cancel.ended", name="cancel_of_a_waiting_task", point="cancel.ended")
@story("cancel.asked", name="cancel_of_a_running_task", point="cancel.asked")
def cancel_dies(stage, point):
    stage.start()
    stage.close_gate()
    delay = {"delay": "PT1H"} if point == "cancel.ended" else {}
    ids = stage.post(1, **delay)
    if not delay:
        stage.wait_running(ids)
    stage.arm_consumers(f"{point}=kill")
    ask_to_cancel(stage, ids[0])
    died = stage.reached_by_one()
    runs = 0 if delay else 1
    stage.settle(ids, runs=runs, state="cancelled")
    before = stage.sql("SELECT * FROM task_end")
    assert "event=task.cancel_refused" in read_again(stage, died)
    assert stage.sql("SELECT * FROM task_end") == before
    stage.settle(ids, runs=runs, state="cancelled")


@story("redrive.committed")
def a_retry_that_is_read_again_runs_nothing(stage):
    """It has failed a second time when another consumer reads the command anew."""
    stage.start()
    ids = stage.post(1, shell={"command": f'echo "$ROTA_TASK_ID $ROTA_ATTEMPT start" >> {stage.record}; exit 1'})
    stage.settle(ids, state="failed")
    stage.arm_consumers("redrive.committed=kill")
    answer = stage.cluster.front.post(f"/api/v1/tasks/{ids[0]}/retry", {"reason": "as told"})
    assert answer.status == 202, answer
    died = stage.reached_by_one()
    other = next(node for node in stage.of("consumer") if node is not died)
    assert "state=failed" in other.wait_line("event=task.retry_refused", 40)
    stage.settle(ids, runs=2, state="failed")


@story("bounds.committed")
def a_change_of_a_queue_that_is_read_again_changes_nothing(stage):
    stage.start()
    stage.arm_consumers("bounds.committed=kill")
    answer = stage.cluster.front.request("PATCH", f"/api/v1/queues/{stage.queue}", {"concurrency": 5})
    assert answer.status == 202, answer
    died = stage.reached_by_one()
    other = next(node for node in stage.of("consumer") if node is not died)
    assert "unchanged=yes" in other.wait_line("event=queue.changed", 40)
    assert stage.sql("SELECT version, concurrency FROM queue WHERE name = %s", stage.queue) == [(1, 5)]
    stage.settle(stage.post(8))


@story("cancel.between", "cancel.missed")
def a_task_ends_while_it_is_cancelled(stage):
    stage.start()
    stage.close_gate()
    ids = stage.post(1)
    stage.wait_running(ids)
    stage.arm_consumers("cancel.between=stop")
    ask_to_cancel(stage, ids[0])
    node = stage.reached_by_one()
    stop_the_sleep(stage)
    stage.settle(ids)
    stage.arm(node, "cancel.missed=kill")
    stage.unchanged_by(lambda: (os.kill(node.pid, signal.SIGCONT), stage.reached(node)), ids)
    assert "event=task.cancel_refused" in read_again(stage, node)
    stage.settle(ids)


def stop_the_sleep(stage):
    """The running tasks go on behind their sleep, and so end."""
    for executor in stage.of("executor"):
        for pid in family(executor.pid):
            with open(f"/proc/{pid}/comm", encoding="ascii") as name:
                if name.read().strip() == "sleep":
                    os.kill(pid, signal.SIGTERM)


@story("cancel.between")
def a_task_moves_on_while_it_is_cancelled(stage):
    """Its executor is lost between the steps: the cancel finds the next attempt."""
    *_, executor = stage.start()
    stage.close_gate()
    ids = stage.post(1)
    stage.wait_running(ids)
    stage.arm_consumers("cancel.between=stop")
    ask_to_cancel(stage, ids[0])
    node = stage.reached_by_one()
    os.kill(proper(executor), signal.SIGKILL)
    wait(lambda: stage.runs(ids[0]) == 2, 20, "it runs again")
    stage.wake(node)
    stage.settle(ids, runs=2, state="cancelled")
    assert stage.outcomes(ids[0]) == ["lost", "cancelled"]


# --- Stories: executors ---------------------------------------------------------------------------

# What the one task comes to: its policy, its end, its runs and its attempts' outcomes.
END = collections.namedtuple("END", "on_lost state runs outcomes")
HANDED_BACK = END("retry", "succeeded", 1, [["returned", "succeeded"]])
ONCE_HANDED_BACK = END("fail", "succeeded", 1, [["returned", "succeeded"]])
ONCE_LOST = END("fail", "failed", 0, [["lost"]])
AGAIN = END("retry", "succeeded", 2, [["returned", "succeeded"], ["lost", "succeeded"]])
UNHARMED = END("retry", "succeeded", 1, [["succeeded"]])
ONCE_UNHARMED = END("fail", "succeeded", 1, [["succeeded"]])

# freeze: the guardian is frozen, too, and both go on after the task has ended elsewhere. stop: the
# executor proper alone is, until its guardian ends it. go_on: it goes on at once.
EXECUTORS = [
    ("inbox.sending", "freeze", HANDED_BACK),
    ("inbox.read", "freeze", HANDED_BACK),
    ("start.sending", "freeze", ONCE_HANDED_BACK),
    ("start.committed", "freeze", ONCE_LOST),
    ("finish.sending", "freeze", AGAIN),
    ("guardian.heard", "kill", HANDED_BACK),
    ("guardian.heard", "kill", ONCE_LOST),
    ("inbox.sending", "stop", ONCE_HANDED_BACK),
    ("spawn.forked", "stop", ONCE_LOST),
    ("spawn.known", "stop", HANDED_BACK),
    ("finish.committed", "stop", ONCE_UNHARMED),
    ("inbox.sending", "go_on", UNHARMED),
    ("inbox.read", "kill", ONCE_HANDED_BACK),
    ("start.sending", "kill", ONCE_HANDED_BACK),
    ("start.committed", "kill", ONCE_LOST),
    ("start.committed", "go_on", ONCE_UNHARMED),
    ("spawn.forked", "kill", HANDED_BACK),
    ("spawn.known", "kill", ONCE_LOST),
    ("finish.sending", "kill", AGAIN),
    ("finish.sending", "kill", END("fail", "failed", 1, [["lost"]])),
    ("finish.committed", "kill", UNHARMED),
    ("finish.committed", "kill", ONCE_UNHARMED),
    ("guardian.heard", "go_on", UNHARMED),
]


def executor_struck(stage, point, what, end):
    executor = stage.node("executor").wait_ready()
    stage.settle(stage.post(1))
    stage.arm(executor, f"{point}={'kill' if what == 'kill' else 'stop'}")
    if point == "inbox.sending":
        pid = stage.reached(executor)
    ids = stage.post(1, on_lost=end.on_lost)
    stage.wait_assigned(ids)
    if point != "inbox.sending":
        pid = stage.reached(executor)
    if what == "freeze":
        signal_all_of(executor, signal.SIGSTOP)
    if what == "freeze" or point == "guardian.heard" and what == "kill":
        stage.node("executor")
    if what == "go_on":
        stage.wake(executor)
    stage.settle(ids, end.runs, end.state)
    assert stage.outcomes(ids[0]) in end.outcomes
    if what == "freeze":
        def wake():
            stage.wake(executor)  # before its guardian, which would end it at once
            wait(lambda: not is_alive(pid), 20, "it has ended itself")
            signal_all_of(executor, signal.SIGCONT)
            next_incarnation(executor)
        stage.unchanged_by(wake, ids)
    elif point != "guardian.heard" and what != "go_on":
        next_incarnation(executor)


def next_incarnation(executor):
    """It comes by itself."""
    wait(lambda: len(executor.lines("event=node.up")) == 2, 20, "the next incarnation")


for point_, what_, end_ in EXECUTORS:
    story(point_, shared=True, name=f"{point_.replace('.', '_')}_{what_}_{end_.on_lost}",
          point=point_, what=what_, end=end_)(executor_struck)


def running_and_waiting(stage, executor):
    """A task that runs, one that may run once, and one that was handed over and has no slot."""
    stage.close_gate()
    # What needs no slot makes the executor ask for more than it has slots.
    stage.cluster.wait_state(stage.cluster.schedule({"type": "log", "queue": stage.queue})["id"])
    due = stage.count("SELECT clock_timestamp()") + datetime.timedelta(seconds=5)
    ids = stage.post_all([
        stage.task(on_lost=policy, run_at=(due + datetime.timedelta(microseconds=i)).isoformat())
        for i, policy in enumerate(["retry", "fail", "retry"])])
    stage.wait_running(ids[:2])
    stage.wait_assigned(ids)
    children = family(executor.pid)[2:]
    assert len(children) >= 2 and not stage.runs(ids[2])
    return ids[:1], ids[1:2], ids[2:], children


def settle_lost(stage, again, once, waiting):
    stage.settle(again, runs=2)
    stage.settle(once, state="failed")
    stage.settle(waiting)
    # A second incarnation that dies as well may have been handed them, and started nothing.
    ran = [[outcome for outcome in stage.outcomes(task) if outcome != "returned"]
           for task in again + once + waiting]
    assert ran == [["lost", "succeeded"], ["lost"], ["succeeded"]]
    assert "returned" in stage.outcomes(waiting[0])


@story("beat.committed", shared=True)
def frozen_in_a_heartbeat(stage):
    """The guardian ends the executor and its tasks before the database's lease is over."""
    executor = stage.node("executor", executor_slots=2).wait_ready()
    *tasks, children = running_and_waiting(stage, executor)
    stage.arm(executor, "beat.committed=stop")
    pid = stage.reached(executor)
    stage.open_gate()
    wait(lambda: not any(map(is_alive, [pid, *children])), 10, "all of it is gone")
    assert stage.runs(tasks[0][0]) == 1, "it must not run elsewhere before"
    settle_lost(stage, *tasks)


@story("guardian.emptied", shared=True)
def frozen_between_incarnations(stage):
    """The executor is gone, and its guardian cannot say so: the lease says it."""
    executor = stage.node("executor", executor_slots=2).wait_ready()
    *tasks, children = running_and_waiting(stage, executor)
    stage.arm(executor, "guardian.emptied=stop")
    os.kill(proper(executor), signal.SIGKILL)
    assert stage.reached(executor) == executor.pid
    assert not any(map(is_alive, children))
    stage.open_gate()
    stage.node("executor")
    settle_lost(stage, *tasks)
    stage.unchanged_by(lambda: (stage.wake(executor), executor.wait_line("event=node.former_gone")),
                       sum(tasks, []))


@story("former.sending", shared=True, name="dies_before_it_buries", point="former.sending=kill")
@story("former.committed", shared=True, name="dies_when_it_has_buried", point="former.committed=kill")
def second_death(stage, point):
    executor = stage.node("executor", executor_slots=2).wait_ready()
    *tasks, _ = running_and_waiting(stage, executor)
    stage.arm(executor, point)
    os.kill(proper(executor), signal.SIGKILL)
    stage.reached(executor)
    stage.open_gate()
    settle_lost(stage, *tasks)


@story("start.committed", shared=True)
def dies_when_a_start_is_written(stage):
    executor = stage.node("executor").wait_ready()
    stage.close_gate()
    stage.arm(executor, "start.committed=kill")
    ids = stage.post(1)
    stage.reached(executor)
    assert stage.runs(ids[0]) == 1
    stage.open_gate()
    stage.settle(ids, runs=2)
    assert stage.outcomes(ids[0]) == ["lost", "succeeded"]


@story("finish.committed", shared=True)
def dies_when_it_has_handed_back(stage):
    executor = stage.node("executor", executor_slots=2).wait_ready()
    *tasks, children = running_and_waiting(stage, executor)
    stage.arm(executor, "finish.committed=kill")
    executor.process.terminate()
    stage.reached(executor)
    assert stage.outcomes(tasks[2][0])[0] == "returned"
    executor.wait_stopped()
    assert not any(map(is_alive, children))
    stage.open_gate()
    stage.node("executor")
    settle_lost(stage, *tasks)


@story("finish.sending", shared=True)
def a_late_finish_is_not_of_the_next_attempt(stage):
    """Its task runs again when the report goes out at last."""
    former = stage.node("executor").wait_ready()
    stage.settle(stage.post(1))
    stage.arm(former, "finish.sending=stop")
    ids = stage.post(1)
    pid = stage.reached(former)
    signal_all_of(former, signal.SIGSTOP)
    stage.close_gate()
    stage.node("executor")
    wait(lambda: stage.runs(ids[0]) == 2, 40, "it runs again")
    stage.wait_running(ids)

    def wake():
        stage.wake(former)  # before its guardian, which would end it at once
        wait(lambda: not is_alive(pid), 20, "it has ended itself")

    stage.unchanged_by(wake, ids)
    signal_all_of(former, signal.SIGCONT)
    next_incarnation(former)
    stop_the_sleep(stage)
    stage.settle(ids, runs=2)
    assert stage.outcomes(ids[0]) in AGAIN.outcomes


@story("leave.committed", shared=True)
def dies_when_it_has_signed_off(stage):
    executor = stage.node("executor").wait_ready()
    ids = stage.post(1)
    stage.settle(ids)
    stage.arm(executor, "leave.committed=kill")
    executor.process.terminate()
    stage.reached(executor)
    executor.wait_stopped()
    stage.node("executor")
    stage.settle(ids + stage.post(1))


@story("join.committed", shared=True)
def dies_as_it_joins(stage):
    executor = stage.node("executor", "join.committed=kill")
    stage.reached(executor)
    stage.settle(stage.post(1))


# --- Stories: the master --------------------------------------------------------------------------


@story("dispatch.sending")
def a_late_dispatch_is_fenced(stage):
    """The next master stands still as well, so that there is something to hand over too late."""
    stage.start()
    ids = stage.post(10, delay="PT5S")
    stage.arm_consumers("dispatch.sending=stop")
    former, epoch = stage.reached_by_one(), stage.count("SELECT epoch FROM master")
    other = next(node for node in stage.of("consumer") if node is not former)
    stage.arm(other, "dispatch.sending=stop")
    stage.reached(other)
    stage.wake(former)
    former.wait_line(f"event=dispatch.fenced.*epoch={epoch}")
    former.wait_line("event=master.ended")
    assert former.metric("rota_fenced_writes_total", where="dispatch")
    assert stage.count("SELECT count(*) FROM attempt WHERE inbox >> 32 = %s", epoch) == 0
    stage.wake(other)
    stage.settle(ids)
    assert stage.count("SELECT count(*) FROM attempt") == 10


@story("dispatch.committed", name="frozen_behind_a_dispatch", point="dispatch.committed=stop")
@story("dispatch.committed", name="dies_behind_a_dispatch", point="dispatch.committed=kill")
def dispatch_struck(stage, point):
    stage.start()
    ids = stage.post(10, delay="PT5S")
    stage.arm_consumers(point)
    former = stage.reached_by_one()
    assert stage.count("SELECT count(*) FROM attempt") > 0
    stage.master(former)
    stage.settle(ids)
    assert stage.count("SELECT count(*) FROM attempt") == 10
    if point.endswith("stop"):
        stage.unchanged_by(lambda: wake_to_nothing(stage, former), ids)


@story("renew.sending", name="a_late_renewal_is_refused", point="renew.sending=stop")
@story("renew.committed", name="a_late_answer_to_a_renewal", point="renew.committed=stop")
def renewal_struck(stage, point):
    stage.start()
    ids = stage.post(5, delay="PT1.5S") + stage.post(5, delay="PT3S")
    stage.arm_consumers(point)
    former = stage.reached_by_one()
    stage.master(former)
    stage.unchanged_by(lambda: wake_to_nothing(stage, former), [])
    stage.settle(ids)
    assert stage.count("SELECT count(*) FROM attempt") == 10


@story("take.committed")
def a_lease_taken_and_read_too_late(stage):
    stage.start(consumers=3)
    former = stage.master()
    ids = stage.post(5, delay="PT2S") + stage.post(5, delay="PT5S")
    stage.arm_consumers("take.committed=stop")
    former.kill()
    frozen = stage.reached_by_one()
    stage.master(frozen)
    stage.wake(frozen)
    frozen.wait_line(f"event=master.seen.*epoch={stage.count('SELECT epoch FROM master')}")
    assert frozen.lines("event=master.began") == []
    stage.settle(ids)
    assert stage.count("SELECT count(*) FROM attempt") == 10
    assert stage.count("SELECT count(*) FROM master_term") >= 3


@story("take.sending")
def a_lease_asked_for_too_long_ago(stage):
    """The answer is read later than the lease after its question: that term does not begin."""
    stage.start()
    former = stage.master()
    frozen = next(node for node in stage.of("consumer") if node is not former)
    stage.arm(frozen, "take.sending=stop")
    stage.reached(frozen)
    since = time.monotonic()
    assert former.stop() == 0
    wait(lambda: time.monotonic() - since > 2.2, 10, "the lease would be over")
    stage.wake(frozen)
    assert stage.master() is frozen
    frozen.wait_line("event=master.began")
    reasons = stage.sql("SELECT reason FROM master_term ORDER BY epoch DESC LIMIT 2")
    assert reasons == [("own",), ("released",)]
    stage.settle(stage.post(5))


def stop_master(stage, order, delay):
    """The master is stopped, strikes at the point, and another one takes over: (the former, tasks)."""
    stage.start()
    former = stage.master()
    ids = stage.post(5, delay=delay)
    stage.arm(former, order)
    former.process.terminate()
    stage.reached(former)
    stage.master(former)
    return former, ids


@story("release.sending")
def a_late_release_frees_nothing(stage):
    former, ids = stop_master(stage, "release.sending=stop", "PT2S")
    stage.wake(former)
    assert former.wait_stopped() == 0
    since = stage.count("SELECT clock_timestamp()")
    wait(lambda: stage.count("SELECT renewed_at > %s FROM master", since), 20, "the next one renews")
    assert stage.count("SELECT count(*) FROM master_term WHERE reason = 'released'") == 0
    stage.settle(ids)


@story("release.committed")
def dies_when_it_has_let_go(stage):
    ids = stop_master(stage, "release.committed=kill", "PT1S")[1]
    assert stage.count("SELECT reason FROM master_term ORDER BY epoch DESC LIMIT 1") == "released"
    stage.settle(ids)


@story("recover.sending", name="a_late_sweep_is_fenced", point="recover.sending=stop")
@story("recover.committed", name="dies_behind_a_sweep", point="recover.committed=kill")
def sweep_struck(stage, point):
    *_, executor = stage.start(executor_slots=2)
    *tasks, _ = running_and_waiting(stage, executor)
    stage.arm_consumers(point)
    os.kill(proper(executor), signal.SIGKILL)
    stage.open_gate()
    former = stage.reached_by_one()
    stage.master(former)
    settle_lost(stage, *tasks)
    if point.endswith("stop"):
        stage.unchanged_by(lambda: wake_to_nothing(stage, former), sum(tasks, []))


@story("retire.sending")
def a_late_retirement(stage):
    *_, executor = stage.start(executor_slots=2)
    *tasks, _ = running_and_waiting(stage, executor)
    stage.arm_consumers("retire.sending=stop")
    os.kill(proper(executor), signal.SIGKILL)
    stage.open_gate()
    settle_lost(stage, *tasks)
    former = stage.reached_by_one()
    stage.master(former)
    stage.unchanged_by(lambda: wake_to_nothing(stage, former), sum(tasks, []))
    stage.settle(stage.post(5))


@story("letter.delivered", name="a_letter_is_sent_again", point="letter.delivered", sent=2)
@story("letter.marked", name="a_letter_is_sent_once", point="letter.marked", sent=1)
def letter_struck(stage, point, sent):
    """Between its delivery and its mark a dead letter is at least once: the next master repeats it."""
    stage.start(executors=0)
    stage.arm_consumers(f"{point}=kill")
    for payload in ("one", "other"):
        stage.cluster.schedule({"type": "log", "payload": payload, "delay": "PT1H"},
                               Idempotency_Key="the-same")
    stage.master(stage.reached_by_one())
    wait(lambda: stage.count("SELECT count(*) FROM rejected WHERE published_at IS NOT NULL"),
               20, "it is marked as published")
    letters = subprocess.run(
        ["kcat", "-C", "-b", stage.cluster.servers.brokers, "-t", stage.cluster.prefix + "dead-letters",
         "-e", "-q", "-f", "%o\n"], check=True, capture_output=True, timeout=30, text=True).stdout
    assert len(letters.split()) == sent


# --- Stories: the producer ------------------------------------------------------------------------


def call(node, path, body, headers=None):
    """What the caller hears: the answer's status and body, or nothing where the producer died."""
    try:
        answer = node.post(path, body, headers)
        return answer.status, answer.json()
    except (OSError, http.client.HTTPException):
        return None, None


@story("accept.sent", shared=True, name="dies_with_a_task_in_hand", point="accept.sent")
@story("accept.delivered", shared=True, name="dies_with_a_task_delivered", point="accept.delivered")
def caller_unanswered(stage, point):
    """The caller does not know. It asks again with its key: the task is there once, and runs once."""
    stage.node("executor")
    victim = stage.node("producer").wait_ready()
    stage.arm(victim, f"{point}=kill")
    task, key = stage.task(), {"Idempotency-Key": f"key-of-{stage.queue}"}
    assert call(victim, "/api/v1/tasks", task, key) == (None, None)
    stage.reached(victim)
    if point == "accept.delivered":
        wait(lambda: stage.count("SELECT count(*) FROM task WHERE queue = %s", stage.queue), 20,
                   "it is stored, although nobody was told")
    status, answer = call(stage.cluster.front, "/api/v1/tasks", task, key)
    assert status == 202
    stage.wait_stored([answer["id"]])
    stage.settle([answer["id"]])
    assert stage.count("SELECT count(*) FROM task WHERE queue = %s", stage.queue) == 1


@story("accept.delivered", shared=True)
def dies_in_the_midst_of_a_batch(stage):
    stage.node("executor")
    victim = stage.node("producer").wait_ready()
    stage.arm(victim, "accept.delivered=kill@3")
    batch = [stage.task(idempotency_key=f"{stage.queue}-{i}") for i in range(10)]
    assert call(victim, "/api/v1/tasks:batch", batch) == (None, None)
    stage.reached(victim)
    status, answer = call(stage.cluster.front, "/api/v1/tasks:batch", batch)
    assert status == 202
    ids = [result["id"] for result in answer["results"]]
    stage.wait_stored(ids)
    stage.settle(ids)
    assert stage.count("SELECT count(*) FROM task WHERE queue = %s", stage.queue) == 10


@story("accept.delivered", shared=True)
def answers_late(stage):
    stage.node("executor")
    victim = stage.node("producer").wait_ready()
    stage.arm(victim, "accept.delivered=stop")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        heard = pool.submit(call, victim, "/api/v1/tasks", stage.task())
        stage.reached(victim)
        wait(lambda: stage.count("SELECT count(*) FROM task WHERE queue = %s", stage.queue), 20,
                   "it is stored before it is answered")
        assert not heard.done()
        stage.wake(victim)
        status, answer = heard.result(20)
    assert status == 202
    stage.settle([answer["id"]])


# --- Stories: schedules ---------------------------------------------------------------------------


def put_schedule(stage, every="PT1S", **more):
    answer = stage.cluster.front.request(
        "PUT", f"/api/v1/schedules/{stage.queue}",
        {"spec": {"every": every}, "task": stage.task(), "policy": {"overlap": "allow_all"}, **more},
        {"Prefer": "wait=10"})
    assert answer.status in (200, 201), answer


def fires(stage):
    """How many are decided; each of them is in the ledger once, and there is no gap."""
    assert stage.sql("SELECT * FROM fire_gap") == []
    return stage.count("SELECT coalesce(sum(count), 0)::int FROM fire")


def settle_fires(stage, more=3):
    """It goes on; and each of its runs ran once."""
    before = fires(stage)
    wait(lambda: fires(stage) >= before + more, 40, "it goes on")
    answer = stage.cluster.front.request("DELETE", f"/api/v1/schedules/{stage.queue}", None,
                                         {"Prefer": "wait=10"})
    assert answer.status == 204, answer
    seconds = stage.sql("SELECT extract(epoch FROM fire_at)::int, extract(epoch FROM last_at)::int, count"
                        " FROM fire ORDER BY fire_at")
    every = [second for first, last, _ in seconds for second in range(first, last + 1)]
    assert every == list(range(every[0], every[-1] + 1))
    ids = [row[0] for row in stage.sql("SELECT task_id::text FROM fire WHERE task_id IS NOT NULL")]
    stage.settle(ids)


@story("plan.sending")
def a_late_decision_is_fenced(stage):
    stage.start()
    put_schedule(stage)
    wait(lambda: fires(stage) >= 2, 20, "it fires")
    stage.arm_consumers("plan.sending=stop")
    former = stage.reached_by_one()
    stage.master(former)
    before = fires(stage)
    wait(lambda: fires(stage) > before, 20, "the next master decides")
    stage.wake(former)
    former.wait_line("event=master.ended")
    settle_fires(stage)


@story("plan.committed")
def a_decided_fire_that_nobody_was_told_of(stage):
    stage.start()
    put_schedule(stage)
    wait(lambda: fires(stage) >= 2, 20, "it fires")
    stage.arm_consumers("plan.committed=kill")
    stage.reached_by_one()
    settle_fires(stage)


@story("edit.read", name="dies_before_an_edit", point="edit.read")
@story("edit.committed", name="dies_behind_an_edit", point="edit.committed")
def edit_dies(stage, point):
    stage.start()
    put_schedule(stage)
    stage.arm_consumers(f"{point}=kill")
    told = stage.cluster.front.request(
        "PUT", f"/api/v1/schedules/{stage.queue}",
        {"spec": {"every": "PT1S"}, "task": stage.task(), "description": "another"}, {"If-Match": '"1"'})
    assert told.status == 202, told
    stage.reached_by_one()
    seen = wait(lambda: (now := stage.cluster.front.get(told.headers["Location"]).json())
                .get("version") == 2 and now, 40, "it is changed, once")
    assert seen["description"] == "another"
    settle_fires(stage)


@pytest.mark.parametrize("name", STORIES)
def test_story(told, name):
    told[name].result()
