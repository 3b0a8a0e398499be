"""lateness: 1,000 timed tasks a second, from due to started.

In four places: an empty database, the same under a transaction that was open before and holds its
snapshot all the time, and with 1 and 10 million tasks of later months in the same lane. `started_at`
is written by the executor, by the database's clock as it knows it. With those millions waiting it is
also told what is resident of each program.
"""

import contextlib

import psycopg2

from place import percentiles
from workloads.memory import most_resident, tell

RATE = 1000
NAMES = ("p50", "p99", "p99.9", "longest")


@contextlib.contextmanager
def open_transaction(cluster):
    connection = psycopg2.connect(cluster.database_url)
    try:
        connection.set_session(isolation_level="REPEATABLE READ")
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM node")
        yield
        connection.rollback()
    finally:
        connection.close()


class Lateness:
    def __init__(self, bench, figures, cluster):
        self.bench, self.figures, self.cluster = bench, figures, cluster
        self.count = int(RATE * bench.either(60, 0.3))
        self.ran = 0

    def measure(self, place, future=0, beside=None):
        """All rounds in one place; the figures stand beside those of the place `beside`."""
        for turn in range(self.bench.rounds(5)):
            self.bench.say(f"{place}, round {turn + 1}")
            first = self.bench.fill_ahead(self.cluster, self.count, 1_000_000 // RATE)
            self.ran += self.count
            self.bench.wait_ended(self.cluster, self.ran)
            found = percentiles(self.cluster, "a.started_at - t.run_at",
                                "t.run_at >= %s AND a.finished_at IS NOT NULL", first)
            for name, value in zip(NAMES, found):
                held_to = [(self.figures.median(f"{beside}: {name}"), beside)] if beside else []
                self.figures.add(f"{place}: {name}", value, "ms", *held_to)
        self.bench.check_ran(self.cluster, self.ran, future)


def in_millions(count):
    return f"{count // 1_000_000} million" if count >= 1_000_000 else f"{count:,}"


def measure_without_future(bench, figures, cluster):
    cluster.start(producers=0, consumers=1, executors=2)
    lateness = Lateness(bench, figures, cluster)
    lateness.measure("empty")
    with open_transaction(cluster):
        lateness.measure("open transaction", beside="empty")
    return lateness


def run_open_transaction(bench, figures):
    """The first two places alone."""
    with bench.cluster("open_transaction") as cluster:
        measure_without_future(bench, figures, cluster)


def run(bench, figures):
    with bench.cluster("lateness") as cluster:
        lateness = measure_without_future(bench, figures, cluster)
        for future in bench.either((1_000_000, 10_000_000), (2_000, 5_000)):
            bench.fill_future(cluster, future)
            place = f"{in_millions(future)} future tasks"
            lateness.measure(place, future, beside="empty")
            tell(figures, place, most_resident(cluster, bench.either(5, 0.3)))
