"""Where a workload runs: private servers, clusters of real programs on them, meters and checks.

Every workload gets a Bench. It asks for its sizes by `either(full, quick)`, makes its clusters by
`cluster(...)`, and ends by `check_ran`, which raises Wrong where a task did not run, or not once.
"""

import contextlib
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "e2e"))

from cluster import Cluster, build_dir, family, process_fields, run_sql, wait_until  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
CHUNK = 250_000     # tasks that one statement puts into the tables
FILL_RATE = 10_000  # tasks a second that go into the tables, at least
LONG_S = 900        # a deadline only: far beyond what anything here takes


class Wrong(Exception):
    """A workload's own result does not hold: its figures are worth nothing."""


def statement(name):
    return (HERE / f"{name}.sql").read_text()


class Bench:
    def __init__(self, servers, quick, rounds=None):
        self.servers, self.quick, self.wanted_rounds = servers, quick, rounds

    def either(self, full, quick):
        return quick if self.quick else full

    def rounds(self, full):
        """How often a figure is taken; the median is told."""
        return self.wanted_rounds or self.either(full, 1)

    @staticmethod
    def say(text):
        print(f"  {text}", file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def cluster(self, name, **settings):
        """Logs go to files alone, as they do in earnest; what is left of it is ended by force."""
        cluster = Cluster(self.servers, f"bench_{name}", log_stderr="no", **settings)
        try:
            yield cluster
        finally:
            cluster.close()

    # --- Tasks that come by SQL ----------------------------------------------------------------

    @staticmethod
    def run(cluster, name, **parameters):
        return run_sql(cluster.database_url, statement(name), parameters)

    def fill(self, cluster, count, first, step_us=0):
        """That many tasks, the first due at `first`, each `step_us` after the one before."""
        for done in range(0, count, CHUNK):
            at = cluster.value("SELECT %s::timestamptz + %s * interval '1 us'", first, done * step_us)
            self.run(cluster, "fill", count=min(CHUNK, count - done), first=at, step_us=step_us)

    def fill_ahead(self, cluster, count, step_us=0):
        """That many tasks that are all in the tables before the first is due; returns that instant."""
        first = in_seconds(cluster, self.either(2, 1) + count / FILL_RATE)
        self.fill(cluster, count, first, step_us)
        if self.quick:
            return first
        cluster.sql("CHECKPOINT")
        if cluster.value("SELECT clock_timestamp() >= %s", first):
            raise Wrong("tasks were due before all of them were in the tables: the machine is too busy")
        return first

    def fill_future(self, cluster, count):
        """Tasks of the coming months, in the lane of all others, until `count` of them wait."""
        waiting = cluster.value("SELECT count(*) FROM due")
        self.say(f"{count - waiting:,} future tasks")
        self.fill(cluster, count - waiting, in_seconds(cluster, 86400), step_us=250_000)
        cluster.sql("VACUUM (ANALYZE) due")
        cluster.sql("VACUUM (ANALYZE) task")

    # --- The end -------------------------------------------------------------------------------

    def wait_ended(self, cluster, count):
        """Until the executors have ended that many tasks since they started, and all is on record.
        Their own counts are asked first: looking at the tables costs what is measured."""
        wait_until(lambda: ended_by(cluster) >= count, LONG_S, f"{count:,} tasks have ended", every=0.1)
        wait_until(lambda: cluster.value("SELECT NOT EXISTS (SELECT FROM attempt WHERE outcome IS NULL)"),
                   LONG_S, "every end is on record", every=0.1)

    def check_ran(self, cluster, count, future=0):
        """`count` tasks ran, each once; `future` ones wait; no promise is broken."""
        found = dict(zip(("stored", "waiting", "ended otherwise", "rejected", "attempts", "ran", "succeeded"),
                         self.run(cluster, "counts")[0]))
        wanted = {"stored": count + future, "waiting": future, "ended otherwise": 0, "rejected": 0,
                  "attempts": count, "ran": count, "succeeded": count}
        if found != wanted:
            raise Wrong(f"not every task ran, once: wanted {wanted}, found {found}")
        broken = cluster.broken_invariants()
        if broken:
            raise Wrong(f"{len(broken)} broken promises, the first: {broken[0]}")


def in_seconds(cluster, seconds):
    return cluster.value("SELECT clock_timestamp() + %s * interval '1 s'", seconds)


def ended_by(cluster):
    return sum(executor.metric("rota_attempts_total") or 0 for executor in cluster.of("executor"))


def percentiles(cluster, expression, where, *arguments):
    """p50, p99, p99.9 and the longest of that interval over the attempts, in ms."""
    row = cluster.sql(
        "SELECT percentile_cont(ARRAY[0.5, 0.99, 0.999, 1]) WITHIN GROUP"
        f" (ORDER BY 1000 * extract(epoch FROM {expression}))"
        f" FROM attempt a JOIN task t ON t.id = a.task_id WHERE {where}", *arguments)[0][0]
    if row is None:
        raise Wrong("nothing was measured")
    return row


# --- Meters ------------------------------------------------------------------------------------


def cpu_s(pid, with_ended_children=False):
    fields = process_fields(pid)
    if fields is None:
        return 0.0
    return sum(map(int, fields[11:15 if with_ended_children else 13])) / TICKS


def resident_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise Wrong(f"process {pid} has ended")


def server_cpu_s(server):
    """A server's processes, those of them that have ended meanwhile included."""
    first, *others = family(server.pid)
    return cpu_s(first, True) + sum(map(cpu_s, others))


def cpu_by_program(cluster):
    spent = {}
    for node in cluster.nodes:
        if node.running:
            spent[node.role] = spent.get(node.role, 0) + sum(map(cpu_s, family(node.pid)))
    spent["PostgreSQL"] = server_cpu_s(cluster.servers.postgres)
    spent["Kafka"] = server_cpu_s(cluster.servers.kafka)
    return spent


class Meter:
    """CPU seconds by program, bytes of WAL and transactions between its making and stop()."""

    def __init__(self, cluster):
        self.cluster, self.before = cluster, self.read(cluster)

    @staticmethod
    def read(cluster):
        wal, transactions = cluster.sql(
            "SELECT pg_current_wal_insert_lsn() - '0/0', xact_commit + xact_rollback"
            " FROM pg_stat_database WHERE datname = current_database()")[0]
        return cpu_by_program(cluster), float(wal), float(transactions)

    def stop(self):
        cpu, wal, transactions = self.read(self.cluster)
        self.cpu = {name: cpu[name] - self.before[0].get(name, 0) for name in cpu}
        self.wal, self.transactions = wal - self.before[1], transactions - self.before[2]
        return self

    def cpu_us(self, count):
        """By program, microseconds of CPU for each of `count` tasks."""
        return {name: seconds * 1e6 / count for name, seconds in self.cpu.items()}
