"""Schedules of every second that go on beside a fault.

What is asked of the ledger is not what the master says of itself (the chain of decisions) alone, but
the seconds that there were: for each schedule every second from its first fire to its last one stands
in exactly one row, every run is one task, and every task has succeeded once.
"""

import collections

from cluster import wait_until

POLICIES = ("fire_once", "fire_all", "skip")


def put_all(cluster, count):
    file = [{"name": f"second-{n}", "spec": {"every": "PT1S"}, "task": {"type": "log", "payload": n},
             "policy": {"misfire": POLICIES[n % 3], "overlap": "allow_all", "grace": "PT1S"}}
            for n in range(count)]
    answer = cluster.front.post("/api/v1/schedules:import", file)
    assert answer.status == 202, answer
    wait_until(lambda: cluster.value("SELECT count(*) FROM schedule") == count, 60, "all are there")


def wait_decided(cluster, seconds):
    """Until every schedule is decided up to this moment."""
    now = cluster.value("SELECT clock_timestamp()")
    wait_until(lambda: not cluster.sql("SELECT FROM schedule WHERE decided_at IS NULL OR"
                                       " decided_at < %s - interval '1 s' LIMIT 1", now),
               seconds, "all schedules are decided up to now", every=0.2)


def halt(cluster):
    """Nobody looks at them any more, and what is decided stays as it is."""
    cluster.sql("UPDATE schedule SET seq = seq + 1, look_at = NULL WHERE look_at IS NOT NULL")


def decided(cluster):
    return cluster.value("SELECT coalesce(sum(count), 0)::bigint FROM fire")


def runs(cluster):
    return cluster.value("SELECT count(*) FROM fire WHERE task_id IS NOT NULL")


def broken(cluster, count):
    """What of `count` schedules breaks the promise, as rows; to be read when all has ended."""
    return broken_seconds(cluster, count) + cluster.sql(
        "SELECT 'gap in the chain of decisions', schedule_id::text FROM fire_gap"
        " UNION ALL SELECT 'task of a fire that is in no row', id::text FROM task WHERE schedule_id IS NOT NULL"
        " AND NOT EXISTS (SELECT FROM fire WHERE task_id = id)"
        " UNION ALL SELECT 'fire that succeeded ' || count(a.token) || ' times', f.task_id::text FROM fire f"
        " LEFT JOIN attempt a ON a.task_id = f.task_id AND a.outcome = 'succeeded'"
        " WHERE f.task_id IS NOT NULL GROUP BY f.task_id HAVING count(a.token) <> 1")


def broken_seconds(cluster, count):
    rows = cluster.sql(
        "SELECT s.name, extract(epoch FROM f.fire_at)::bigint, extract(epoch FROM f.last_at)::bigint, f.count"
        " FROM schedule s JOIN fire f ON f.schedule_id = s.id ORDER BY 1, 2")
    found = [("range row with another count", name, first, upto, number)
             for name, first, upto, number in rows if upto - first != number - 1]
    seconds = collections.defaultdict(list)
    for name, first, upto, _ in rows:
        seconds[name] += range(first, upto + 1)
    if len(seconds) != count:
        found.append(("schedules that fired", len(seconds), "of", count))
    return found + [("second that is missing or double", name) for name, of_one in seconds.items()
                    if of_one != list(range(of_one[0], of_one[-1] + 1))]
