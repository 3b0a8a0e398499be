"""Queues: pauses, concurrency and rates hold for all tasks of a queue, and for no other's."""

import os
import signal

import pytest

from cluster import open_gate, wait_until

CLUSTER = {"lease": "2s", "resolve": "500ms", "heartbeat": "200ms", "alive": "1s", "executor_lease": "6s",
           "poll": "1s", "executor_slots": "32", "executor_types": "log,shell",
           "executor_queues": "default,mail,slow,brisk,lost"}
WAIT = {"Prefer": "wait=10"}


@pytest.fixture(scope="module", autouse=True)
def started(cluster):
    cluster.start(consumers=2, executors=2)


@pytest.fixture(autouse=True)
def nothing_is_broken(cluster):
    yield
    assert cluster.broken_invariants() == []


def patch(cluster, queue, body, expect=200, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = cluster.front.request("PATCH", f"/api/v1/queues/{queue}", body, {**WAIT, **headers})
    assert answer.status == expect, answer
    return answer


def post(cluster, queue, count, task=None):
    task = {"type": "log", **(task or {}), "queue": queue}
    answer = cluster.front.post("/api/v1/tasks:batch", [task] * count)
    assert answer.status == 202, answer
    ids = [result["id"] for result in answer.json()["results"]]
    wait_until(lambda: cluster.value("SELECT count(*) FROM task WHERE id = ANY (%s::uuid[])", ids) == count, 20, "stored")
    return ids


def ended(cluster, ids):
    return cluster.value("SELECT count(*) FROM attempt WHERE task_id = ANY (%s::uuid[]) AND outcome = 'succeeded'", ids)


def test_a_paused_queue_hands_nothing_over(cluster):
    told = cluster.front.post("/api/v1/queues/mail/pause", {"reason": "the relay is down"}, WAIT)
    assert told.status == 200 and told.json()["paused"] and told.json()["reason"] == "the relay is down", told
    ids = post(cluster, "mail", 20)
    others = post(cluster, "default", 20)
    wait_until(lambda: ended(cluster, others) == 20, 20, "other queues go on")
    assert cluster.value("SELECT count(*) FROM attempt WHERE task_id = ANY (%s::uuid[])", ids) == 0
    shown = cluster.front.get("/api/v1/queues/mail").json()
    assert shown["due"] == 20 and shown["paused_at"] and shown["oldest_due_at"] and shown["executors"] == 2
    told = cluster.front.post("/api/v1/queues/mail/resume", None, WAIT)
    assert told.status == 200 and not told.json()["paused"] and told.json()["reason"] is None, told
    wait_until(lambda: ended(cluster, ids) == 20, 20, "it goes on")


def test_a_pause_outlives_its_master(cluster):
    cluster.front.post("/api/v1/queues/mail/pause", {}, WAIT)
    ids = post(cluster, "mail", 5)
    former = cluster.master()
    former.kill()
    wait_until(lambda: (now := cluster.master()) and now is not former, 30, "another is master")
    former.start()
    others = post(cluster, "default", 5)
    wait_until(lambda: ended(cluster, others) == 5, 20, "it hands over")
    assert cluster.value("SELECT count(*) FROM attempt WHERE task_id = ANY (%s::uuid[])", ids) == 0
    assert cluster.front.post("/api/v1/queues/mail/resume", None, WAIT).status == 200
    wait_until(lambda: ended(cluster, ids) == 5, 20, "it goes on")


def test_no_more_than_its_concurrency_run_at_a_time(cluster, tmp_path):
    patch(cluster, "slow", {"concurrency": 3})
    os.mkfifo(tmp_path / "gate")
    ids = post(cluster, "slow", 12, {"type": "shell", "shell": {"argv": ["/bin/cat", str(tmp_path / "gate")]}})
    running = "SELECT count(*) FROM attempt WHERE task_id = ANY (%s::uuid[]) AND outcome IS NULL"
    most = 0

    def all_ended():
        nonlocal most
        most = max(most, cluster.value(running, ids))
        open_gate(tmp_path / "gate")
        return ended(cluster, ids) == 12

    wait_until(lambda: cluster.value(running, ids) == 3, 20, "three run")
    assert cluster.front.get("/api/v1/queues/slow").json()["running"] == 3
    others = post(cluster, "default", 5)
    wait_until(lambda: ended(cluster, others) == 5, 20, "other queues go on")
    wait_until(all_ended, 60, "all have run", every=0.01)
    assert most == 3
    patch(cluster, "slow", {"concurrency": None})
    assert cluster.front.get("/api/v1/queues/slow").json()["running"] is None


def test_short_tasks_follow_one_another_at_once(cluster):
    """What ends makes room without waiting for the next look, once a second."""
    patch(cluster, "slow", {"concurrency": 2})
    ids = post(cluster, "slow", 40)
    began = cluster.value("SELECT clock_timestamp()")
    wait_until(lambda: ended(cluster, ids) == 40, 20, "all have run")
    assert cluster.value("SELECT extract(epoch FROM max(finished_at) - %s)::float FROM attempt"
                         " WHERE task_id = ANY (%s::uuid[])", began, ids) < 8
    patch(cluster, "slow", {"concurrency": None})


def test_permits_of_a_lost_executor_come_back(cluster):
    patch(cluster, "lost", {"concurrency": 2})
    ids = post(cluster, "lost", 4, {"type": "shell", "shell": {"argv": ["/bin/sleep", "1"]}})
    holders = "SELECT DISTINCT n.name FROM attempt a JOIN node n ON n.id = a.executor" \
              " WHERE a.task_id = ANY (%s::uuid[]) AND a.outcome IS NULL"
    name = wait_until(lambda: cluster.sql(holders, ids), 20, "two run")[0][0]
    victim = next(node for node in cluster.of("executor") if node.name == name)
    victim.signal(signal.SIGKILL)
    victim.start()
    wait_until(lambda: ended(cluster, ids) == 4, 60, "all have run")
    assert cluster.value("SELECT count(*) FROM permit") == 0
    patch(cluster, "lost", {"concurrency": None})


def test_a_bucket_lets_so_many_through(cluster):
    patch(cluster, "brisk", {"rate": {"per_second": 20, "burst": 10}})
    ids = post(cluster, "brisk", 50)
    wait_until(lambda: ended(cluster, ids) == 50, 20, "all have run")
    at = [row[0] for row in cluster.sql(
        "SELECT extract(epoch FROM assigned_at)::float FROM attempt WHERE task_id = ANY (%s::uuid[]) ORDER BY 1", ids)]
    for i, first in enumerate(at):
        for n in range(i, len(at)):
            assert n - i + 1 <= 10 + 20 * (at[n] - first) + 1, (i, n)
    assert 1.9 < at[-1] - at[0] < 4
    told = patch(cluster, "brisk", {"rate": None}).json()
    assert told["rate"] is None


def test_a_change_of_another_version_is_refused(cluster):
    told = patch(cluster, "versions", {"concurrency": 7})
    assert told.headers["ETag"] == '"1"' and told.json()["version"] == 1
    assert patch(cluster, "versions", {"concurrency": 8}, If_Match='"1"').json()["concurrency"] == 8
    refused = patch(cluster, "versions", {"concurrency": 9}, expect=412, If_Match='"1"')
    assert refused.headers["ETag"] == '"2"'
    assert cluster.front.get("/api/v1/queues/versions").json()["concurrency"] == 8
    refused = patch(cluster, "unheard", {"concurrency": 9}, expect=412, If_Match='"1"')
    assert "nothing was ever set" in refused.json()["detail"]


def test_the_link_tells_what_became_of_it(cluster):
    answer = cluster.front.request("PATCH", "/api/v1/queues/versions", {"rate": {"per_second": 0.5}})
    assert answer.status == 202, answer
    link = answer.headers["Location"]
    shown = wait_until(lambda: (now := cluster.front.get(link).json()).get("version") and now, 20, "it is applied")
    assert shown["rate"] == {"per_second": 0.5, "burst": 1} and shown["concurrency"] == 8


def test_the_list_has_every_queue(cluster):
    post(cluster, "nobody", 3)
    items, cursor = [], ""
    while cursor is not None:
        page = cluster.front.get(f"/api/v1/queues?limit=2{cursor and '&cursor=' + cursor}").json()
        items += page["items"]
        cursor = page["next_cursor"]
    names = [item["name"] for item in items]
    assert names == sorted(set(names)) and {"default", "mail", "nobody", "versions", "brisk"} <= set(names)
    nobody = next(item for item in items if item["name"] == "nobody")
    assert nobody["executors"] == 0 and nobody["due"] == 3 and nobody["version"] == 0
    assert cluster.front.get("/api/v1/queues/nothing-of-it").status == 404


@pytest.mark.parametrize("body, pointer", [
    ({}, "#"),
    ({"paused": "yes"}, "#/paused"),
    ({"concurrency": 0}, "#/concurrency"),
    ({"concurrency": 100001}, "#/concurrency"),
    ({"rate": 5}, "#/rate"),
    ({"rate": {"burst": 5}}, "#/rate/per_second"),
    ({"rate": {"per_second": 0}}, "#/rate/per_second"),
    ({"rate": {"per_second": 1, "burst": 0}}, "#/rate/burst"),
    ({"rate": {"per_second": 1, "brust": 2}}, "#/rate/brust"),
    ({"concurency": 5}, "#/concurency"),
    ({"concurrency": 5, "reason": "why not"}, "#/reason"),
])
def test_what_is_wrong_is_refused_with_its_place(cluster, body, pointer):
    answer = cluster.front.request("PATCH", "/api/v1/queues/mail", body)
    assert answer.status == 422 and answer.json()["errors"][0]["pointer"] == pointer, answer


def test_a_name_that_no_queue_can_have(cluster):
    assert cluster.front.request("PATCH", "/api/v1/queues/No", {"paused": True}).status == 422
    assert cluster.front.get("/api/v1/queues/No").status == 422
