"""take-over: how long nothing is dispatched when the master goes.

Three consumers, two executors, a task due every 2 ms for two seconds. In the middle the master gets
SIGKILL, later SIGTERM. The time without dispatch is the longest gap between two instants of assignment
(`assigned_at`) that ends after the signal. A fresh consumer takes the place of the one that went.
"""

import datetime
import signal
import statistics

from place import Wrong, in_seconds
from cluster import wait_until

STEP_US = 2000
PROMISE_MS = 100    # after SIGTERM


def gap_ms(cluster, first, signalled_at):
    gap = cluster.value(
        "SELECT 1000 * extract(epoch FROM max(g.at - g.before)) FROM"
        " (SELECT a.assigned_at AS at, lag(a.assigned_at) OVER (ORDER BY a.assigned_at) AS before"
        "  FROM attempt a JOIN task t ON t.id = a.task_id WHERE t.run_at >= %s) AS g"
        " WHERE g.at > %s", first, signalled_at)
    if gap is None:
        raise Wrong("nothing was dispatched after the signal")
    return float(gap)


def once(bench, cluster, number, count, ran):
    """One master goes; how long nothing was dispatched."""
    master = wait_until(cluster.master, 60, "one consumer is master")
    first = in_seconds(cluster, 0.5)
    bench.fill(cluster, count, first, STEP_US)
    wait_until(lambda: cluster.value("SELECT clock_timestamp() >= %s::timestamptz + %s * interval '1 us'",
                                     first, count * STEP_US // 2), 60, "half of the tasks are due", every=0.005)
    signalled_at = cluster.value("SELECT clock_timestamp()")
    if not bench.quick and signalled_at > first + datetime.timedelta(microseconds=count * STEP_US * 3 // 4):
        raise Wrong("the signal came when the tasks were nearly over: the machine is too busy")
    master.signal(number)
    bench.wait_ended(cluster, ran + count)
    master.wait_stopped(60)
    successor = cluster.consumer()  # may be master before Kafka has given it partitions
    wait_until(lambda: cluster.value("SELECT count(*) FROM node WHERE pid = %s AND role = 'consumer'",
                                     successor.pid), 60, "another consumer stands by")
    return gap_ms(cluster, first, signalled_at)


def run(bench, figures):
    times, lease_s = bench.either(20, 2), bench.either(5, 1)
    count, ran = bench.either(1000, 200), 0
    events = ((signal.SIGKILL, "kill -9", 1000 * (lease_s + 1), "lease + 1 s"),
              (signal.SIGTERM, "SIGTERM", PROMISE_MS, "promise"))
    with bench.cluster("takeover", **bench.either({}, {"lease": "1s", "resolve": "250ms"})) as cluster:
        cluster.start(producers=0, consumers=3, executors=2)
        for number, name, promise, promise_name in events:
            gaps = []
            for turn in range(times):
                bench.say(f"{name}, {turn + 1} of {times}")
                gaps.append(once(bench, cluster, number, count, ran))
                ran += count
            figures.add(f"without dispatch after {name}, p50 of {times}", statistics.median(gaps), "ms")
            figures.add(f"without dispatch after {name}, longest of {times}", max(gaps), "ms",
                        (promise, promise_name))
        bench.check_ran(cluster, ran)
