"""The four task types, each with what can go wrong in it."""

import http.server
import json
import subprocess
import threading

import pytest

from cluster import is_alive, wait_until

CLUSTER = {"kill_grace": "500ms"}


@pytest.fixture(scope="module", autouse=True)
def started(cluster):
    cluster.start()


class Target(http.server.BaseHTTPRequestHandler):
    calls = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        Target.calls.append((self.command, self.path, dict(self.headers), body))
        if self.path == "/slow":
            threading.Event().wait(5)
        if self.path == "/big":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x" * (8 << 20))
            return
        status = int(self.path.strip("/")) if self.path.strip("/").isdigit() else 200
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    do_GET = do_POST

    def log_message(self, *arguments):
        pass

    def handle(self):
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            pass


@pytest.fixture(scope="module")
def target():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def run(cluster, **task):
    identity = cluster.schedule(task)["id"]
    ended = cluster.wait_state(identity)
    return ended, cluster.attempts(identity)["items"]


def test_shell_succeeds(cluster, tmp_path):
    mark = tmp_path / "mark"
    ended, attempts = run(cluster, type="shell", shell={
        "command": f'cat > "{mark}"; echo "$WHO $ROTA_TASK_ID" >> "{mark}"', "env": {"WHO": "me"}},
        payload={"a": 1})
    assert ended["state"] == "succeeded", ended
    assert attempts[0]["exit_code"] == 0
    text = mark.read_text()
    assert json.loads(text[:text.index("}") + 1]) == {"a": 1}
    assert f"me {ended['id']}" in text


def test_shell_argv_is_not_a_shell(cluster, tmp_path):
    mark = tmp_path / "$HOME;x"
    ended, _ = run(cluster, type="shell", shell={"argv": ["touch", str(mark)]})
    assert ended["state"] == "succeeded"
    assert mark.exists()


@pytest.mark.parametrize("command, code, says", [
    ("echo went wrong >&2; exit 3", 3, "went wrong"),
    ("kill -SEGV $$", -11, ""),
])
def test_shell_fails(cluster, command, code, says):
    ended, attempts = run(cluster, type="shell", shell={"command": command})
    assert ended["state"] == "failed"
    assert attempts[0]["outcome"] == "failed"
    assert attempts[0]["exit_code"] == code
    assert says in (attempts[0]["error"] or "")


def test_shell_that_cannot_start(cluster):
    ended, attempts = run(cluster, type="shell", shell={"argv": ["/nowhere/program"]})
    assert ended["state"] == "failed"
    assert attempts[0]["error"]


def test_shell_timeout_ends_the_whole_group(cluster, tmp_path):
    pids = tmp_path / "pids"
    ended, attempts = run(cluster, type="shell", timeout="PT1S", shell={
        "command": f"trap '' TERM; sleep 300 & echo $! > {pids}; echo $$ >> {pids}; wait; sleep 300"})
    assert ended["state"] == "failed"
    assert attempts[0]["outcome"] == "timed_out"
    for pid in pids.read_text().split():
        wait_until(lambda: not is_alive(int(pid)), 5, f"process {pid} is gone")


def test_shell_environment_is_clean(cluster, tmp_path):
    mark = tmp_path / "environment"
    run(cluster, type="shell", shell={"command": f"env > {mark}"})
    assert "ROTA_DATABASE_URL" not in mark.read_text()
    assert "password" not in mark.read_text().lower()


def test_shell_is_refused_where_not_allowed(new_cluster):
    cluster = new_cluster(executor_types="log")
    cluster.start(consumers=1, executors=1)
    ended, attempts = run(cluster, type="shell", shell={"command": "true"})
    assert ended["state"] == "failed"
    assert "shell" in attempts[0]["error"]


def test_http_calls(cluster, target):
    ended, attempts = run(cluster, type="http", payload={"x": [1, 2]}, http={
        "url": f"{target}/hook", "method": "POST", "headers": {"X-Mine": "yes"}})
    assert ended["state"] == "succeeded", ended
    assert attempts[0]["exit_code"] == 200
    method, path, headers, body = next(c for c in Target.calls if c[1] == "/hook")
    assert (method, json.loads(body), headers["X-Mine"]) == ("POST", {"x": [1, 2]}, "yes")
    assert ended["id"] in headers["Idempotency-Key"]


@pytest.mark.parametrize("path, fields, state, outcome", [
    ("/503", {}, "failed", "failed"),
    ("/404", {"expect_status": [404]}, "succeeded", "succeeded"),
    ("/302", {}, "failed", "failed"),
])
def test_http_statuses(cluster, target, path, fields, state, outcome):
    ended, attempts = run(cluster, type="http", http={"url": target + path, **fields})
    assert ended["state"] == state
    assert attempts[0]["outcome"] == outcome
    assert attempts[0]["exit_code"] == int(path[1:])


def test_http_timeout(cluster, target):
    ended, attempts = run(cluster, type="http", timeout="PT0.5S", http={"url": f"{target}/slow"})
    assert ended["state"] == "failed"
    assert attempts[0]["outcome"] == "timed_out"


def test_http_answer_too_big(cluster, target):
    ended, attempts = run(cluster, type="http", http={"url": f"{target}/big"})
    assert ended["state"] == "failed"
    assert attempts[0]["error"]


def test_http_nobody_there(cluster):
    ended, attempts = run(cluster, type="http", http={"url": "http://127.0.0.1:9/"})
    assert ended["state"] == "failed"
    assert attempts[0]["error"]


def test_kafka_publishes(cluster):
    topic = cluster.prefix + "out"
    subprocess.run(["kcat", "-L", "-b", cluster.servers.brokers, "-t", topic], check=True,
                   capture_output=True, timeout=30)
    make_topic(cluster, topic)
    ended, _ = run(cluster, type="kafka", kafka={
        "topic": topic, "key": "k1", "headers": {"h": "v"}, "value": {"n": 7}})
    assert ended["state"] == "succeeded", ended
    read = subprocess.run(
        ["kcat", "-C", "-b", cluster.servers.brokers, "-t", topic, "-e", "-q", "-f", "%k|%h|%s\n"],
        check=True, capture_output=True, text=True, timeout=30).stdout
    assert read.startswith("k1|") and "h=v" in read and '{"n":7}' in read


def make_topic(cluster, topic):
    """Rota does not make topics of others; the test does."""
    from cluster import ROOT
    subprocess.run([str(ROOT / "tools" / "kafka.sh"), "topic", str(cluster.servers.kafka.folder),
                    topic], check=True, capture_output=True, timeout=60)


def test_kafka_topic_missing(cluster):
    ended, attempts = run(cluster, type="kafka", timeout="PT3S", kafka={
        "topic": cluster.prefix + "nowhere", "value": 1})
    assert ended["state"] == "failed"
    assert attempts[0]["error"]


def test_nothing_is_broken(cluster):
    assert cluster.broken_invariants() == []
