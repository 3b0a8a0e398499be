"""Retries: which ends are followed by another attempt, when, and what is told of them."""

import concurrent.futures
import http.server
import threading
import time

import pytest

from cluster import wait_until

CLUSTER = {"poll": "5s", "executor_types": "log,http,shell", "lost_attempts": "3", "lease": "2s", "resolve": "500ms",
           "heartbeat": "200ms", "alive": "1s", "executor_lease": "6s"}
SOON = {"initial": "PT0.2S", "jitter": 0}


@pytest.fixture(scope="module", autouse=True)
def started(cluster):
    cluster.start()


@pytest.fixture(autouse=True)
def nothing_is_broken(cluster):
    yield
    assert cluster.broken_invariants() == []


def shell(command, **fields):
    return {"type": "shell", "shell": {"argv": ["/bin/sh", "-c", command]}, **fields}


def outcomes(cluster, identity):
    return [attempt["outcome"] for attempt in cluster.attempts(identity)["items"]]


def waits(cluster, identity):
    """Seconds between the end of each attempt, as it was recorded, and the next handing over."""
    items = cluster.sql("SELECT extract(epoch FROM assigned_at - lag(finished_at) OVER (ORDER BY token))::float"
                        " FROM attempt WHERE task_id = %s ORDER BY token", identity)
    return [row[0] for row in items[1:]]


class Target(http.server.BaseHTTPRequestHandler):
    """/busy: 503 with Retry-After: 1 twice for each task, then 200; /404: that."""
    calls = {}

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        calls = Target.calls.setdefault(self.headers["Rota-Task-Id"], [])
        calls.append((int(self.headers["Rota-Attempt"]), time.monotonic()))
        status = 404 if self.path == "/404" else 503 if len(calls) < 3 else 200
        self.send_response(status)
        if status == 503:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def target():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_busy_target_is_asked_again_when_it_says(cluster, target):
    """The backoff would wait an hour."""
    task = cluster.schedule({"type": "http", "http": {"url": f"{target}/busy"},
                             "retry": {"max_attempts": 5, "initial": "PT1H"}})
    cluster.wait_state(task["id"], "retrying")
    ended = cluster.wait_state(task["id"], seconds=20)
    assert ended["state"] == "succeeded" and ended["attempt"] == 3
    history = cluster.attempts(task["id"])["items"]
    assert [(a["outcome"], a["exit_code"]) for a in history] == [("failed", 503), ("failed", 503), ("succeeded", 200)]
    assert all("503" in a["error"] for a in history[:2])
    calls = Target.calls[task["id"]]
    assert [token for token, _ in calls] == [1, 2, 3]
    apart = [later[1] - former[1] for former, later in zip(calls, calls[1:])]
    assert all(0.99 <= wait < 3 for wait in apart), apart


def test_the_wait_doubles(cluster):
    task = cluster.schedule(shell("exit 3", retry={"max_attempts": 4, **SOON}))
    ended = cluster.wait_state(task["id"], seconds=20)
    assert ended["state"] == "failed" and "3" in ended["reason"] and ended["attempt"] == 4
    assert outcomes(cluster, task["id"]) == ["failed"] * 4
    for wait, least in zip(waits(cluster, task["id"]), (0.2, 0.4, 0.8)):
        assert least <= wait < least + 1, waits(cluster, task["id"])
    assert cluster.value("SELECT array_agg(spent ORDER BY token) FROM attempt WHERE task_id = %s",
                         task["id"]) == [0, 1, 2, 3]
    failed = cluster.front.get("/api/v1/tasks?state=failed").json()["items"]
    assert task["id"] in [item["id"] for item in failed]


