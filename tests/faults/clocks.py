"""Clocks that lie: those of nodes, which decide nothing, and the database's own."""

import time

from cluster import wait_until
from record import boot_us
from wrong_clock import Clock


def node_clocks(scene):
    """Nodes an hour ahead and an hour behind, and jumping while they run."""
    for _ in range(4):
        for clock in scene.clocks:
            clock.step(scene.rng.choice([-3600, 3600, 0, -7, 11]))
        scene.wait_starts(300)


def wrong_from_the_start(scene):
    """Before the nodes start: a clock for each, an hour ahead, an hour behind, right."""
    scene.clocks = []

    def settle(node):
        clock = Clock(scene.cluster.folder / f"clock-{node.name}")
        clock.step([3600, -3600, 0][len(scene.clocks) % 3])
        node.environment.update(clock.environment())
        scene.clocks.append(clock)
    scene.prepare_node = settle


node_clocks.before = wrong_from_the_start


def database_clock(scene):
    """The database's own clock steps by +10 s, more than anybody's lease: nobody alive loses
    anything by it. What is due by that clock runs then; so 10 s sooner than the wall clock says."""
    before = live_executors(scene)
    scene.record.steps.append((boot_us(), 10))
    scene.database_clock.step(10)
    stepped = scene.cluster.value("SELECT clock_timestamp()")
    scene.wait_starts(300)
    wait_until(lambda: not scene.cluster.sql(
        "SELECT 1 FROM node WHERE role = 'executor' AND dead_at IS NULL"
        " AND heartbeat_at < %s + interval '8 s'", stepped), 40, "a whole lease is over since")
    assert live_executors(scene) == before
    assert scene.cluster.value("SELECT extract(epoch FROM clock_timestamp()) - %s", time.time()) > 9


def live_executors(scene):
    return sorted(scene.cluster.sql("SELECT id::text FROM node WHERE role = 'executor' AND dead_at IS NULL"))
