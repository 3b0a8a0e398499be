"""GET .../explain: why a task has not run, or what happened to it."""

import pytest

from cluster import wait_until

CLUSTER = {"lease": "2s", "resolve": "500ms", "heartbeat": "200ms", "alive": "1s", "executor_lease": "6s",
           "poll": "500ms", "executor_slots": "1", "executor_window": "1", "executor_types": "log,shell",
           "executor_queues": "default,limited,bucket,shut"}
WAIT = {"Prefer": "wait=10"}


@pytest.fixture(scope="module", autouse=True)
def started(cluster):
    cluster.start(consumers=1, executors=1)


def codes(cluster, identity, after=""):
    """Empty where it is not stored yet, and the caller does not say where its record stands."""
    answer = cluster.front.get(f"/api/v1/tasks/{identity}/explain{after}")
    if answer.status == 404:
        return []
    assert answer.status == 200, answer
    findings = answer.json()["findings"]
    assert all(finding["text"] for finding in findings)
    return [finding["code"] for finding in findings]


def says(cluster, identity, code, *words):
    """That code comes first, with these words in its text."""
    def first():
        finding = cluster.front.get(f"/api/v1/tasks/{identity}/explain").json().get("findings", [{}])[0]
        return finding if finding.get("code") == code else None
    text = wait_until(first, 20, f"it says {code}")["text"]
    assert all(word in text for word in words), text


def shell(command, **fields):
    return {"type": "shell", "shell": {"argv": ["/bin/sh", "-c", command]}, **fields}


def test_not_due(cluster):
    task = cluster.schedule({"type": "log", "run_at": "2199-01-01T00:00:00Z"})["id"]
    says(cluster, task, "not-due", "2199-01-01")
    assert codes(cluster, task) == ["not-due"]


def test_nobody_serves_it(cluster):
    task = cluster.schedule({"type": "log", "queue": "nobody"})["id"]
    later = cluster.schedule({"type": "log", "queue": "nobody"})["id"]
    says(cluster, task, "no-executor", "nobody", "ROTA_EXECUTOR_QUEUES")
    says(cluster, later, "no-executor")
    assert "others-first" in codes(cluster, later) and "others-first" not in codes(cluster, task)


def test_paused(cluster):
    assert cluster.front.post("/api/v1/queues/shut/pause", {"reason": "the relay is down"}, WAIT).status == 200
    task = cluster.schedule({"type": "log", "queue": "shut"})["id"]
    says(cluster, task, "queue-paused", "the relay is down", "shut")
    assert cluster.front.post("/api/v1/queues/shut/resume", None, WAIT).status == 200
    says(cluster, task, "succeeded", "executor-1")


def test_bounds_of_a_queue(cluster):
    answer = cluster.front.request("PATCH", "/api/v1/queues/bucket", {"rate": {"per_second": 0.01, "burst": 1}}, WAIT)
    assert answer.status == 200, answer
    tasks = [cluster.schedule({"type": "log", "queue": "bucket"})["id"] for _ in range(2)]
    cluster.wait_state(tasks[0], "succeeded")
    says(cluster, tasks[1], "queue-rate", "0.01")


def test_running_and_full(cluster, tmp_path):
    """One slot: one task runs, one is with the executor or waits for it."""
    answer = cluster.front.request("PATCH", "/api/v1/queues/limited", {"concurrency": 1}, WAIT)
    assert answer.status == 200, answer
    first = cluster.schedule(shell("sleep 30", queue="limited"))["id"]
    says(cluster, first, "running", "attempt 1", "executor-1")
    second = cluster.schedule(shell("true", queue="limited"))["id"]
    says(cluster, second, "queue-concurrency", "limited")
    waiting = [cluster.schedule(shell("true"))["id"] for _ in range(3)]
    wait_until(lambda: "executors-full" in codes(cluster, waiting[2]), 20, "the executor is full")
    cluster.front.post(f"/api/v1/tasks/{first}/cancel", {"reason": "enough"}, WAIT)
    says(cluster, first, "ended", "was cancelled", "enough")
    says(cluster, second, "succeeded")


def test_failures(cluster):
    task = cluster.schedule(shell("echo no room >&2; exit 75", retry={"max_attempts": 2, "initial": "PT2S", "jitter": 0}))["id"]
    says(cluster, task, "waiting-for-retry", "attempt 1 of 2", "no room")
    says(cluster, task, "ended", "failed", "no room")
    assert codes(cluster, task) == ["ended", "attempts-spent"]
    text = cluster.front.get(f"/api/v1/tasks/{task}/explain").json()["findings"][1]["text"]
    assert "2 of 2 attempts" in text and "retry" in text


def test_a_run_of_a_schedule(cluster):
    answer = cluster.front.request("PUT", "/api/v1/schedules/tick", {"spec": {"every": "PT1S"}, "task": {"type": "log"}}, WAIT)
    assert answer.status == 201, answer
    query = "SELECT a.task_id::text FROM fire f JOIN attempt a ON a.task_id = f.task_id AND a.outcome = 'succeeded' LIMIT 1"
    task = wait_until(lambda: cluster.sql(query), 20, "it has run")[0][0]
    assert cluster.front.request("DELETE", "/api/v1/schedules/tick", None, WAIT).status == 204
    assert codes(cluster, task) == ["succeeded", "run-of-a-schedule"]


def test_no_master(cluster):
    consumer = cluster.of("consumer")[0]
    task = cluster.schedule({"type": "log", "delay": "PT1S"})["id"]
    cluster.wait_state(task, "scheduled")
    consumer.kill()
    try:
        says(cluster, task, "no-master", "/api/v1/cluster")
        missing = cluster.schedule({"type": "log"})
        assert codes(cluster, missing["id"], "?" + missing["links"]["self"].partition("?")[2]) == ["ingest-behind"]
    finally:
        consumer.start()
    says(cluster, task, "succeeded")


def test_what_is_not_known(cluster):
    assert cluster.front.get("/api/v1/tasks/01890000-0000-7000-8000-000000000000/explain").status == 404
    assert cluster.front.get("/api/v1/tasks/7/explain").status == 404
