"""Node clocks may be hours wrong: the database's clock decides."""

import pytest

from cluster import build_dir, wait_until


def off_by(node, seconds):
    """The node's wall clock is off; boot and monotonic clocks are left alone."""
    node.environment.update({"LD_PRELOAD": str(build_dir() / "tests" / "harness" / "wrong_clock.so"),
                             "TEST_CLOCK_OFF": seconds})
    return node.start()


@pytest.mark.parametrize("offset", ["+3600", "-3600"])
def test_an_hour_off(new_cluster, offset):
    cluster = new_cluster()
    nodes = [off_by(cluster.node(role), offset)
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
