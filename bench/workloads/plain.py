"""The row changes of the drain in plain SQL: what this database could do if nothing else had to be done.

One connection dispatches batches of 1,000 from `due` to `attempt`, for two executors in turn; two
others read their batches with the payload and finish them. The tables are Rota's own, made by its
migrations; sessions are set as Rota's are. Results are taken from the server and not looked at, so
that Python is not what is measured.
"""

import concurrent.futures
import queue
import time
import uuid

import psycopg2

from place import LONG_S, Wrong, statement, wait_until
from cluster import ROOT

BATCH = 1000
STEPS = ("plain_dispatch", "plain_read", "plain_finish")
BEFORE_ALL = ("-infinity", "00000000-0000-0000-0000-000000000000")


def make_tables(cluster):
    for file in sorted((ROOT / "sql/migrations").glob("*.sql")):
        cluster.sql(file.read_text())


class Session:
    """One connection, with the statements prepared."""

    def __init__(self, cluster):
        self.connection = psycopg2.connect(cluster.database_url, connect_timeout=10)
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        as_rota = (ROOT / "sql/queries/session.sql").read_text()
        self.cursor.execute(f"PREPARE as_rota AS {as_rota}")
        self.cursor.execute("EXECUTE as_rota('60s', '10s')")
        for name in STEPS:
            self.cursor.execute(f"PREPARE {name} AS {statement(name)}")

    def run(self, name, *arguments):
        """How many rows; the rows themselves stay where they came in."""
        places = ", ".join(["%s"] * len(arguments))
        self.cursor.execute(f"EXECUTE {name}({places})", arguments)
        return self.cursor.rowcount

    def says(self, expression, *arguments):
        self.cursor.execute(f"SELECT {expression}", arguments)
        return self.cursor.fetchone()[0]


def dispatch(cluster, count, epoch, boxes):
    """Deals all of it out; each box gets (executor, number before the first, last number)."""
    session, cursor, last, done = Session(cluster), BEFORE_ALL, epoch << 32, 0
    deadline, turn = time.monotonic() + LONG_S, 0
    try:
        while done < count:
            executor, box = boxes[turn % len(boxes)]
            if session.run("plain_dispatch", *cursor, executor, last, BATCH):
                taken, *cursor = session.cursor.fetchone()
                box.put((executor, last, last + taken))
                last, done, turn = last + taken, done + taken, turn + 1
            elif time.monotonic() > deadline:
                raise Wrong(f"plain SQL found {done:,} of {count:,} due tasks")
    finally:
        for _, box in boxes:
            box.put(None)


def finish(cluster, box):
    session, done = Session(cluster), 0
    while (batch := box.get()):
        if session.run("plain_read", *batch) != batch[2] - batch[1]:
            raise Wrong("plain SQL read another batch than was dispatched")
        done += session.run("plain_finish", *batch)
    return done


def drain(cluster, count, epoch, due_at):
    """Ends `count` tasks that all fall due at that instant."""
    boxes = [(str(uuid.uuid4()), queue.SimpleQueue()) for _ in range(2)]
    waiting = Session(cluster)  # one, not a connection for each question
    wait_until(lambda: waiting.says("clock_timestamp() >= %s", due_at), 120, "tasks are due", every=0.005)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        finishing = [pool.submit(finish, cluster, box) for _, box in boxes]
        pool.submit(dispatch, cluster, count, epoch, boxes).result()
        if sum(done.result() for done in finishing) != count:
            raise Wrong("plain SQL did not finish every task once")
