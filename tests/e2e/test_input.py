"""Bad input: a clear answer with the right status that names the place; nothing of it is stored."""

import json
import socket

import psycopg2
import pytest

from cluster import wait_until

BIG = "x" * (256 * 1024 + 1)
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module", autouse=True)
def started(cluster):
    cluster.start(consumers=1, executors=1)


# body, status, what the pointers or the detail must name
REFUSED = [
    (b"", 400, ""),
    (b"{", 400, ""),
    (b'{"type":"log"} {"type":"log"}', 400, ""),
    (b'{"type":"lo\xff"}', 400, ""),
    (b'{"type":"log","payload":"a\\u0000b"}', 422, "#/payload"),
    (b'{"type":"log","payload":"\\ud800"}', None, ""),
    (b'{"type":"log","payload":1e999}', None, ""),
    (b"[1]", 422, ""),
    (b'"log"', 422, ""),
    (b"{}", 422, "#/type"),
    ({"type": 7}, 422, "#/type"),
    ({"type": "teleport"}, 422, "#/type"),
    ({"type": "log", "shell": {"command": "true"}}, 422, "#/shell"),
    ({"type": "log", "tiemout": "PT1S"}, 422, "#/tiemout"),
    ({"type": "log", "run_at": "2026-11-21T09:00:00"}, 422, "#/run_at"),
    ({"type": "log", "run_at": "9999-01-01T00:00:00Z"}, 422, "#/run_at"),
    ({"type": "log", "run_at": 1}, 422, "#/run_at"),
    ({"type": "log", "run_at": "2026-11-21T09:00:00Z", "delay": "PT1S"}, 422, "delay"),
    ({"type": "log", "delay": "-PT1S"}, 422, "#/delay"),
    ({"type": "log", "delay": "P1Y"}, 422, "#/delay"),
    ({"type": "log", "delay": 5}, 422, "#/delay"),
    ({"type": "log", "payload": BIG}, None, "payload"),
    ({"type": "log", "priority": 101}, 422, "#/priority"),
    ({"type": "log", "priority": 1.5}, 422, "#/priority"),
    ({"type": "log", "queue": "No Such"}, 422, "#/queue"),
    ({"type": "log", "tags": "a"}, 422, "#/tags"),
    ({"type": "log", "tags": [1]}, 422, "#/tags/0"),
    ({"type": "log", "tags": [str(n) for n in range(21)]}, 422, "#/tags"),
    ({"type": "log", "timeout": "PT0S"}, 422, "#/timeout"),
    ({"type": "log", "timeout": "P8D"}, 422, "#/timeout"),
    ({"type": "log", "on_lost": "maybe"}, 422, "#/on_lost"),
    ({"type": "log", "name": "Not A Name"}, 422, "#/name"),
    ({"type": "log", "idempotency_key": ""}, 422, "#/idempotency_key"),
    ({"type": "shell"}, 422, "#/shell"),
    ({"type": "shell", "shell": {}}, 422, "#/shell"),
    ({"type": "shell", "shell": {"command": "x", "argv": ["x"]}}, 422, "#/shell"),
    ({"type": "shell", "shell": {"argv": []}}, 422, "#/shell/argv"),
    ({"type": "shell", "shell": {"argv": ["a", 1]}}, 422, "#/shell/argv/1"),
    ({"type": "shell", "shell": {"command": "x", "env": {"A=B": "c"}}}, 422, "#/shell/env"),
    ({"type": "shell", "shell": {"command": "x", "cwd": "relative"}}, 422, "#/shell/cwd"),
    ({"type": "http"}, 422, "#/http"),
    ({"type": "http", "http": {}}, 422, "#/http/url"),
    ({"type": "http", "http": {"url": "ftp://h/"}}, 422, "#/http/url"),
    ({"type": "http", "http": {"url": "file:///etc/passwd"}}, 422, "#/http/url"),
    ({"type": "http", "http": {"url": "http://"}}, 422, "#/http/url"),
    ({"type": "http", "http": {"url": "http://h/a b"}}, 422, "#/http/url"),
    ({"type": "http", "http": {"url": "http://u:p@h/"}}, 422, "#/http/url"),
    ({"type": "http", "http": {"url": "http://h/\r\nX: y"}}, 422, "#/http/url"),
    ({"type": "http", "http": {"url": "http://h/", "method": "BREW"}}, 422, "#/http/method"),
    ({"type": "http", "http": {"url": "http://h/", "headers": {"A": "b\r\nC: d"}}}, 422,
     "#/http/headers/A"),
    ({"type": "http", "http": {"url": "http://h/", "headers": {"A b": "c"}}}, 422, "#/http/headers"),
    ({"type": "http", "http": {"url": "http://h/", "headers": {"Host": "c"}}}, 422,
     "#/http/headers/Host"),
    ({"type": "kafka"}, 422, "#/kafka"),
    ({"type": "kafka", "kafka": {"topic": "bad topic"}}, 422, "#/kafka/topic"),
    ({"type": "kafka", "kafka": {"topic": "rota.commands"}}, 422, "#/kafka/topic"),
]


