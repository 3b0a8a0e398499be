"""What comes over Kafka and makes no sense goes to the dead letters; the partition goes on."""

import subprocess

import pytest

from cluster import wait_until


@pytest.fixture(scope="module", autouse=True)
def started(cluster):
    cluster.start(executors=1)


def produce(cluster, value, *headers, key="k"):
    command = ["kcat", "-P", "-b", cluster.servers.brokers, "-t", cluster.prefix + "commands",
               "-p", "0", "-k", key]
    for header in headers:
        command += ["-H", header]
    subprocess.run(command, input=value, check=True, timeout=30)


def dead_letters(cluster):
    out = subprocess.run(
        ["kcat", "-C", "-b", cluster.servers.brokers, "-t", cluster.prefix + "dead-letters", "-e", "-q",
         "-f", "%h|%s\n"], check=True, capture_output=True, timeout=30).stdout
    return out.decode("utf-8", "replace").splitlines()


SCHEDULE = "ce_type=rota.task.schedule.v1"
WRONG = [
    (b"\xff\xfe\x00garbage", [SCHEDULE]),
    (b"[1,2,3]", [SCHEDULE]),
    (b'{"id":"not-a-uuid","type":"log"}', [SCHEDULE]),
    (b'{"id":"019aa4d2-7425-70de-944b-e07fc1f90ae7","type":"teleport","queue":"default"}', [SCHEDULE]),
    (b'{"id":"019aa4d2-7425-70de-944b-e07fc1f90ae8","type":"log"}', ["ce_type=rota.task.schedule.v2"]),
    (b'{"id":"019aa4d2-7425-70de-944b-e07fc1f90ae9","type":"log"}', ["ce_type=some.other.thing"]),
]


def test_garbage_is_kept_with_its_reason(cluster):
    for value, headers in WRONG:
        produce(cluster, value, *headers)
    wait_until(lambda: cluster.value("SELECT count(*) FROM rejected") == len(WRONG), 20,
               "all are rejected")
    rows = cluster.sql("SELECT code, detail, bytes FROM rejected ORDER BY position")
    assert all(code and detail for code, detail, _ in rows)
    assert [bytes(row[2]) for row in rows] == [value for value, _ in WRONG]
    assert any("version" in code for code, _, _ in rows)


def test_the_dead_letters_are_fed(cluster):
    wait_until(lambda: len(dead_letters(cluster)) >= len(WRONG), 30, "all are dead letters")
    text = "\n".join(dead_letters(cluster))
    assert "x-error-code=" in text and "x-original-topic=" in text
    wait_until(lambda: cluster.value("SELECT count(*) FROM rejected WHERE published_at IS NULL") == 0,
               20, "all are marked published")


def test_the_partition_goes_on(cluster):
    produce(cluster, b"not json", SCHEDULE)
    ids = [cluster.schedule({"type": "log"})["id"] for _ in range(40)]  # every partition
    for identity in ids:
        cluster.wait_state(identity, "succeeded")
    offsets = cluster.sql("SELECT partition, next FROM ingest_offset WHERE topic = %s",
                          cluster.prefix + "commands")
    assert dict(offsets)[0] >= len(WRONG) + 1


def test_a_stale_offset_stores_nothing_twice(cluster):
    """The records are read again from an earlier offset, as after a failover: no task is doubled."""
    tasks = cluster.value("SELECT count(*) FROM task")
    for consumer in cluster.of("consumer"):
        consumer.stop()
    cluster.sql("UPDATE ingest_offset SET next = greatest(0, next - 5)")
    cluster.consumer().wait_ready()
    task = cluster.schedule({"type": "log", "payload": "again"})
    cluster.wait_state(task["id"], "succeeded")
    assert cluster.value("SELECT count(*) FROM task") == tasks + 1
    assert cluster.broken_invariants() == []
