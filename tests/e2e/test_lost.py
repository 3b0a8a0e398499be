"""Executors that die, freeze, are cut off or are stopped: their tasks go on as `on_lost` says, and
never beside what the former executor started."""

import os
import signal

import psycopg2
import pytest

from cluster import family, is_alive, wait_until

CLUSTER = {"lease": "2s", "resolve": "500ms", "heartbeat": "200ms", "alive": "1s",
           "executor_lease": "6s", "kill_grace": "300ms", "poll": "200ms"}


@pytest.fixture(scope="module", autouse=True)
def started(cluster):
    cluster.start(executors=1)


class Work:
    """A shell task that tells when it runs: one appended line at its start and one at its end."""

    def __init__(self, cluster, folder, name, seconds=300, **fields):
        self.record = folder / f"{name}.record"
        command = (f'echo "start $$ $ROTA_ATTEMPT" >> {self.record}; sleep {seconds} &'
                   f' echo "child $!" >> {self.record}; wait; echo "end $$" >> {self.record}')
        self.id = cluster.schedule({"type": "shell", "shell": {"command": command}, **fields})["id"]

    def lines(self, word):
        if not self.record.exists():
            return []
        return [line.split() for line in self.record.read_text().splitlines()
                if line.startswith(word)]

    def pids(self):
        return [int(line[1]) for word in ("start", "child") for line in self.lines(word)]

    def wait_running(self, times=1):
        wait_until(lambda: len(self.lines("child")) >= times, 30, f"start number {times}")
        return self


def proper(executor):
    """The executor proper: the guardian's child."""
    return wait_until(lambda: family(executor.pid)[1:2], 10, "the executor proper")[0]


def end(cluster, work):
    """Lets the work's present processes go, so that it ends by itself."""
    for line in work.lines("child"):
        if is_alive(int(line[1])):
            os.kill(int(line[1]), signal.SIGTERM)


def test_kill_9_of_the_executor_proper(cluster, tmp_path):
    executor = cluster.of("executor")[0]
    again = Work(cluster, tmp_path, "again").wait_running()
    once = Work(cluster, tmp_path, "once", on_lost="fail").wait_running()
    before = again.pids() + once.pids()
    os.kill(proper(executor), signal.SIGKILL)
    for pid in before:
        wait_until(lambda: not is_alive(pid), 10, f"process {pid} is gone")
    # The guardian starts it anew at once: no waiting for a lease.
    again.wait_running(2)
    assert cluster.wait_state(once.id, "failed")["reason"]
    assert len(once.lines("start")) == 1
    end(cluster, again)
    cluster.wait_state(again.id, "succeeded")
    outcomes = [a["outcome"] for a in cluster.attempts(again.id)["items"]]
    assert sorted(outcomes) == ["lost", "succeeded"]
    assert cluster.broken_invariants() == []