def test_what_is_told_while_it_waits(cluster):
    task = cluster.schedule(shell("echo no room >&2; exit 75", retry={"initial": "PT1H", "jitter": 0}))
    shown = cluster.wait_state(task["id"], "retrying")
    assert shown["retry"] == {"max_attempts": 3, "backoff": "exponential", "initial": "PT1H", "max": "PT1H",
                              "jitter": 0, "on": ["failed", "timed_out"]}
    assert shown["last_error"]["outcome"] == "failed" and "no room" in shown["last_error"]["message"]
    assert shown["exit_code"] == 75 and shown["reason"] is None and shown["allowed_actions"] == ["cancel", "run-now"]
    left = cluster.value("SELECT extract(epoch FROM d.run_at - a.finished_at)::float FROM due d JOIN attempt a"
                         " ON a.task_id = d.task_id WHERE d.task_id = %s", task["id"])
    assert 3600 <= left < 3605 and shown["next_attempt_at"] > shown["finished_at"]
    waiting = cluster.front.get("/api/v1/tasks?state=retrying").json()["items"]
    assert task["id"] in [item["id"] for item in waiting]
    answer = cluster.front.post(f"/api/v1/tasks/{task['id']}/cancel", {"reason": "enough"}, {"Prefer": "wait=10"})
    assert answer.status == 200, answer
    assert cluster.wait_state(task["id"])["state"] == "cancelled"


@pytest.mark.parametrize("command, on, again", [
    ("exit 75", ["exit:75"], True),
    ("exit 76", ["exit:75"], False),
    ("kill -9 $$", ["signal"], True),
    ("exit 1", ["signal", "error", "timed_out"], False),
    ("sleep 60", ["timed_out"], True),
])
def test_only_the_ends_that_are_named(cluster, command, on, again):
    task = cluster.schedule(shell(command, timeout="PT0.3S", retry={"max_attempts": 2, "on": on, **SOON}))
    assert cluster.wait_state(task["id"], seconds=20)["state"] == "failed"
    assert len(outcomes(cluster, task["id"])) == (2 if again else 1)


def test_an_answer_that_will_be_the_same_is_not_asked_again(cluster, target):
    task = cluster.schedule({"type": "http", "http": {"url": f"{target}/404"}, "retry": SOON})
    assert cluster.wait_state(task["id"])["state"] == "failed"
    assert outcomes(cluster, task["id"]) == ["failed"]


def test_nobody_there_is_asked_again(cluster):
    task = cluster.schedule({"type": "http", "http": {"url": "http://127.0.0.1:1/"}, "retry": {"max_attempts": 2, **SOON}})
    assert cluster.wait_state(task["id"])["state"] == "failed"
    assert outcomes(cluster, task["id"]) == ["failed", "failed"]


def test_without_retry_there_is_one_attempt(cluster):
    task = cluster.schedule(shell("exit 1"))
    assert cluster.wait_state(task["id"])["state"] == "failed"
    assert outcomes(cluster, task["id"]) == ["failed"] and cluster.task(task["id"])["retry"] is None


def test_cancelled_while_it_fails_is_not_tried_again(cluster, tmp_path):
    """The cancel comes while it runs, and it fails for reasons of its own before it is stopped."""
    task = cluster.schedule(shell(f"trap 'exit 5' TERM; touch {tmp_path}/runs; while :; do sleep 0.05; done",
                                  retry={"max_attempts": 5, **SOON}))
    wait_until((tmp_path / "runs").exists, 15, "it runs")
    cluster.front.post(f"/api/v1/tasks/{task['id']}/cancel", {"reason": "enough"})
    ended = cluster.wait_state(task["id"], seconds=20)
    assert ended["state"] == "cancelled" and ended["reason"] == "enough"
    assert len(outcomes(cluster, task["id"])) == 1


def test_runs_of_a_schedule_are_tried_again(cluster, tmp_path):
    put = {"spec": {"every": "PT1S"}, "policy": {"overlap": "allow_all"},
           "task": shell(f"test -e {tmp_path}/$ROTA_TASK_ID || {{ touch {tmp_path}/$ROTA_TASK_ID; exit 1; }}",
                         retry={"max_attempts": 2, **SOON})}
    answer = cluster.front.request("PUT", "/api/v1/schedules/stumbles", put, {"Prefer": "wait=10"})
    assert answer.status == 201 and answer.json()["task"]["retry"]["max_attempts"] == 2, answer
    runs = "SELECT t.id::text FROM task t JOIN attempt a ON a.task_id = t.id WHERE t.schedule_id IS NOT NULL" \
           " AND a.outcome = 'succeeded' AND a.token = 2"
    wait_until(lambda: len(cluster.sql(runs)) >= 2, 20, "two runs have succeeded on their second attempt")
    assert cluster.front.request("DELETE", "/api/v1/schedules/stumbles", None, {"Prefer": "wait=10"}).status == 204
    assert all(outcomes(cluster, row[0]) == ["failed", "succeeded"] for row in cluster.sql(runs))


