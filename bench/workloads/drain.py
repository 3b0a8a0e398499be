"""drain: tasks that are all due at once, from due to finished.

The tasks stand in the tables before their instant, all nodes wait; a checkpoint lies before, so that
each round pays for the same full pages in the WAL. The rate counts from the common instant to the
last end on record. Rounds of Rota and of plain SQL (plain.py) alternate; each has its own database.
"""

from place import Meter
from workloads import plain


def rate(cluster, count, due_at):
    return cluster.value("SELECT %s / extract(epoch FROM max(a.finished_at) - %s) FROM attempt a",
                         count, due_at)


def drain(bench, cluster, count, before):
    """One round of Rota, after `before` tasks; returns the rate and what it cost."""
    due_at = bench.fill_ahead(cluster, count)
    meter = Meter(cluster)
    bench.wait_ended(cluster, before + count)
    return float(rate(cluster, count, due_at)), meter.stop()


def drain_plain(bench, cluster, count, epoch):
    due_at = bench.fill_ahead(cluster, count)
    meter = Meter(cluster)
    plain.drain(cluster, count, epoch, due_at)
    return float(rate(cluster, count, due_at)), meter.stop()


def tell(figures, count, rota, reference):
    (rota_rate, rota_meter), (plain_rate, plain_meter) = rota, reference
    figures.add("due to finished", rota_rate, "tasks/s", (plain_rate, "plain SQL"))
    figures.add("WAL", rota_meter.wal / count, "bytes/task", (plain_meter.wal / count, "plain SQL"))
    plain_cpu = plain_meter.cpu_us(count)["PostgreSQL"]
    for name, cpu in sorted(rota_meter.cpu_us(count).items()):
        held_to = [(plain_cpu, "plain SQL")] if name == "PostgreSQL" else []
        if name != "Kafka":
            figures.add(f"CPU of {name}", cpu, "us/task", *held_to)


def run(bench, figures):
    count, rounds = bench.either(200_000, 2_000), bench.rounds(3)
    with bench.cluster("drain") as cluster, bench.cluster("plain") as other:
        plain.make_tables(other)
        cluster.start(producers=0, consumers=1, executors=2)
        for turn in range(rounds):
            bench.say(f"{count:,} tasks, round {turn + 1} of {rounds}")
            rota = drain(bench, cluster, count, turn * count)
            tell(figures, count, rota, drain_plain(bench, other, count, turn + 1))
        bench.check_ran(cluster, count * rounds)
        bench.check_ran(other, count * rounds)
