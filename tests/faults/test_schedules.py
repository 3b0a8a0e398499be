"""500 schedules of every second while bad things happen: the ledger holds every fire, once.

What is asked of the ledger stands in schedules.py. The faults of test_faults.py have such schedules
beside them, too; here they are all there is, and one fault follows the other.
"""

import random
import signal

import pytest

from cluster import Cluster, wait_until
from scene import SETTINGS
from schedules import broken, decided, halt, put_all, runs

COUNT = 500
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
    halt(cluster)
    wait_until(lambda: cluster.value("SELECT count(*) FROM due") == 0 and
               cluster.value("SELECT count(*) FROM attempt WHERE outcome IS NULL") == 0, 90, "all have ended")
    assert broken(cluster, COUNT) == []
    assert cluster.broken_invariants() == []
    print(f" [{decided(cluster):,} fires, {runs(cluster):,} runs]", end="")
