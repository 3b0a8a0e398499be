"""memory: what is resident of each program, at rest and at full load.

Of nodes of one role the largest is told, of an executor its two processes each. At full load it is
the most that was seen. With millions waiting it is measured where those are: in lateness. An hour of
steady load is watched for growth by bench/memory.py.
"""

import time

from place import resident_mb
from workloads.flow import Load
from cluster import proper_of

GOAL_MB, GOAL = 50, "goal"


def processes(cluster):
    found = {}
    for node in cluster.nodes:
        role = "guardian" if node.role == "executor" else node.role
        found.setdefault(role, []).append(node.pid)
        if node.role == "executor":
            found.setdefault("executor", []).append(proper_of(node))
    return found


def most_resident(cluster, seconds):
    """The most of each program within that time."""
    found, until = {}, time.monotonic() + seconds
    pids = processes(cluster)
    while True:
        for role, of_role in pids.items():
            found[role] = max(found.get(role, 0), *map(resident_mb, of_role))
        if time.monotonic() >= until:
            return found
        time.sleep(0.2)


def tell(figures, when, found):
    for role, value in found.items():
        held_to = [(GOAL_MB, GOAL)] if role in ("consumer", "executor") and when != "full load" else []
        figures.add(f"{role}, {when}", value, "MB", *held_to)


def run(bench, figures):
    with bench.cluster("memory") as cluster:
        cluster.start()
        tell(figures, "at rest", most_resident(cluster, bench.either(10, 0.3)))
        bench.say("full load")
        with Load(bench, cluster) as load:
            load.start()
            tell(figures, "full load", most_resident(cluster, bench.either(60, 0.3)))
            accepted = load.end()
        bench.wait_ended(cluster, accepted)
        bench.check_ran(cluster, accepted)