def test_handed_over_while_it_is_marked_dead(new_cluster):
    """Marking waits for a hand-over that holds the node's row; what that gave is swept all the same."""
    cluster = new_cluster(**{**CLUSTER, "lease": "10s"}).start(consumers=1, executors=1)
    executor = proper(cluster.of("executor")[0])

    def waits(*sessions):
        return cluster.value("SELECT count(DISTINCT application_name) FROM pg_stat_activity"
                             " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                             " AND application_name = ANY (%s)", list(sessions)) == len(sessions)

    task = cluster.schedule({"type": "log", "delay": "PT8S"})["id"]
    wait_until(lambda: cluster.sql("SELECT 1 FROM due"), 15, "it is stored")
    # A row of the same key that is not committed: the hand-over waits for it, with its locks.
    holder = psycopg2.connect(cluster.database_url)
    with holder.cursor() as cursor:
        cursor.execute("INSERT INTO attempt (task_id, token, executor, inbox, assigned_at)"
                       " SELECT %s::uuid, 1, id, 1, now() FROM node WHERE role = 'executor'", [task])
    wait_until(lambda: waits("rota master"), 15, "it is handed over")
    os.kill(executor, signal.SIGKILL)
    wait_until(lambda: waits("rota master", "rota-executor lease"), 15, "its successor marks it dead")
    holder.close()
    cluster.wait_state(task, "succeeded", seconds=30)
    assert [a["outcome"] for a in cluster.attempts(task)["items"]][-1] == "succeeded"
    assert cluster.broken_invariants() == []


def test_a_guardian_alone_killed(cluster, tmp_path):
    executor = cluster.of("executor")[0]
    work = Work(cluster, tmp_path, "work").wait_running()
    inner = proper(executor)
    executor.kill()
    for pid in [inner, *work.pids()]:
        wait_until(lambda: not is_alive(pid), 10, f"process {pid} is gone")
    cluster.executor().wait_ready()
    work.wait_running(2)
    end(cluster, work)
    cluster.wait_state(work.id, "succeeded", seconds=30)


def test_frozen_past_its_lease(cluster, tmp_path):
    """Only the executor proper is frozen; the guardian ends it and all it started."""
    executor = cluster.of("executor")[0]
    work = Work(cluster, tmp_path, "work").wait_running()
    before, inner = work.pids(), proper(executor)
    os.kill(inner, signal.SIGSTOP)
    for pid in [inner, *before]:
        wait_until(lambda: not is_alive(pid), 20, f"process {pid} is gone")
    assert len(work.lines("start")) == 1, "it must not run elsewhere before"
    work.wait_running(2)
    end(cluster, work)
    cluster.wait_state(work.id, "succeeded", seconds=30)
    assert cluster.broken_invariants() == []


def test_cut_off_from_the_database(cluster, tmp_path):
    """The executor's sessions are ended and it may not log in: it stops its work in time."""
    executor = cluster.of("executor")[0]
    role = "cut_off"
    cluster.sql(f"CREATE ROLE {role} SUPERUSER LOGIN PASSWORD 'x'")
    try:
        url = cluster.database_url.split("://")[1].split("@")[1]
        executor.stop()
        cut = cluster.executor(database_url=f"postgresql://{role}:x@{url}")
        cut.wait_ready()
        work = Work(cluster, tmp_path, "work").wait_running()
        before = work.pids()
        cluster.sql(f"ALTER ROLE {role} NOLOGIN")
        cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", role)
        other = cluster.executor()
        other.wait_ready()
        for pid in before:
            wait_until(lambda: not is_alive(pid), 20, f"process {pid} is gone")
        assert len(work.lines("start")) == 1, "it must not run elsewhere before"
        work.wait_running(2)
        end(cluster, work)
        cluster.wait_state(work.id, "succeeded", seconds=30)
        cut.close()
    finally:
        cluster.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")
        cluster.sql(f"DROP ROLE {role}")
    assert cluster.broken_invariants() == []


def test_a_pause_of_the_database_takes_nothing(cluster, tmp_path):
    work = Work(cluster, tmp_path, "work").wait_running()
    former = cluster.master()
    cluster.servers.postgres.pause()
    try:
        # Longer than the master's lease, shorter than the executor's.
        former.wait_line("event=master.ended", 5)
    finally:
        cluster.servers.postgres.resume()
    wait_until(cluster.master, 30, "one is master again")
    after = cluster.schedule({"type": "log"})
    cluster.wait_state(after["id"], "succeeded", seconds=30)
    assert len(work.lines("start")) == 1
    end(cluster, work)
    cluster.wait_state(work.id, "succeeded")
    assert len(cluster.attempts(work.id)["items"]) == 1


def test_drain_waits_for_what_runs_and_hands_back_the_rest(new_cluster, tmp_path):
    cluster = new_cluster(executor_slots="1", heartbeat="200ms", alive="1s", poll="200ms")
    cluster.start(executors=1)
    first = Work(cluster, tmp_path, "first", seconds=2).wait_running()
    waiting = Work(cluster, tmp_path, "waiting", seconds=0)
    assert cluster.of("executor")[0].stop() == 0
    assert cluster.wait_state(first.id)["state"] == "succeeded"
    assert len(first.lines("end")) == 1
    assert waiting.lines("start") == []
    cluster.executor().wait_ready()
    assert cluster.wait_state(waiting.id)["state"] == "succeeded"
    assert len(waiting.lines("start")) == 1
    assert cluster.broken_invariants() == []


def test_drain_ends_what_outlives_the_limit(new_cluster, tmp_path):
    cluster = new_cluster(shutdown_timeout="3s", heartbeat="200ms", alive="1s", poll="200ms",
                          kill_grace="300ms")
    cluster.start(executors=1)
    work = Work(cluster, tmp_path, "work").wait_running()
    before = work.pids()
    assert cluster.of("executor")[0].stop() == 0
    assert not any(is_alive(pid) for pid in before)
    cluster.executor().wait_ready()
    work.wait_running(2)
    end(cluster, work)
    assert cluster.wait_state(work.id)["state"] == "succeeded"
