"""Executors are killed, frozen, lose their guardian, lose their machine."""

import os
import signal

from cluster import family, is_alive, marked, proper_of, wait_until
from record import boot_us

MANY_LONG = {"long_share": 0.08}


def gone(pids, what, seconds=20):
    for pid in pids:
        wait_until(lambda: not is_alive(pid), seconds, f"process {pid} of {what} is gone")


def prey(scene, node, long_tasks=1):
    """An executor that runs so many tasks with grandchildren: (its id, all processes that are its)."""
    identity = scene.node_id(node)
    scene.disturb(node)
    pids = wait_until(lambda: (found := marked(identity)) and len(found) > 3 * long_tasks and found,
                      30, "it runs long tasks")
    return identity, pids


def wait_successor(scene, node, former):
    wait_until(lambda: scene.cluster.sql(
        "SELECT 1 FROM node WHERE name = %s AND dead_at IS NULL AND id <> %s::uuid",
        scene.node_name(node), former), 30, f"{node.name} is up again as a new node")


def killed(scene):
    """kill -9 of an executor proper, of a guardian, and of everything on a machine at once."""
    proper, guardian, machine = scene.cluster.of("executor")
    identity, pids = prey(scene, proper)
    os.kill(proper_of(proper), signal.SIGKILL)
    gone(pids, "a killed executor")
    wait_successor(scene, proper, identity)

    identity, pids = prey(scene, guardian)
    inner = proper_of(guardian)
    guardian.kill()
    gone([inner, *pids], "an executor without its guardian")
    assert marked(identity) == []
    scene.add("executor")

    identity, _ = prey(scene, machine)
    take_machine_down(machine, identity)
    scene.add("executor")
    wait_until(lambda: scene.cluster.sql("SELECT 1 FROM node WHERE id = %s::uuid AND dead_at IS NOT NULL",
                                         identity), 30, "the master has given it up")


killed.options = {"count": 3600, "seconds": 30, **MANY_LONG}


def take_machine_down(node, identity):
    """All at one moment, as near as it can be done: frozen first, so that nobody reacts."""
    pids = [node.pid, proper_of(node), *marked(identity)]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids + marked(identity) + family(node.pid):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
    node.process.wait(10)


def frozen_twice_its_lease(scene):
    """SIGSTOP of an executor for twice its lease (8 s), then SIGCONT. Its guardian has ended it and
    its children before that, and a new incarnation has registered."""
    node = scene.cluster.of("executor")[0]
    identity, pids = prey(scene, node, long_tasks=4)
    inner = proper_of(node)
    frozen_us = boot_us()
    os.kill(inner, signal.SIGSTOP)
    gone([inner, *pids], "a frozen executor")
    ended_us = boot_us()
    assert ended_us - frozen_us < 8_000_000, "only after its lease"
    wait_successor(scene, node, identity)
    wait_until(lambda: boot_us() - frozen_us > 16_000_000, 20, "twice the lease is over")
    assert not is_alive(inner)
    scene.note(f"ended {(ended_us - frozen_us) / 1e6:.1f} s after the stop, lease 8 s")


# Longer than the lease: none of them ends by itself in time.
LONGER_THAN_LEASE = {"long_share": 0.02, "long_ms": (9000, 14000)}
# So long that they would still run when the lease of a frozen executor is over.
frozen_twice_its_lease.options = {"count": 2800, "seconds": 20, "long_share": 0.02,
                                  "long_ms": (14000, 20000)}
