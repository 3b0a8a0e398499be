"""100,000 tasks in batches, due at once: every one of them runs, once."""

import concurrent.futures
import time

import pytest

from cluster import wait_until

COUNT = 100_000
BATCH = 1000
CLUSTER = {"log_stderr": "no"}


@pytest.fixture(scope="module", autouse=True)
def started(cluster):
    cluster.start()


def test_100_000_at_once(cluster, capsys):
    begun = time.monotonic()

    def post(number):
        tasks = [{"type": "log", "payload": {"n": number * BATCH + i}} for i in range(BATCH)]
        answer = cluster.front.post("/api/v1/tasks:batch", tasks, timeout=60)
        assert answer.status == 202, answer
        results = answer.json()["results"]
        assert [result["index"] for result in results] == list(range(BATCH))
        assert all(result["status"] == 202 for result in results)
        return [result["id"] for result in results]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        ids = [identity for part in pool.map(post, range(COUNT // BATCH)) for identity in part]
    posted = time.monotonic()
    assert len(set(ids)) == COUNT

    wait_until(lambda: cluster.value("SELECT count(*) FROM attempt WHERE outcome IS NOT NULL") >= COUNT,
               240, "all have ended", every=0.25)
    ended = time.monotonic()
    rows = cluster.sql("SELECT task_id::text, count(*), min(outcome::text) FROM attempt GROUP BY 1")
    assert {row[0] for row in rows} == set(ids)
    assert all(count == 1 and outcome == "succeeded" for _, count, outcome in rows)
    assert cluster.value("SELECT count(*) FROM task") == COUNT
    assert cluster.value("SELECT count(*) FROM due") == 0
    assert cluster.broken_invariants() == []
    hot = cluster.sql("SELECT pg_stat_get_tuples_hot_updated(oid), pg_stat_get_tuples_updated(oid)"
                      " FROM pg_class WHERE relname = 'attempt'")[0]
    assert hot[0] >= 0.95 * hot[1], hot
    with capsys.disabled():
        print(f" [posted at {COUNT / (posted - begun):,.0f}/s, all ended at"
              f" {COUNT / (ended - begun):,.0f}/s, HOT {100 * hot[0] / max(1, hot[1]):.1f} %]", end="")


def test_the_log_tells_each_of_them_once(cluster):
    def counts():
        finished = sum(line.count("event=task.finished") for line in cluster.log_lines("task.finished"))
        return finished if finished >= COUNT else None
    assert wait_until(counts, 30, "all ends are logged", every=0.5) == COUNT