def test_a_task_that_kills_its_executors_stops(cluster):
    """$PPID is the executor proper; its guardian starts another one. The first start is not on record yet
    when it ends."""
    task = cluster.schedule(shell("kill -9 $PPID; sleep 60"))
    ended = cluster.wait_state(task["id"], seconds=60)
    assert ended["state"] == "failed" and "the last of 3 attempts" in ended["reason"]
    assert [outcome for outcome in outcomes(cluster, task["id"]) if outcome != "returned"] == ["lost"] * 3
    assert len(outcomes(cluster, task["id"])) <= 4


def retry(cluster, identity, **headers):
    return cluster.front.post(f"/api/v1/tasks/{identity}/retry", {"reason": "mended"}, headers)


def test_a_failed_task_is_started_anew(cluster, tmp_path):
    task = cluster.schedule(shell(f"test -e {tmp_path}/mended", retry={"max_attempts": 2, **SOON}))
    ended = cluster.wait_state(task["id"])
    assert ended["state"] == "failed" and ended["allowed_actions"] == ["retry"]
    answer = retry(cluster, task["id"], Prefer="wait=10")
    assert answer.status == 200, answer
    assert answer.headers["Preference-Applied"] == "wait=10"
    assert cluster.wait_state(task["id"])["state"] == "failed", "both of its attempts fail once more"
    (tmp_path / "mended").touch()
    answer = retry(cluster, task["id"])
    assert answer.status == 202 and answer.json()["action"] == "retry", answer
    assert cluster.wait_state(task["id"], "succeeded")["attempt"] == 5
    assert outcomes(cluster, task["id"]) == ["failed"] * 4 + ["succeeded"]
    assert cluster.value("SELECT array_agg(spent ORDER BY token) FROM attempt WHERE task_id = %s",
                         task["id"]) == [0, 1, 0, 1, 0]
    assert cluster.value("SELECT array_agg(reason) FROM task_action WHERE task_id = %s", task["id"]) == ["mended"] * 2


def test_a_cancelled_and_an_expired_task_are_started_anew(cluster):
    cancelled = cluster.schedule({"type": "log", "delay": "PT1H", "tags": ["late"]})["id"]
    answer = cluster.front.post(f"/api/v1/tasks/{cancelled}/cancel", None, {"Prefer": "wait=10"})
    assert answer.status == 200, answer
    expired = cluster.schedule({"type": "log", "queue": "nobody", "start_deadline": "PT0.1S"})["id"]
    cluster.wait_state(expired, "expired")
    assert retry(cluster, cancelled).status == 202
    done = cluster.wait_state(cancelled, "succeeded")
    assert done["attempt"] == 1 and done["run_at"] < done["started_at"]
    tagged = cluster.front.get("/api/v1/tasks?tag=late").json()["items"]
    assert [item["id"] for item in tagged] == [cancelled]
    assert retry(cluster, expired, Prefer="wait=10").json()["state"] == "scheduled"
    cluster.sql("UPDATE due SET queue = 'default' WHERE task_id = %s", expired)
    assert cluster.wait_state(expired, "succeeded")["start_deadline"] is None


