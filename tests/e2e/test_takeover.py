"""A cluster that survives its master: killed, frozen, stopped, and cut off from nothing at all."""

import os
import signal
import threading
import time

import pytest

from cluster import wait_until

CLUSTER = {"lease": "2s", "resolve": "500ms", "heartbeat": "500ms", "alive": "2s",
           "executor_lease": "8s"}


@pytest.fixture(scope="module", autouse=True)
def started(cluster):
    cluster.start(consumers=3)


def batch(cluster, count, **fields):
    """POSTs that many log tasks in batches and returns their ids."""
    ids = []
    while count:
        size = min(count, 500)
        answer = cluster.front.post("/api/v1/tasks:batch", [{"type": "log", **fields}] * size)
        assert answer.status == 202, answer
        results = answer.json()["results"]
        assert all(result["status"] == 202 for result in results)
        ids += [result["id"] for result in results]
        count -= size
    return ids


def check_each_ran_once(cluster, ids):
    assert len(set(ids)) == len(ids)
    rows = cluster.sql("SELECT a.task_id::text, count(*), bool_and(a.outcome = 'succeeded')"
                       " FROM attempt a WHERE a.task_id = ANY (%s::uuid[]) GROUP BY 1", ids)
    assert len(rows) == len(ids)
    assert all(count == 1 and succeeded for _, count, succeeded in rows)
    assert cluster.broken_invariants() == []


def test_kill_9_of_the_master_with_2000_in_flight(cluster):
    # Falling due all along: 2,000 over ten seconds, the master dies in their midst.
    ids = []
    for tenths in range(0, 100, 5):
        ids += batch(cluster, 100, delay=f"PT{1 + tenths / 10}S")
    former = cluster.master()
    wait_until(lambda: cluster.value("SELECT count(*) FROM attempt") > 300, 20, "some have run")
    former.kill()
    wait_until(lambda: (now := cluster.master()) and now is not former, 20, "another is master")
    wait_until(lambda: cluster.value(
        "SELECT count(*) FROM attempt WHERE outcome = 'succeeded' AND task_id = ANY (%s::uuid[])",
        ids) == len(ids), 60, "all have succeeded")
    check_each_ran_once(cluster, ids)
    terms = cluster.front.get("/api/v1/cluster").json()["terms"]
    assert len(terms) >= 2
    assert len({term["epoch"] for term in terms}) == len(terms)
    cluster.consumer().wait_ready()


def test_sigterm_hands_over_at_once(cluster):
    former = cluster.master()
    ids = batch(cluster, 200, delay="PT2S")
    ids += batch(cluster, 200, delay="PT3S")
    assert former.stop() == 0
    wait_until(cluster.master, 5, "another is master")
    wait_until(lambda: cluster.value(
        "SELECT count(*) FROM attempt WHERE outcome = 'succeeded' AND task_id = ANY (%s::uuid[])",
        ids) == len(ids), 30, "all have succeeded")
    check_each_ran_once(cluster, ids)
    assert cluster.sql("SELECT reason FROM master_term ORDER BY epoch DESC LIMIT 1") == [("released",)]
    cluster.consumer().wait_ready()


def test_a_frozen_master_wakes_to_nothing(cluster):
    former = cluster.master()
    epoch = cluster.value("SELECT epoch FROM master")
    ids = batch(cluster, 500, delay="PT1S")
    former.pause()
    try:
        wait_until(lambda: (now := cluster.master()) and now is not former, 20, "another is master")
        assert cluster.value("SELECT epoch FROM master") > epoch
        ids += batch(cluster, 500)
        wait_until(lambda: cluster.value(
            "SELECT count(*) FROM attempt WHERE outcome = 'succeeded' AND task_id = ANY (%s::uuid[])",
            ids) == len(ids), 60, "all have succeeded")
    finally:
        former.resume()
    former.wait_line("event=master.ended", 10)
    former.wait_ready()
    assert cluster.master() is not former
    check_each_ran_once(cluster, ids)


def test_two_masters_never(cluster):
    """However the others look, the lease has one owner, and terms do not overlap."""
    overlaps = cluster.sql(
        "SELECT a.epoch, b.epoch FROM master_term a JOIN master_term b ON a.epoch < b.epoch"
        " WHERE a.ended_at IS NULL OR a.ended_at > b.began_at")
    assert overlaps == []


def test_backends_ended_under_load(cluster):
    """Every connection of Rota is cut a few times while tasks fall due; none is lost, none doubled."""
    ids = []
    stop = threading.Event()

    def cut():
        while not stop.wait(0.7):
            cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name LIKE 'rota%%' AND datname = current_database()"
                        " AND pid <> pg_backend_pid()")

    cutter = threading.Thread(target=cut)
    cutter.start()
    try:
        for _ in range(10):
            ids += batch(cluster, 100, delay="PT0.5S")
    finally:
        stop.set()
        cutter.join()
    wait_until(lambda: cluster.value(
        "SELECT count(*) FROM attempt WHERE outcome = 'succeeded' AND task_id = ANY (%s::uuid[])",
        ids) == len(ids), 60, "all have succeeded")
    check_each_ran_once(cluster, ids)


def test_all_stop_cleanly(cluster):
    statuses = cluster.stop()
    killed = {node.name for node in cluster.nodes if node.exit_status == -signal.SIGKILL}
    assert {name: status for name, status in statuses.items() if name not in killed} == \
        {name: 0 for name in statuses if name not in killed}
    assert cluster.sql("SELECT count(*) FROM node WHERE dead_at IS NULL"
                       " AND dead_reason IS NULL AND role = 'executor'") == [(0,)]
    assert os.path.isdir(cluster.logs)
