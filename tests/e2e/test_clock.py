"""Node clocks may be hours wrong, and jump: the database's clock decides."""

import pytest

from cluster import wait_until
from wrong_clock import Clock, off_by


def start(node, environment):
    node.environment.update(environment)
    return node.start()


@pytest.mark.parametrize("offset", ["+3600", "-3600"])
def test_an_hour_off(new_cluster, offset):
    cluster = new_cluster()
    nodes = [start(cluster.node(role), off_by(offset))
             for role in ("consumer", "consumer", "producer", "executor")]
    for node in nodes:
        node.wait_ready(60)
    wait_until(cluster.master, 30, "one is master")
    assert abs(nodes[0].metric("rota_clock_skew_seconds") - int(offset)) < 60
    ids = [cluster.schedule({"type": "log", "delay": "PT2S"})["id"] for _ in range(20)]
    ids += [cluster.schedule({"type": "log"})["id"] for _ in range(20)]
    for identity in ids:
        cluster.wait_state(identity, "succeeded", seconds=20)
    late = [float(row[0]) for row in cluster.sql(
        "SELECT extract(epoch FROM a.started_at - t.run_at) FROM attempt a"
        " JOIN task t ON t.id = a.task_id")]
    assert len(late) == len(ids)
    assert min(late) >= 0 and max(late) < 5
    assert cluster.value("SELECT max(abs(extract(epoch FROM created_at - stored_at))) FROM task") < 60
    assert cluster.value("SELECT count(*) FROM node WHERE dead_at IS NOT NULL") == 0
    assert cluster.broken_invariants() == []


def test_fires_while_clocks_jump_an_hour(new_cluster, tmp_path):
    """Forth, back, and to the other side, of all nodes at once: every second is decided once, and on time."""
    cluster = new_cluster()
    clock = Clock(tmp_path / "off")
    nodes = [start(cluster.node(role), clock.environment())
             for role in ("consumer", "consumer", "producer", "executor")]
    for node in nodes:
        node.wait_ready(60)
    answer = cluster.front.request("PUT", "/api/v1/schedules/tick", {
        "spec": {"every": "PT1S"}, "task": {"type": "log"}, "policy": {"overlap": "allow_all"}}, {"Prefer": "wait=10"})
    assert answer.status == 201, answer
    runs = "SELECT count(*) FROM attempt a JOIN task t ON t.id = a.task_id WHERE t.fire_at IS NOT NULL" \
           " AND a.outcome = 'succeeded'"
    for seconds in (3600, 0, -3600, 0):
        before = cluster.value(runs)
        clock.step(seconds)
        wait_until(lambda: cluster.value(runs) >= before + 4, 20, "it goes on")
    late, apart = cluster.sql(
        "SELECT max(extract(epoch FROM a.started_at - t.fire_at)), count(DISTINCT t.fire_at) = count(*)"
        " FROM attempt a JOIN task t ON t.id = a.task_id WHERE t.fire_at IS NOT NULL")[0]
    assert 0 <= late < 3 and apart
    assert cluster.sql("SELECT reason FROM fire WHERE task_id IS NULL") == []
    assert cluster.value("SELECT (extract(epoch FROM max(fire_at) - min(fire_at)))::int + 1 = count(*) FROM fire")
    assert cluster.broken_invariants() == []
