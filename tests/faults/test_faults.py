"""Every fault that Rota promises to survive, one test each: something bad is done to a cluster while
2,000 tasks and more fall due, and then the record is checked (checker.py).

A fault is a function of a Scene. What it needs besides stands beside it: `settings` of all nodes,
`consumer_settings`, `options` of the Scene, how many `nodes`, and `before`, which is called before
they are started."""

import pytest

import clocks
import database
import disk
import everything
import executors
import failover
import kafka
import masters
import network
from replica import Pair
from wrong_clock import Clock

# The number is the fault's in docs/reliability.md; those that are not long run in every ./check.
FAULTS = [
    (1, masters.killed_five_times, ""),
    (2, masters.frozen_twice_its_lease, "short"),
    (3, masters.stopped, ""),
    (4, executors.killed, "short"),
    (5, executors.frozen_twice_its_lease, ""),
    (6, network.cut_for_one_node, ""),
    (7, database.stopped_at_once, ""),
    (8, database.connections_ended, ""),
    (9, kafka.stopped, ""),
    (10, kafka.consumers_come_and_go, ""),
    (11, clocks.node_clocks, ""),
    (12, database.transaction_held_open, ""),
    (13, disk.full, ""),
    (15, everything.at_random, ""),
]


def name_of(fault):
    return f"{fault.__module__}_{fault.__name__}"


def parameters():
    for number, fault, marks in FAULTS:
        yield pytest.param(number, fault, id=f"{number:02}_{name_of(fault)}",
                           marks=[] if marks else [pytest.mark.long])


def play(scenes, number, fault, on=None):
    scene = scenes(name_of(fault), on=on, settings=getattr(fault, "settings", None),
                   **getattr(fault, "options", {}))
    scene.row.fault = f"{number}. {scene.name}"
    scene.role_settings["consumer"] = getattr(fault, "consumer_settings", {})
    if hasattr(fault, "before"):
        fault.before(scene)
    scene.start(**getattr(fault, "nodes", {}))
    scene.play(fault)
    return scene


def expect_clean(scene):
    row = scene.row
    assert row.accepted >= 0.9 * scene.load.count
    assert [finding for finding in scene.findings if finding[0] != "rerun"] == []
    # One with on_lost: fail may be lost between the record of its start and its first line.
    assert row.ran >= 0.99 * row.accepted


@pytest.mark.parametrize("number, fault", parameters())
def test_fault(scenes, number, fault):
    scene = play(scenes, number, fault)
    expect_clean(scene)
    assert scene.row.rerun == 0


@pytest.mark.long
def test_11_step_of_the_database_clock(scenes, own_postgres):
    clock = None

    def stepping(folder):
        nonlocal clock
        clock = Clock(folder / "clock")
        return clock.environment()

    own = own_postgres(stepping)
    clocks.database_clock.before = lambda scene: setattr(scene, "database_clock", clock)
    expect_clean(play(scenes, 11, clocks.database_clock, on=own))


@pytest.mark.long
@pytest.mark.parametrize("synchronous", [False, True], ids=["asynchronous", "synchronous"])
def test_14_failover(scenes, servers, synchronous):
    pair = Pair(servers, synchronous)
    try:
        scene = play(scenes, 14, failover.standby_promoted, on=pair.start())
        expect_clean(scene)
        assert not (synchronous and scene.row.rerun), "a synchronous standby loses nothing"
    finally:
        scenes.close()
        pair.close()
