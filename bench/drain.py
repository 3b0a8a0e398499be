#!/usr/bin/python3
"""How fast due tasks go from due to finished, and how late timed ones start.

    ROTA_BUILD=build bench/drain.py [COUNT]

Starts a private PostgreSQL and Kafka, one consumer and two executors. COUNT (200,000) due log tasks
are put into the tables, then the executors start: the rate is that from the first assignment to the
last end, with every line logged. Then 10,000 tasks fall due within 10 s. Both runs check that each
task ran once. Numbers are printed, none is judged.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "e2e"))

from cluster import Cluster, Servers, wait_until  # noqa: E402

FILL = """
INSERT INTO task (id, type, queue, priority, run_at, created_at, on_lost, size, payload)
    SELECT gen_random_uuid(), 'log', 'default', 0, {run_at}, now(), 'retry', 20, '{{"hello": "world"}}'
    FROM generate_series(1, {count}) AS g;
INSERT INTO due SELECT id, queue, priority, run_at, 0, 0 FROM task t
    WHERE NOT EXISTS (SELECT FROM attempt a WHERE a.task_id = t.id);
"""
MS = "1000 * extract(epoch FROM {})"


def ended(cluster, count):
    return cluster.value("SELECT sum(n_tup_ins) FROM pg_stat_user_tables WHERE relname = 'attempt'") >= count \
        and cluster.value("SELECT count(*) FROM attempt WHERE outcome = 'succeeded'") >= count


def check_once(cluster, count):
    total, different = cluster.sql("SELECT count(*), count(DISTINCT task_id) FROM attempt")[0]
    assert total == different == count, (total, different)
    assert cluster.broken_invariants() == []


def percentiles(cluster, expression, where="true"):
    values = cluster.value(
        f"SELECT percentile_cont(ARRAY[0.5, 0.99, 0.999]) WITHIN GROUP (ORDER BY {MS.format(expression)})"
        f" FROM attempt a JOIN task t ON t.id = a.task_id WHERE {where}")
    return "p50 {:.1f} ms, p99 {:.1f} ms, p99.9 {:.1f} ms".format(*values)


def drain(cluster, count):
    cluster.sql(FILL.format(run_at="now() - interval '1 hour' + g * interval '1 ms'", count=count))
    executors = [cluster.executor() for _ in range(2)]
    for executor in executors:
        executor.wait_ready()
    wait_until(lambda: ended(cluster, count), 300, "all have ended", every=0.5)
    check_once(cluster, count)
    rate, hot = cluster.sql(
        "SELECT count(*) / extract(epoch FROM max(finished_at) - min(assigned_at)),"
        " (SELECT 100.0 * n_tup_hot_upd / n_tup_upd FROM pg_stat_user_tables WHERE relname = 'attempt')"
        " FROM attempt")[0]
    print(f"drain: {count:,} tasks, {rate:,.0f}/s, HOT {hot:.1f} %,"
          f" assigned to finished {percentiles(cluster, 'a.finished_at - a.assigned_at')}")


def lateness(cluster, before):
    cluster.sql(FILL.format(run_at="now() + interval '2 s' + g * interval '1 ms'", count=10_000))
    wait_until(lambda: ended(cluster, before + 10_000), 60, "all have ended", every=0.5)
    check_once(cluster, before + 10_000)
    timed = "a.assigned_at > now() - interval '1 minute' AND t.run_at > t.stored_at"
    print(f"lateness: 1,000/s, due to assigned {percentiles(cluster, 'a.assigned_at - t.run_at', timed)}")
    print(f"          1,000/s, due to started  {percentiles(cluster, 'a.started_at - t.run_at', timed)}")


def main():
    count = int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else 200_000
    servers = Servers()
    try:
        servers.start()
        cluster = Cluster(servers, "bench", log_stderr="no")
        try:
            cluster.start(producers=0, consumers=1, executors=0)
            drain(cluster, count)
            lateness(cluster, count)
        finally:
            cluster.stop()
            cluster.close()
    finally:
        servers.close()


if __name__ == "__main__":
    main()
