"""Kafka or PostgreSQL away: what is promised is kept, what cannot be promised is refused."""

import http.client
import time

import pytest

from cluster import ROOT, wait_until

CLUSTER = {"lease": "2s", "resolve": "500ms", "heartbeat": "500ms", "alive": "2s"}


@pytest.fixture(scope="module", autouse=True)
def started(cluster):
    cluster.start()


def test_the_producer_accepts_while_the_database_is_away(cluster):
    before = cluster.schedule({"type": "log"})
    cluster.wait_state(before["id"], "succeeded")
    cluster.servers.postgres.stop()
    try:
        ids = [cluster.schedule({"type": "log", "payload": n})["id"] for n in range(50)]
        answer = cluster.front.get(f"/api/v1/tasks/{ids[0]}")
        assert answer.status == 503, answer
        assert answer.json()["type"].endswith("database-unavailable")
        assert cluster.front.get("/livez").status == 200
    finally:
        cluster.servers.postgres.start(30)
    for identity in ids:
        cluster.wait_state(identity, "succeeded", seconds=60)
    assert cluster.value("SELECT count(*) FROM attempt WHERE task_id = ANY (%s::uuid[])", ids) == 50
    assert cluster.broken_invariants() == []


def test_a_database_that_crashes_loses_nothing(cluster):
    ids = [cluster.schedule({"type": "log", "delay": f"PT{n % 5}S"})["id"] for n in range(200)]
    cluster.servers.postgres.kill()
    cluster.servers.postgres.start(30)
    for identity in ids:
        cluster.wait_state(identity, "succeeded", seconds=60)
    assert cluster.value("SELECT count(*) FROM attempt WHERE task_id = ANY (%s::uuid[])", ids) == 200
    assert cluster.broken_invariants() == []


def test_without_kafka_nothing_is_accepted(cluster):
    """202 is only sent after the delivery report; what got one is there afterwards."""
    front = cluster.front
    cluster.servers.kafka.stop()
    accepted, refused = [], 0
    try:
        deadline = time.monotonic() + 60
        while refused < 2 and time.monotonic() < deadline:
            try:
                answer = front.post("/schedule", {"type": "log"}, timeout=60)
            except (OSError, http.client.HTTPException):
                continue
            if answer.status == 202:
                accepted.append(answer.json()["id"])
            else:
                assert answer.status == 503, answer
                assert answer.json()["type"].endswith("kafka-unavailable")
                assert answer.headers["Retry-After"]
                refused += 1
        assert refused == 2
        wait_until(lambda: front.get("/readyz").status == 503, 30, "the producer is not ready")
    finally:
        cluster.servers.kafka.start(30)
    wait_until(lambda: front.get("/readyz").status == 200, 60, "the producer is ready again")
    after = cluster.schedule({"type": "log"})
    cluster.wait_state(after["id"], "succeeded", seconds=60)
    for identity in accepted:
        cluster.wait_state(identity, "succeeded", seconds=60)


def test_a_database_that_is_not_there_at_the_start_is_waited_for(new_cluster):
    cluster = new_cluster()
    consumer = cluster.consumer(database_url="postgresql://nobody@127.0.0.1:9/none")
    consumer.wait_line("event=db.lost", 10)
    assert consumer.running
    assert consumer.get("/livez").status == 200
    assert consumer.get("/readyz").status == 503
    assert consumer.stop() == 0


def test_a_database_newer_than_the_program_is_refused(new_cluster):
    cluster = new_cluster()
    cluster.consumer().wait_ready()
    cluster.sql("INSERT INTO schema_migration (version, name, checksum) VALUES (99, '0099_later.sql', '')")
    later = cluster.consumer()
    wait_until(lambda: not later.running, 20, "the program has ended")
    assert later.exit_status == 1
    assert any("99" in line and "upgrade" in line for line in later.lines()), later.tail()


def test_two_consumers_that_start_at_once_migrate_once(new_cluster):
    cluster = new_cluster()
    nodes = [cluster.consumer() for _ in range(3)]
    for node in nodes:
        node.wait_ready()
    versions = len(list((ROOT / "sql" / "migrations").glob("*.sql")))
    assert cluster.sql("SELECT version FROM schema_migration ORDER BY 1") == [(n,) for n in range(1, versions + 1)]
