"""start_deadline: what nobody could start in time ends as expired, and is never started after all."""

import os

import pytest

from cluster import open_gate, wait_until

CLUSTER = {"lease": "2s", "resolve": "500ms", "heartbeat": "200ms", "alive": "1s", "executor_lease": "6s",
           "poll": "200ms", "executor_slots": "1"}


@pytest.fixture(scope="module", autouse=True)
def started(cluster):
    cluster.start(executors=1)


@pytest.fixture(autouse=True)
def nothing_is_broken(cluster):
    yield
    assert cluster.broken_invariants() == []


@pytest.fixture
def gate(tmp_path):
    """A shell task that ends when the gate is opened; only one runs at a time here."""
    os.mkfifo(tmp_path / "gate")
    return tmp_path / "gate"


def shell(command, **fields):
    return {"type": "shell", "shell": {"command": command}, **fields}


def test_nobody_serves_its_queue(cluster):
    task = cluster.schedule({"type": "log", "queue": "nobody", "start_deadline": "PT1S"})
    kept = cluster.schedule({"type": "log", "queue": "nobody"})
    shown = cluster.wait_state(task["id"], "expired")
    assert shown["start_deadline"] == "PT1S" and "start_deadline" in shown["reason"]
    assert cluster.attempts(task["id"])["items"] == []
    assert cluster.value("SELECT e.ended_at - t.run_at BETWEEN '1 s' AND '5 s' FROM task_end e"
                         " JOIN task t ON t.id = e.task_id WHERE t.id = %s", task["id"])
    assert cluster.task(kept["id"])["state"] == "scheduled"
    listed = cluster.front.get("/api/v1/tasks?state=expired&queue=nobody").json()["items"]
    assert [item["id"] for item in listed] == [task["id"]]


def test_in_time_it_runs(cluster):
    task = cluster.schedule({"type": "log", "delay": "PT1S", "start_deadline": "PT10S"})
    assert cluster.wait_state(task["id"])["state"] == "succeeded"


def test_handed_over_and_waiting_for_a_slot(cluster, gate, tmp_path):
    first = cluster.schedule(shell(f"cat {gate}"))
    cluster.wait_state(first["id"], "running")
    late = cluster.schedule(shell(f"touch {tmp_path}/ran", start_deadline="PT1S"))
    wait_until(lambda: cluster.value("SELECT count(*) FROM task WHERE id = %s AND now() > run_at + interval '1.2 s'",
                                     late["id"]), 10, "its deadline has passed")
    gate.write_text("")
    assert cluster.wait_state(late["id"], "expired", "succeeded")["state"] == "expired"
    assert not (tmp_path / "ran").exists()
    assert cluster.wait_state(first["id"])["state"] == "succeeded"


def test_a_lost_executor(cluster, gate, tmp_path):
    """What it had started runs again, whatever the deadline; what it had not is expired by now."""
    started = cluster.schedule(shell(f"echo >> {tmp_path}/runs; cat {gate}", start_deadline="PT2S"))
    cluster.wait_state(started["id"], "running")
    waiting = [cluster.schedule(shell(f"touch {tmp_path}/ran", start_deadline="PT1S"))["id"] for _ in range(3)]
    wait_until(lambda: cluster.task(waiting[0])["state"] == "assigned"
               or cluster.value("SELECT now() > run_at + interval '1 s' FROM task WHERE id = %s", waiting[0]), 10,
               "it is handed over, or waits for a slot")
    former = cluster.of("executor")[0]
    former.kill()
    former.start()
    former.wait_ready()
    for identity in waiting:
        assert cluster.wait_state(identity, "expired", "succeeded", seconds=40)["state"] == "expired"
    wait_until(lambda: (tmp_path / "runs").read_text().count("\n") == 2, 40, "what had started runs again")
    wait_until(lambda: open_gate(gate) or cluster.task(started["id"])["state"] == "succeeded", 20, "it ends")
    assert not (tmp_path / "ran").exists()


def test_fires_of_a_schedule(cluster):
    """Nobody there for longer than the deadline: those fires are no tasks, and on record."""
    answer = cluster.front.request("PUT", "/api/v1/schedules/brief", {
        "spec": {"every": "PT1S"}, "task": {"type": "log", "start_deadline": "PT2S"},
        "policy": {"misfire": "fire_all", "overlap": "allow_all"}}, {"Prefer": "wait=10"})
    assert answer.status == 201 and answer.json()["task"]["start_deadline"] == "PT2S", answer
    counts = ("SELECT count(*) FILTER (WHERE f.task_id IS NOT NULL),"
              " coalesce(sum(f.count) FILTER (WHERE f.reason = 'start_deadline'), 0), sum(f.count)"
              " FROM fire f JOIN schedule s ON s.id = f.schedule_id WHERE s.name = 'brief'")
    wait_until(lambda: cluster.sql(counts)[0][0] >= 2, 20, "it runs")
    consumers = cluster.of("consumer")
    for consumer in consumers:
        consumer.kill()
    at = cluster.value("SELECT now()")
    wait_until(lambda: cluster.value("SELECT now() > %s + interval '7 s'", at), 10, "seven seconds")
    before = cluster.sql(counts)[0][0]
    for consumer in consumers:
        consumer.start()
    wait_until(lambda: cluster.sql(counts)[0][0] >= before + 3, 20, "it runs again")
    runs, skipped, fires = cluster.sql(counts)[0]
    assert skipped >= 4 and runs + skipped == fires
    assert cluster.value("SELECT count(*) FROM task_end e JOIN task t ON t.id = e.task_id"
                         " WHERE t.schedule_id IS NOT NULL AND e.state <> 'expired'") == 0
    items = cluster.front.get("/api/v1/schedules/brief/fires").json()["items"]
    assert any(item["reason"] == "start_deadline" and item["result"] == "skipped" for item in items)
    run = next(item for item in items if item["result"] == "run")
    shown = cluster.front.get(f"/api/v1/tasks/{run['task']}").json()
    assert shown["schedule"] == "brief" and shown["fire_at"] == run["fire_at"]
    assert cluster.front.request("DELETE", "/api/v1/schedules/brief", None, {"Prefer": "wait=10"}).status == 204


@pytest.mark.parametrize("value", ["", "PT0S", "-PT1S", "P1M", 5, "PT9999999H", "soon"])
def test_what_is_no_deadline_is_refused(cluster, value):
    answer = cluster.front.post("/api/v1/tasks", {"type": "log", "start_deadline": value})
    assert answer.status == 422 and answer.json()["errors"][0]["pointer"] == "#/start_deadline", answer
    answer = cluster.front.request("PUT", "/api/v1/schedules/odd", {
        "spec": {"every": "PT1S"}, "task": {"type": "log", "start_deadline": value}})
    assert answer.status == 422 and answer.json()["errors"][0]["pointer"] == "#/task/start_deadline", answer