@pytest.mark.parametrize("body, status, names", REFUSED,
                         ids=[str(row[0])[:60] for row in REFUSED])
def test_is_refused_and_says_where(cluster, body, status, names):
    before = cluster.value("SELECT count(*) FROM task")
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    data = data.replace(b"rota.commands", f"{cluster.prefix}commands".encode())
    answer = cluster.front.post("/schedule", data, JSON)
    assert answer.status in ((status,) if status else (400, 413, 422)), answer
    problem = answer.json()
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert problem["status"] == answer.status
    assert problem["type"] and problem["title"] and problem["detail"]
    assert names in json.dumps(problem), problem
    if names.startswith("#"):
        assert any(names in error["pointer"] for error in problem["errors"]), problem
    assert cluster.value("SELECT count(*) FROM task") == before


def test_all_errors_are_told_at_once(cluster):
    answer = cluster.front.post("/schedule", {"type": "log", "priority": 1000, "queue": "!", "delay": 1})
    pointers = {error["pointer"] for error in answer.json()["errors"]}
    assert {"#/priority", "#/queue", "#/delay"} <= pointers


@pytest.mark.parametrize("method, path, headers, body, status", [
    ("POST", "/schedule", {"Content-Type": "text/plain"}, b"hello", 415),
    ("POST", "/schedule", {"Content-Type": "application/xml"}, b"<a/>", 415),
    ("DELETE", "/schedule", {}, None, 405),
    ("GET", "/nowhere", {}, None, 404),
    ("GET", "/api/v1/tasks/not-a-uuid", {}, None, 404),
    ("GET", "/api/v1/tasks/019aa4d2-7425-70de-944b-e07fc1f90ae7", {}, None, 404),
    ("GET", "/api/v1/tasks/019aa4d2-7425-70de-944b-e07fc1f90ae7?after=nonsense", {}, None, 400),
    ("GET", "/api/v1/tasks?state=nonsense", {}, None, 400),
    ("GET", "/api/v1/tasks?limit=0", {}, None, 400),
    ("GET", "/api/v1/tasks?limit=501", {}, None, 400),
    ("GET", "/api/v1/tasks?cursor=nonsense", {}, None, 400),
    ("GET", "/api/v1/tasks?due_after=yesterday", {}, None, 400),
    ("GET", "/api/v1/tasks?wrong=1", {}, None, 400),
    ("POST", "/schedule", {**JSON, "Idempotency-Key": "x" * 256}, b'{"type":"log"}', None),
])
def test_crooked_requests(cluster, method, path, headers, body, status):
    answer = cluster.front.request(method, path, body, headers)
    assert answer.status in ((status,) if status else (400, 422)), answer
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.json()["status"] == answer.status
    if answer.status == 405:
        assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("origin, status", [
    ("http://evil.example", 403), ("null", 403), ("http://{host}.evil.example", 403), ("http://{host}", 202),
])
def test_a_page_of_another_origin_changes_nothing(cluster, origin, status):
    """RFC 6454: a browser says where the page came from that makes it send something."""
    origin = origin.format(host=f"127.0.0.1:{cluster.front.port}")
    answer = cluster.front.post("/schedule", {"type": "log"}, {"Origin": origin})
    assert answer.status == status, answer
    if status == 403:
        assert answer.json()["type"].endswith("/forbidden")
    assert cluster.front.request("GET", "/api/v1/tasks?limit=1", None, {"Origin": origin}).status == 200


def test_a_read_that_takes_too_long_says_so(cluster):
    holder = psycopg2.connect(cluster.database_url)
    try:
        holder.cursor().execute("LOCK TABLE schedule IN ACCESS EXCLUSIVE MODE")
        answer = cluster.front.get("/api/v1/schedules")
    finally:
        holder.close()
    assert answer.status == 504 and answer.json()["type"].endswith("/query-timeout"), answer
    assert cluster.front.get("/api/v1/schedules").status == 200


