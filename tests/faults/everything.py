"""Everything at once: for five minutes one fault after the other, drawn at random."""

import os
import signal
import threading
import time

import psycopg2

from cluster import proper_of
from kafka import KAFKA_START_S
from network import one_of_each_behind_a_link
from wrong_clock import Clock


def any_of(scene, role):
    """One of those that can be reached from here: not the far ones."""
    return scene.rng.choice([node for node in scene.cluster.of(role)
                             if node not in scene.far.values()])


def kill_master(scene):
    former = scene.master()
    former.kill()
    replace(scene, former)


def freeze_master(scene):
    former = scene.master()
    former.pause()
    scene.later(4, former.resume)


def stop_master(scene):
    former = scene.master()
    former.signal(signal.SIGTERM)
    replace(scene, former)


def replace(scene, former):
    if former in scene.far.values():
        link = scene.links["consumer"]
        scene.far["consumer"] = link.settle(scene.make("consumer")).start()
    else:
        scene.add("consumer")


def kill_executor(scene):
    os.kill(proper_of(any_of(scene, "executor")), signal.SIGKILL)


def kill_guardian(scene):
    any_of(scene, "executor").kill()
    scene.add("executor")


def stop_executor(scene):
    any_of(scene, "executor").signal(signal.SIGTERM)
    scene.add("executor")


def freeze_executor(scene):
    node = any_of(scene, "executor")
    os.kill(proper_of(node), signal.SIGSTOP)


def cut_consumer(scene):
    scene.links["consumer"].cut()
    scene.later(6, scene.links["consumer"].mend)


def cut_executor(scene):
    scene.links["executor"].cut()
    scene.later(12, scene.links["executor"].mend)


def crash_database(scene):
    scene.cluster.servers.postgres.quit()
    scene.last(scene.rng.uniform(0, 3))
    scene.cluster.servers.postgres.start(60)


def end_connections(scene):
    for _ in range(5):
        scene.cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                          " WHERE application_name LIKE 'rota%%' AND datname = current_database()")
        scene.last(1)


def restart_kafka(scene):
    scene.cluster.servers.kafka.stop()
    scene.cluster.servers.kafka.start(KAFKA_START_S)


def add_and_end_consumer(scene):
    scene.add("consumer")
    if len(scene.cluster.of("consumer")) > 4:
        node = any_of(scene, "consumer")
        scene.rng.choice([node.kill, lambda: node.signal(signal.SIGTERM)])()


def freeze_consumer(scene):
    node = any_of(scene, "consumer")
    node.pause()
    scene.later(9, node.resume)


def move_a_clock(scene):
    scene.rng.choice(scene.clocks).step(scene.rng.choice([-3600, 3600, 0, -7, 11]))


def hold_a_transaction(scene):
    holder = psycopg2.connect(scene.cluster.database_url)
    holder.set_session(isolation_level="REPEATABLE READ")
    with holder.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM task")
    scene.later(20, holder.close)


DRAWN = (kill_master, freeze_master, stop_master, kill_executor, kill_guardian, stop_executor,
         freeze_executor, cut_consumer, cut_executor, crash_database, end_connections, restart_kafka,
         add_and_end_consumer, freeze_consumer, move_a_clock, hold_a_transaction)


def settle(scene):
    scene.clocks, scene.timers = [], []

    def prepare(node):
        clock = Clock(scene.cluster.folder / f"clock-{node.name}")
        node.environment.update(clock.environment())
        scene.clocks.append(clock)

    def later(seconds, undo):
        timer = threading.Timer(seconds, undo)
        scene.timers.append(timer)
        timer.start()

    scene.prepare_node, scene.later = prepare, later
    one_of_each_behind_a_link(scene)


def at_random(scene):
    scene.disturb_all()
    until = time.monotonic() + at_random.minutes * 60
    drawn = []
    while time.monotonic() < until:
        act = scene.rng.choice(DRAWN)
        drawn.append(act.__name__)
        print(f"{time.strftime('%H:%M:%S')} {act.__name__}")
        act(scene)
        scene.last(scene.rng.uniform(0.5, 4))
    for timer in scene.timers:
        timer.join()
    scene.note(f"{len(drawn)} faults drawn")


at_random.before = settle
at_random.minutes = 5
at_random.options = {"count": 24000, "seconds": 300, "long_share": 0.03}
at_random.nodes = {"consumers": 2, "executors": 2}
at_random.consumer_settings = {"kafka_session_timeout_ms": "6000"}
