"""The life of a task, as its users see it: answer, link, state, log lines, attempts."""

import json
import re
import time

import pytest

from cluster import wait_until


@pytest.fixture(scope="module", autouse=True)
def started(cluster):
    cluster.start()


def lateness_ms(cluster, ids):
    """Start minus due instant of each, by the database's clock, in ms."""
    return sorted(float(row[0]) for row in cluster.sql(
        "SELECT extract(epoch FROM a.started_at - t.run_at) * 1000"
        " FROM attempt a JOIN task t ON t.id = a.task_id WHERE t.id = ANY (%s::uuid[])", ids))


def test_the_whole_life(cluster):
    answer = cluster.front.post("/schedule", {"type": "log", "delay": "PT3S",
                                              "payload": {"hello": "world"}})
    assert answer.status == 202, answer
    task = answer.json()
    link = answer.headers["Location"]
    assert link.startswith(f"/api/v1/tasks/{task['id']}?after=")
    first = cluster.front.get(link)
    assert first.status == 200
    assert first.json()["state"] in ("accepted", "scheduled")

    stored = wait_until(lambda: (seen := cluster.front.get(link).json())["state"] == "scheduled"
                        and seen, 5, "the task is scheduled")
    assert stored["payload"] == {"hello": "world"}
    ended = cluster.wait_state(task["id"], "succeeded")
    assert ended["attempt"] == 1
    assert ended["lateness_ms"] >= 0

    attempts = cluster.attempts(task["id"])["items"]
    assert [a["outcome"] for a in attempts] == ["succeeded"]

    lines = wait_until(lambda: (found := cluster.log_lines(task["id"])) and
                       all(any(word in line for line in found)
                           for word in ("task.assigned", "task.finished")) and found,
                       5, "the log tells the end")
    events = [re.search(r" event=(\S+)", line)[1] for line in lines]
    for event in ("task.stored", "task.assigned", "task.started", "task.finished"):
        assert events.count(event) == 1, lines
    # By time. An executor that looks into its inbox by itself may be ahead of the master's line,
    # which is written when the answer to the same commit has come.
    told = {event: float(line[20:26]) for event, line in zip(events, lines)}
    behind = (told["task.finished"] - told["task.assigned"]) % 60
    assert events[0] == "task.stored"
    assert behind < 30 or behind > 59.9, lines
    assert any("hello" in line for line in lines)
    assert all(re.match(r"ts=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", line) for line in lines)


def test_each_of_200_starts_once_and_none_early(cluster, capsys):
    ids = []
    for _ in range(200):
        ids.append(cluster.schedule({"type": "log", "delay": "PT3S", "payload": 1})["id"])
    for identity in ids:
        cluster.wait_state(identity, "succeeded", seconds=30)
    late = lateness_ms(cluster, ids)
    assert len(late) == 200
    assert late[0] >= 0
    assert cluster.value("SELECT count(*) FROM attempt WHERE task_id = ANY (%s::uuid[])", ids) == 200
    with capsys.disabled():
        print(f" [lateness of 200: p50 {late[99]:.1f} ms, p99 {late[197]:.1f} ms]", end="")


def test_run_at_in_the_past_runs_now(cluster):
    task = cluster.schedule({"type": "log", "run_at": "2020-01-01T00:00:00Z"})
    assert cluster.wait_state(task["id"])["state"] == "succeeded"


def test_higher_priority_goes_first(new_cluster):
    cluster = new_cluster()
    cluster.start(executors=0)
    low = [cluster.schedule({"type": "log", "priority": -5})["id"] for _ in range(5)]
    high = [cluster.schedule({"type": "log", "priority": 5})["id"] for _ in range(5)]
    wait_until(lambda: cluster.value("SELECT count(*) FROM due") == 10, 10, "all are stored")
    cluster.executor().wait_ready()
    cluster.wait_all_ended(10)
    order = [str(row[0]) for row in cluster.sql("SELECT task_id FROM attempt ORDER BY inbox")]
    assert set(order[:5]) == set(high) and set(order[5:]) == set(low)


def test_a_queue_without_executor_waits(cluster):
    task = cluster.schedule({"type": "log", "queue": "nobody"})
    here = cluster.schedule({"type": "log"})
    cluster.wait_state(here["id"], "succeeded")
    assert cluster.wait_state(task["id"], "scheduled")["state"] == "scheduled"
    other = cluster.executor(executor_queues="nobody")
    other.wait_ready()
    cluster.wait_state(task["id"], "succeeded")
    assert other.stop() == 0