def test_a_cursor_of_another_filter(cluster):
    for _ in range(3):
        cluster.wait_state(cluster.schedule({"type": "log", "tags": ["page"]})["id"])
    page = cluster.front.get("/api/v1/tasks?type=log&limit=1").json()
    assert len(page["items"]) == 1 and page["next_cursor"]
    other = cluster.front.get(f"/api/v1/tasks?type=http&limit=1&cursor={page['next_cursor']}")
    assert other.status == 400 and "cursor" in other.text
    seen, cursor = [], ""
    while cursor is not None:
        answer = cluster.front.get(f"/api/v1/tasks?tag=page&limit=1{cursor}").json()
        seen += [item["id"] for item in answer["items"]]
        cursor = answer["next_cursor"] and "&cursor=" + answer["next_cursor"]
    assert len(seen) == len(set(seen)) == 3


def test_a_batch_says_which(cluster):
    answer = cluster.front.post("/api/v1/tasks:batch", [{"type": "log"}, {"type": "nope"}, {"type": "log"}])
    assert answer.status == 202, answer
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [202, 422, 202]
    assert "#/" in json.dumps(results[1]["problem"])
    for result in (results[0], results[2]):
        cluster.wait_state(result["id"], "succeeded")
    lines = b'{"type":"log"}\n{broken\n{"type":"log"}\n'
    answer = cluster.front.post("/api/v1/tasks:batch", lines, {"Content-Type": "application/x-ndjson"})
    assert [result["status"] // 100 for result in answer.json()["results"]] == [2, 4, 2]
    assert cluster.front.post("/api/v1/tasks:batch", [{"type": "nope"}] * 2).status == 422
    assert cluster.front.post("/api/v1/tasks:batch", [{"type": "log"}] * 1001).status in (413, 422)
    big = json.dumps([{"type": "log", "payload": "x" * 200_000}] * 30).encode()
    assert cluster.front.post("/api/v1/tasks:batch", big, JSON).status == 413


def test_10_000_idle_connections(cluster):
    """They are held open; others are served all the same."""
    idle = []
    try:
        for _ in range(10_000):
            connection = socket.create_connection(("127.0.0.1", cluster.front.port), timeout=10)
            connection.sendall(b"POST /schedule HTTP/1.1\r\nHost: x\r\n")
            idle.append(connection)
        task = cluster.schedule({"type": "log"})
        assert cluster.wait_state(task["id"], "succeeded")
        assert cluster.front.get("/livez").status == 200
    finally:
        for connection in idle:
            connection.close()


def test_a_body_cut_short_stores_nothing(cluster):
    before = cluster.value("SELECT count(*) FROM task")
    with socket.create_connection(("127.0.0.1", cluster.front.port), timeout=10) as connection:
        connection.sendall(b"POST /schedule HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                           b'Content-Length: 100\r\n\r\n{"type":"log"}')
    done = cluster.schedule({"type": "log"})
    cluster.wait_state(done["id"], "succeeded")
    assert cluster.value("SELECT count(*) FROM task") == before + 1


def test_a_token_is_asked_for(new_cluster, tmp_path):
    cluster = new_cluster()
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    token.chmod(0o600)
    front = cluster.producer(token_file=token)
    front.wait_ready()
    assert front.post("/schedule", {"type": "log"}).status == 401
    assert front.post("/schedule", {"type": "log"}, {"Authorization": "Bearer wrong"}).status == 401
    answer = front.post("/schedule", {"type": "log"}, {"Authorization": "Bearer s3cret"})
    assert answer.status == 202
    assert not any("s3cret" in line for line in front.lines())


@pytest.mark.parametrize("settings, says", [
    ({"http_addr": "0.0.0.0:0"}, "ROTA_TOKEN_FILE"),
    ({"heartbeat": "soon"}, "ROTA_HEARTBEAT"),
    ({"nonsense": "1"}, "ROTA_NONSENSE"),
    ({"database_url": "nonsense"}, "ROTA_DATABASE_URL"),
    ({"http_addr": "127.0.0.1:99999"}, "ROTA_HTTP_ADDR"),
])
@pytest.mark.parametrize("role", ["producer", "consumer", "executor"])
def test_wrong_settings_stop_the_start(new_cluster, role, settings, says):
    cluster = new_cluster()
    if role == "producer" and "heartbeat" in settings:
        settings = {"http_timeout": "soon"}
        says = "ROTA_HTTP_TIMEOUT"
    node = cluster.node(role, **settings).start()
    wait_until(lambda: not node.running, 20, "it has ended")
    assert node.exit_status == 2
    assert len(node.lines()) == 1 and says in node.lines()[0], node.tail()
