"""Kafka goes away and comes back; consumers come and go while tasks are stored."""

import time

from cluster import wait_until

KAFKA_START_S = 180    # a virtual machine's start is slow where others want the processors, too


def stopped(scene):
    """Kafka stopped and started: POSTs get 503 in between, and none that got 202 is lost."""
    kafka = scene.cluster.servers.kafka
    kafka.stop()
    try:
        wait_until(lambda: scene.load.answers["503"] + scene.load.answers["none"], 30, "a 503")
    finally:
        kafka.start(KAFKA_START_S)
    accepted = scene.load.answers["202"]
    wait_until(lambda: scene.load.answers["202"] > accepted, 60, "tasks are accepted again")
    scene.note(f"{scene.load.answers['503']} answers 503")


stopped.options = {"count": 3000, "seconds": 30}


def consumers_come_and_go(scene):
    """Consumers are added, stopped and killed while tasks come in; one is frozen past its session
    and wakes in possession of partitions that are no longer its own."""
    frozen = next(node for node in scene.cluster.of("consumer") if node is not scene.master())
    frozen.pause()
    since = time.monotonic()
    for _ in range(6):
        scene.add("consumer")
        scene.wait_starts(30)
        candidates = [node for node in scene.cluster.of("consumer") if node is not frozen]
        victim = scene.rng.choice(candidates[:-1])
        scene.count_fenced(victim)
        if scene.rng.random() < 0.5:
            victim.kill()
        else:
            victim.stop()
    # The broker takes its partitions away after 6 s without a word.
    wait_until(lambda: time.monotonic() - since > 9, 20, "its session is over")
    frozen.resume()
    scene.wait_starts(30)


consumers_come_and_go.options = {"count": 4000, "seconds": 30}
consumers_come_and_go.consumer_settings = {"kafka_session_timeout_ms": "6000"}