def test_the_same_key_twice_is_one_task(cluster):
    key = {"Idempotency_Key": '"order-4711"'}
    first = cluster.schedule({"type": "log", "payload": 1}, **key)
    again = cluster.schedule({"type": "log", "payload": 1}, **key)
    assert first["id"] == again["id"]
    cluster.wait_state(first["id"], "succeeded")
    other = cluster.front.post("/schedule", {"type": "log", "payload": 2},
                               {"Idempotency-Key": "order-4711"})
    assert other.status in (202, 422)
    if other.status == 202:
        link = other.headers["Location"]
        seen = wait_until(lambda: (answer := cluster.front.get(link).json())["state"] == "rejected"
                          and answer, 10, "the second use is rejected")
        assert "idempotency-key-reused" in json.dumps(seen)
    assert cluster.value("SELECT count(*) FROM attempt WHERE task_id = %s", first["id"]) == 1


def test_cancel_before_its_time(cluster):
    task = cluster.schedule({"type": "log", "delay": "PT1H"})
    cluster.wait_state(task["id"], "scheduled")
    answer = cluster.front.post(f"/api/v1/tasks/{task['id']}/cancel", {"reason": "not needed"},
                                {"Prefer": "wait=10"})
    assert answer.status == 200, answer
    assert answer.json()["state"] == "cancelled"
    assert "not needed" in answer.text
    again = cluster.front.post(f"/api/v1/tasks/{task['id']}/cancel", {}, {"Prefer": "wait=10"})
    assert again.status in (200, 409)
    assert cluster.value("SELECT count(*) FROM attempt WHERE task_id = %s", task["id"]) == 0


def test_cancel_right_behind_the_post(cluster):
    """Without the place in Kafka: the cancel follows its task there all the same."""
    for _ in range(20):
        task = cluster.schedule({"type": "log", "delay": "PT1H"})
        answer = cluster.front.post(f"/api/v1/tasks/{task['id']}/cancel", {})
        assert answer.status == 202, answer
        assert cluster.wait_state(task["id"])["state"] == "cancelled"
    unknown = cluster.front.post("/api/v1/tasks/019aa4d2-7425-70de-944b-e07fc1f90ae7/cancel", {})
    assert unknown.status == 404


def test_cancel_of_an_ended_task_is_refused(cluster):
    task = cluster.schedule({"type": "log"})
    cluster.wait_state(task["id"], "succeeded")
    answer = cluster.front.post(f"/api/v1/tasks/{task['id']}/cancel", {}, {"Prefer": "wait=10"})
    assert answer.status == 409
    assert answer.json()["current_state"] == "succeeded"
    assert answer.headers["Content-Type"].startswith("application/problem+json")


def test_prefer_wait_tells_the_end(cluster):
    task = cluster.schedule({"type": "log", "delay": "PT1S"})
    begun = time.monotonic()
    answer = cluster.front.get(task["links"]["self"], {"Prefer": "wait=10"}, timeout=20)
    assert answer.json()["state"] == "succeeded"
    assert 0.5 < time.monotonic() - begun < 8


def test_the_founding_interface(cluster):
    answer = cluster.front.get("/task/send?execTs=2019-08-07T21:45:00.000%2B08:00&data=bbbbbb")
    assert answer.status == 200, answer
    assert "execTs=Wed Aug 07 13:45:00 UTC 2019, data=bbbbbb" in answer.text
    wait_until(lambda: cluster.log_lines("bbbbbb"), 10, "its data is in the log")
    assert cluster.front.get("/task/health-check").status == 200


def test_the_founding_topic(cluster):
    from subprocess import run
    topic = cluster.prefix + "scheduler-task"
    run(["kcat", "-P", "-b", cluster.servers.brokers, "-t", topic],
        input=b'{"execTs":1565185500000,"data":"from-the-topic"}\n', check=True, timeout=30)
    wait_until(lambda: cluster.log_lines("from-the-topic"), 20, "its data is in the log")


def test_nodes_and_cluster(cluster):
    nodes = cluster.front.get("/api/v1/nodes").json()["items"]
    assert sum(node["role"] == "consumer" for node in nodes) >= 2
    view = cluster.front.get("/api/v1/cluster").json()
    assert view["master"]["node"].startswith("consumer-")
    assert view["master"]["epoch"] > 0 and view["terms"]


def test_nothing_is_broken(cluster):
    assert cluster.broken_invariants() == []
