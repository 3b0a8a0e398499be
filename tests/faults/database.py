"""PostgreSQL goes away and comes back, ends connections, is held up."""

import threading

import psycopg2

from cluster import wait_until


def stopped_at_once(scene):
    """`stop -m immediate` and start, then 20 s away. No running task is lost by either."""
    postgres = scene.cluster.servers.postgres
    postgres.quit()
    postgres.start(30)
    scene.wait_starts(200)
    running = scene.starts()
    postgres.quit()
    scene.last(20)
    postgres.start(30)
    scene.wait_starts(100)
    assert scene.starts() > running
    assert scene.cluster.value("SELECT count(*) FROM node WHERE role = 'executor'"
                               " AND dead_at IS NOT NULL") == 0, "an executor was given up"


# Away for 20 s: the executors' lease must be longer, as it is by default (60 s).
stopped_at_once.settings = {"executor_lease": "40s"}
stopped_at_once.options = {"count": 3000, "seconds": 36}


def connections_ended(scene):
    """pg_terminate_backend on every connection of Rota, once a second for 20 s."""
    for _ in range(20):
        scene.cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                          " WHERE application_name LIKE 'rota%%' AND datname = current_database()")
        scene.last(1)


connections_ended.options = {"count": 2800, "seconds": 22}


def transaction_held_open(scene):
    """A transaction with a snapshot, open from before the first task to after the last."""
    holder = psycopg2.connect(scene.cluster.database_url)
    holder.set_session(isolation_level="REPEATABLE READ")
    with holder.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM task")
    scene.load.finish()
    scene.wait_all_ended()
    holder.close()