def test_the_second_of_two_is_refused(cluster):
    """Both were sent while nobody stored anything; who waits is told what became of its own."""
    task = cluster.schedule(shell("exit 1"))["id"]
    cluster.wait_state(task, "failed")
    consumers = cluster.of("consumer")

    def sent():
        return sum(node.metric("rota_produce_total", result="ok") or 0 for node in cluster.of("producer"))

    before = sent()
    for consumer in consumers:
        consumer.pause()
    try:
        assert retry(cluster, task).status == 202
        with concurrent.futures.ThreadPoolExecutor() as pool:
            second = pool.submit(retry, cluster, task, Prefer="wait=30")
            wait_until(lambda: sent() >= before + 2, 20, "Kafka has both")
            for consumer in consumers:
                consumer.resume()
            answer = second.result(60)
    finally:
        for consumer in consumers:
            consumer.resume()
    assert answer.status == 409 and answer.json()["current_state"] in ("scheduled", "assigned", "running", "failed"), answer
    cluster.wait_state(task, "failed")
    wait_until(lambda: len(outcomes(cluster, task)) == 2, 20, "it has run once more")


def test_what_cannot_be_started_anew(cluster):
    waiting = cluster.schedule({"type": "log", "delay": "PT1H"})["id"]
    done = cluster.schedule({"type": "log"})["id"]
    cluster.wait_state(done, "succeeded")
    cluster.wait_state(waiting, "scheduled")
    for identity, state, actions in ((waiting, "scheduled", ["cancel", "run-now"]), (done, "succeeded", [])):
        answer = retry(cluster, identity)
        assert answer.status == 409 and answer.json()["current_state"] == state, answer
        assert answer.json()["allowed_actions"] == actions
    assert retry(cluster, "01890000-0000-7000-8000-000000000000").status == 404
    answer = cluster.front.post(f"/api/v1/tasks/{done}/retry", {"why": "mended"})
    assert answer.status == 422 and answer.json()["errors"][0]["pointer"] == "#/why", answer


def run_now(cluster, identity, **headers):
    return cluster.front.post(f"/api/v1/tasks/{identity}/run-now", {"reason": "hurry"}, headers)


def test_what_waits_runs_now(cluster):
    """One that is due in an hour, one that waits for its next attempt, one with a start_deadline."""
    late = cluster.schedule({"type": "log", "delay": "PT1H", "tags": ["soon"], "start_deadline": "PT1M"})["id"]
    failed = cluster.schedule(shell("exit 1", retry={"max_attempts": 2, "initial": "PT1H", "jitter": 0}))["id"]
    cluster.wait_state(late, "scheduled")
    cluster.wait_state(failed, "retrying")
    answer = run_now(cluster, late, Prefer="wait=10")
    assert answer.status == 200, answer
    assert run_now(cluster, failed).status == 202
    done = cluster.wait_state(late, "succeeded", seconds=3)
    assert done["run_at"] <= done["started_at"] and done["lateness_ms"] < 2000
    assert [item["id"] for item in cluster.front.get("/api/v1/tasks?tag=soon").json()["items"]] == [late]
    assert cluster.wait_state(failed, "failed", seconds=3)["attempt"] == 2
    answer = run_now(cluster, late)
    assert answer.status == 409 and answer.json()["current_state"] == "succeeded", answer
    assert run_now(cluster, "01890000-0000-7000-8000-000000000000").status == 404


@pytest.mark.parametrize("retry, pointer", [
    ("often", "#/retry"),
    ({"max_attempts": 0}, "#/retry/max_attempts"),
    ({"on": ["failed", "status:503"]}, "#/retry/on/1"),
    ({"initial": "PT10S", "max": "PT1S"}, "#/retry/max"),
    ({"jiter": 0.5}, "#/retry/jiter"),
])
def test_what_is_wrong_is_refused_with_its_place(cluster, retry, pointer):
    answer = cluster.front.post("/api/v1/tasks", shell("true", retry=retry))
    assert answer.status == 422 and answer.json()["errors"][0]["pointer"] == pointer, answer
    answer = cluster.front.request("PUT", "/api/v1/schedules/odd", {"spec": {"every": "PT1S"},
                                                                   "task": shell("true", retry=retry)})
    assert answer.status == 422 and answer.json()["errors"][0]["pointer"] == pointer.replace("#", "#/task"), answer
