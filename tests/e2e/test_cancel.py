"""Cancels of what runs: at once, and nothing is left behind."""

import http.server
import pathlib
import threading
import time

import pytest

from cluster import wait_until

CLUSTER = {"kill_grace": "500ms", "poll": "5s", "executor_types": "log,http,shell", "executor_slots": "64"}


@pytest.fixture(scope="module", autouse=True)
def started(cluster):
    cluster.start()


@pytest.fixture(autouse=True)
def nothing_is_broken(cluster):
    yield
    assert cluster.broken_invariants() == []


def processes_of(task):
    """Every process that has this task's environment, whoever its parent is now."""
    found, mark = [], f"ROTA_TASK_ID={task}".encode()
    for folder in pathlib.Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            pass    # it ended meanwhile
    return found


def shell(command, **fields):
    return {"type": "shell", "shell": {"argv": ["/bin/sh", "-c", command], **fields.pop("shell", {})}, **fields}


def cancel(cluster, task):
    """Seconds until it is answered that it has ended."""
    began = time.monotonic()
    answer = cluster.front.post(f"/api/v1/tasks/{task}/cancel", {"reason": "no longer wanted"}, {"Prefer": "wait=10"})
    assert answer.status == 200, answer
    assert answer.json()["state"] == "cancelled" and answer.json()["reason"] == "no longer wanted"
    return time.monotonic() - began


def start(cluster, task, count):
    identity = cluster.schedule(task)["id"]
    wait_until(lambda: len(processes_of(identity)) >= count, 15, f"{count} processes run")
    return identity


def test_both_of_two_end_within_a_second(cluster):
    task = start(cluster, shell("sleep 1000 & sleep 1000"), 3)
    assert cancel(cluster, task) < 1
    assert processes_of(task) == []
    attempt = cluster.attempts(task)["items"][-1]
    assert attempt["outcome"] == "cancelled" and attempt["cancel"]["reason"] == "no longer wanted"


def test_the_word_reaches_the_executor_at_once(cluster, tmp_path):
    """From the request on record to TERM in the process: without a word it would be the poll, five seconds."""
    task = start(cluster, shell(f"trap 'date +%s.%N > {tmp_path}/told; exit 1' TERM; sleep 1000 & wait"), 2)
    cancel(cluster, task)
    asked = cluster.value("SELECT extract(epoch FROM cancel_at)::float FROM attempt WHERE task_id = %s", task)
    assert float((tmp_path / "told").read_text()) - asked < 0.2


def test_what_does_not_listen_is_killed_after_its_grace(cluster):
    task = start(cluster, shell("trap '' TERM; sleep 1000 & while :; do sleep 0.1; done", shell={"grace": "PT0.3S"}), 2)
    took = cancel(cluster, task)
    assert 0.3 <= took < 1.5
    assert processes_of(task) == []


def test_fifty_trees_at_once(cluster):
    """Each of them a shell, two children and a grandchild."""
    command = "(sleep 1000 & sleep 1000) & sleep 1000"
    tasks = [cluster.schedule(shell(command))["id"] for _ in range(50)]
    wait_until(lambda: all(len(processes_of(task)) >= 4 for task in tasks), 60, "all run", every=0.2)
    for task in tasks:
        cluster.front.post(f"/api/v1/tasks/{task}/cancel", {"reason": "all of them"})
    for task in tasks:
        assert cluster.wait_state(task, seconds=30)["state"] == "cancelled"
    assert [task for task in tasks if processes_of(task)] == []


class Slow(http.server.BaseHTTPRequestHandler):
    broken_off = threading.Event()

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.connection.settimeout(20)
        try:
            if self.connection.recv(1) == b"":
                Slow.broken_off.set()
        except OSError:
            pass

    def log_message(self, *_):
        pass


def test_a_call_is_broken_off(cluster):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    task = cluster.schedule({"type": "http", "http": {"url": f"http://127.0.0.1:{server.server_address[1]}/"}})["id"]
    cluster.wait_state(task, "running")
    assert cancel(cluster, task) < 1
    assert Slow.broken_off.wait(5)
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("seconds", [0, 0.01, 0.03, 0.1])
def test_a_cancel_that_races_the_end_says_which_it_is(cluster, seconds):
    """What is told at first is what stays, and both histories agree with it."""
    tasks = [cluster.schedule(shell(f"sleep {seconds}"))["id"] for _ in range(10)]
    for task in tasks:
        answer = cluster.front.post(f"/api/v1/tasks/{task}/cancel", None, {"Prefer": "wait=10"})
        told = answer.json()["state"] if answer.status == 200 else answer.json()["current_state"]
        assert (answer.status, told) in ((200, "cancelled"), (409, "succeeded"), (409, "failed")), answer
        assert cluster.task(task)["state"] == told
        outcomes = [attempt["outcome"] for attempt in cluster.attempts(task)["items"]]
        assert outcomes in ([], ["cancelled"], ["succeeded"], ["returned"], ["failed"]), outcomes
        assert (told == "succeeded") == (outcomes == ["succeeded"])
