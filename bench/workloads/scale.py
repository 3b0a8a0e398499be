"""scale: the drain with more nodes, and what nodes cost that have nothing to do.

The drain with 1, 2 and 4 executors and with 1, 3 and 5 consumers, beside 2 executors and 1 consumer.
At rest: 3 consumers with 2 and with 100 executors: transactions a second and CPU in percent of one
core, over a minute.
"""

import time

from place import Meter
from workloads.drain import drain

SHAPES = [(1, 2), (1, 1), (1, 4), (3, 2), (5, 2)]  # consumers, executors; the first is the reference
GOAL_PERCENT, GOAL = 2, "goal"
CONNECTIONS = 1000
SETTLE_S = 12   # what a start leaves to do: idle sessions tell their counts after 10 s


def in_words(consumers, executors):
    return f"{consumers} consumer{'s' * (consumers > 1)}, {executors} executor{'s' * (executors > 1)}"


def drains(bench, figures):
    count, rounds = bench.either(200_000, 1_000), bench.rounds(1)
    shapes = bench.either(SHAPES, SHAPES[:2])
    for consumers, executors in shapes:
        name = f"drain, {in_words(consumers, executors)}"
        bench.say(name)
        with bench.cluster("scale") as cluster:
            cluster.start(producers=0, consumers=consumers, executors=executors)
            for turn in range(rounds):
                rate, _ = drain(bench, cluster, count, turn * count)
                first = f"drain, {in_words(*shapes[0])}"
                held_to = [(figures.median(first), in_words(*shapes[0]))] if name != first else []
                figures.add(name, rate, "tasks/s", *held_to)
            bench.check_ran(cluster, count * rounds)


def rest(bench, figures, executors):
    seconds = bench.either(60, 0.5)
    name = f"at rest, {in_words(3, executors)}"
    bench.say(name)
    with bench.cluster("rest") as cluster:
        cluster.start(producers=0, consumers=3, executors=executors, seconds=300)
        time.sleep(bench.either(SETTLE_S, 0.5))
        meter, began = Meter(cluster), time.monotonic()
        time.sleep(seconds)
        meter.stop()
        passed = time.monotonic() - began
        percent = {program: 100 * spent / passed for program, spent in meter.cpu.items() if program != "Kafka"}
        figures.add(f"{name}: transactions", meter.transactions / passed, "1/s")
        for program, value in sorted(percent.items()):
            figures.add(f"{name}: CPU of {program}", value, "%")
        held_to = [(GOAL_PERCENT, GOAL)] if executors == 2 else []
        figures.add(f"{name}: CPU in all", sum(percent.values()), "%", *held_to)
        bench.check_ran(cluster, 0)


def more_connections(bench, count):
    postgres = bench.servers.postgres
    postgres.run("sql", f"ALTER SYSTEM SET max_connections = {count}")
    postgres.stop()
    postgres.start()


def run(bench, figures):
    rest(bench, figures, 2)
    drains(bench, figures)
    if not bench.quick:
        before = int(bench.servers.postgres.run("sql", "SHOW max_connections"))
        more_connections(bench, CONNECTIONS)
        try:
            rest(bench, figures, 100)
        finally:
            more_connections(bench, before)
