"""The link to PostgreSQL is cut for one node only."""

from cluster import is_alive, proper_of, wait_until
from executors import LONGER_THAN_LEASE, gone, prey, wait_successor
from link import Link
from record import boot_us


def one_of_each_behind_a_link(scene):
    """A consumer and an executor in namespaces of their own; the consumer is the first master."""
    scene.links = {role: Link(scene) for role in ("consumer", "executor")}
    scene.far = {role: link.settle(scene.make(role)).start() for role, link in scene.links.items()}
    scene.far["consumer"].wait_line("event=master.began", 30)
    wait_until(lambda: scene.cluster.sql("SELECT 1 FROM executor_state"), 30, "the far executor is up")


def cut_for_one_node(scene):
    """The link is cut for the master, then for an executor, each for longer than its lease."""
    master, executor = scene.far["consumer"], scene.far["executor"]
    cut_us = boot_us()
    scene.links["consumer"].cut()
    scene.master(but=master)
    scene.wait_starts(100)
    wait_until(lambda: boot_us() - cut_us > 4_000_000, 20, "twice the lease is over")
    scene.links["consumer"].mend()
    master.wait_line("event=master.ended", 20)

    identity, pids = prey(scene, executor)
    inner = proper_of(executor)
    cut_us = boot_us()
    scene.links["executor"].cut()
    gone(pids, "an executor that is cut off")
    scene.note(f"all of a cut-off executor ended after {(boot_us() - cut_us) / 1e6:.1f} s, lease 8 s")
    assert boot_us() - cut_us < 8_000_000
    wait_until(lambda: boot_us() - cut_us > 14_000_000, 30, "longer than its lease")
    assert not is_alive(inner)
    scene.links["executor"].mend()
    wait_successor(scene, executor, identity)


cut_for_one_node.before = one_of_each_behind_a_link
cut_for_one_node.options = {"count": 3600, "seconds": 26, **LONGER_THAN_LEASE}
cut_for_one_node.nodes = {"consumers": 2, "executors": 2}
