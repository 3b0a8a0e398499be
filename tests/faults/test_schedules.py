"""500 schedules of every second while bad things happen: the ledger holds every fire, once.

What is asked of the ledger is not what the master says of itself (the chain of decisions) alone, but
the seconds that there were: for each schedule every second from its first fire to its last one stands
in exactly one row, every run is one task, and every task has run.
"""

import random
import signal

import pytest

from cluster import Cluster, wait_until
from scene import SETTINGS

COUNT = 500
WAIT = {"Prefer": "wait=20"}
pytestmark = pytest.mark.long


def freeze_the_master(cluster, _):
    former = cluster.master()
    former.pause()
    wait_until(lambda: (now := cluster.master()) and now is not former, 30, "another is master")
    former.resume()


def kill_the_master(cluster, _):
    former = cluster.master()
    former.kill()
    wait_until(lambda: (now := cluster.master()) and now is not former, 30, "another is master")
    former.start()


def stop_the_master(cluster, _):
    former = cluster.master()
    former.signal(signal.SIGTERM)
    former.wait_stopped()
    former.start()


def end_connections(cluster, _):
    cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'rota%%'"
                " AND datname = current_database() AND pid <> pg_backend_pid()")


def kill_an_executor(cluster, rng):
    executor = rng.choice(cluster.of("executor"))
    executor.kill()
    executor.start()


def everybody_is_away(cluster, _):
    consumers = cluster.of("consumer")
    for node in consumers:
        node.kill()
    last(cluster, 6)
    for node in consumers:
        node.start()


FAULTS = (freeze_the_master, kill_the_master, stop_the_master, end_connections, kill_an_executor,
          everybody_is_away)


def last(cluster, seconds):
    at = cluster.value("SELECT clock_timestamp()")
    wait_until(lambda: cluster.value("SELECT clock_timestamp() > %s + %s * interval '1 s'", at, seconds),
               seconds + 30, f"{seconds} s are over", every=0.1)


def decided(cluster):
    return cluster.value("SELECT coalesce(sum(count), 0)::bigint FROM fire")


def put_all(cluster, count):
    policies = ("fire_once", "fire_all", "skip")
    file = [{"name": f"second-{n}", "spec": {"every": "PT1S"}, "task": {"type": "log", "payload": n},
             "policy": {"misfire": policies[n % 3], "overlap": "allow_all", "grace": "PT1S"}}
            for n in range(count)]
    answer = cluster.front.post("/api/v1/schedules:import", file)
    assert answer.status == 202, answer
    wait_until(lambda: cluster.value("SELECT count(*) FROM schedule") == count, 60, "all are there")


def check(cluster, count):
    rows = cluster.sql("SELECT s.name, extract(epoch FROM f.fire_at)::bigint, extract(epoch FROM f.last_at)::bigint,"
                       " f.count FROM fire f JOIN schedule s ON s.id = f.schedule_id ORDER BY 1, 2")
    seconds = {}
    for name, first, upto, number in rows:
        assert upto - first == number - 1
        seconds.setdefault(name, []).extend(range(first, upto + 1))
    assert len(seconds) == count
    for name, found in seconds.items():
        assert found == list(range(found[0], found[-1] + 1)), name
    assert cluster.sql("SELECT * FROM fire_gap") == []
    runs = cluster.value("SELECT count(*) FROM fire WHERE task_id IS NOT NULL")
    assert cluster.value("SELECT count(*) FROM task WHERE fire_at IS NOT NULL") == runs
    assert cluster.value("SELECT count(DISTINCT task_id) FROM attempt WHERE outcome = 'succeeded'") == runs
    assert cluster.value("SELECT count(*) FROM attempt a WHERE a.outcome = 'succeeded' AND EXISTS ("
                         "SELECT FROM attempt b WHERE b.task_id = a.task_id AND b.token <> a.token"
                         " AND b.outcome = 'succeeded')") == 0
    assert cluster.broken_invariants() == []
    return runs


@pytest.fixture
def cluster(servers):
    cluster = Cluster(servers, "schedules", **{**SETTINGS, "log_stderr": "no"})
    try:
        yield cluster
    finally:
        cluster.close()


def test_the_ledger_holds_every_second(cluster, request):
    rng = random.Random(request.config.seed)
    cluster.start(consumers=3, executors=2)
    put_all(cluster, COUNT)
    wait_until(lambda: decided(cluster) > 3 * COUNT, 60, "they fire")
    for fault in rng.sample(FAULTS, len(FAULTS)):
        before = decided(cluster)
        fault(cluster, rng)
        wait_until(lambda: decided(cluster) > before + 3 * COUNT, 90, f"they fire after {fault.__name__}")
    cluster.sql("UPDATE schedule SET seq = seq + 1, look_at = NULL")
    wait_until(lambda: cluster.value("SELECT count(*) FROM due") == 0 and
               cluster.value("SELECT count(*) FROM attempt WHERE outcome IS NULL") == 0, 90, "all have ended")
    runs = check(cluster, COUNT)
    print(f" [{decided(cluster):,} fires, {runs:,} runs]", end="")
