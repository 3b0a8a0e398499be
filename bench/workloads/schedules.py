"""schedules: fires that are all due at once, the load of a minute's jobs, and a million that wait.

burst    10,000 schedules whose only fire is the same instant: from due to the last one handed over and
         started
minute   10,000 schedules of every minute, evenly apart, and 10 whose runs take 90 s, for five minutes
million  a million schedules stored, of which 1,000 fire every second: what planning costs a fire

Every fire is held against the rule: as many rows in the ledger as there were instants, without a gap.
"""

from place import Meter, Wrong, in_seconds, percentiles
from cluster import wait_until

CHUNK = 100_000
NAMES = ("p50", "p99", "p99.9", "longest")
OF_FIRES = "t.fire_at IS NOT NULL AND a.started_at IS NOT NULL AND t.fire_at >= %s AND t.fire_at < %s"


def fill(bench, cluster, prefix, count, first, step_us=0, every_s=0, sleep_s=0):
    for done in range(0, count, CHUNK):
        bench.run(cluster, "fill_schedules", prefix=prefix, count=min(CHUNK, count - done), first=first,
                  step_us=step_us, every_s=every_s, sleep_s=sleep_s, **{"from": done})


def decided(cluster, prefix, since, until):
    return cluster.value(
        "SELECT coalesce(sum(f.count), 0)::bigint FROM fire f JOIN schedule s ON s.id = f.schedule_id"
        " WHERE starts_with(s.name, %s) AND f.fire_at >= %s AND f.last_at < %s", prefix, since, until)


def check(cluster, prefix, since, until, wanted):
    found = decided(cluster, prefix, since, until)
    if found != wanted:
        raise Wrong(f"{wanted:,} fires were due, {found:,} are in the ledger")
    gaps = cluster.value("SELECT count(*) FROM fire_gap")
    broken = cluster.broken_invariants()
    if gaps or broken:
        raise Wrong(f"{gaps} gaps in the ledger, broken promises: {broken[:1]}")


def wait_past(cluster, instant):
    wait_until(lambda: cluster.value("SELECT clock_timestamp() > %s", instant), 900, "that time is past", every=0.2)


def tell_lateness(cluster, figures, name, since, until):
    found = percentiles(cluster, "a.started_at - t.run_at", OF_FIRES, since, until)
    for percentile, value in zip(NAMES, found):
        figures.add(f"{name}: late, {percentile}", value, "ms")


def burst(bench, figures):
    count = bench.either(10_000, 200)
    with bench.cluster("burst") as cluster:
        cluster.start(producers=0, consumers=1, executors=2)
        for turn in range(bench.rounds(3)):
            bench.say(f"{count:,} at once, round {turn + 1}")
            at = cluster.value("SELECT date_trunc('second', clock_timestamp()) + %s * interval '1 s'",
                               bench.either(20, 3))
            after = cluster.value("SELECT %s::timestamptz + interval '1 us'", at)
            fill(bench, cluster, f"burst{turn}-", count, at)
            wait_until(lambda: cluster.value(
                "SELECT count(*) FROM attempt a JOIN task t ON t.id = a.task_id"
                " WHERE t.fire_at = %s AND a.outcome = 'succeeded'", at) == count, 120, "all have run", every=0.5)
            for name, column in (("handed over", "assigned_at"), ("started", "started_at")):
                figures.add(f"{count:,} at once: from due to the last one {name}", cluster.value(
                    f"SELECT extract(epoch FROM max(a.{column}) - %s) * 1000 FROM attempt a"
                    " JOIN task t ON t.id = a.task_id WHERE t.fire_at = %s", at, at), "ms", (1000, "goal"))
            check(cluster, f"burst{turn}-", at, after, count)


def minute(bench, figures):
    count, long_ones, minutes = bench.either((10_000, 10, 5), (60, 2, 0.1))
    period_s = 60 if not bench.quick else 2
    with bench.cluster("minute") as cluster:
        cluster.start(producers=0, consumers=1, executors=2)
        first = in_seconds(cluster, bench.either(30, 3))
        until = cluster.value("SELECT %s::timestamptz + %s * interval '1 s'", first, int(minutes * 60))
        fill(bench, cluster, "minute-", count, first, period_s * 1_000_000 // count, period_s)
        fill(bench, cluster, "long-", long_ones, first, 1000, period_s, sleep_s=period_s * 3 // 2)
        cluster.sql("CHECKPOINT")
        bench.say(f"{count:,} in {period_s} s, for {minutes * 60:g} s")
        wait_past(cluster, until)
        fires = int(minutes * 60) // period_s
        wait_until(lambda: decided(cluster, "minute-", first, until) >= count * fires, 60, "all are decided")
        check(cluster, "minute-", first, until, count * fires)
        check(cluster, "long-", first, until, long_ones * fires)
        tell_lateness(cluster, figures, f"{count:,} a minute and {long_ones} long ones", first, until)


def million(bench, figures):
    stored, firing, seconds = bench.either((1_000_000, 1000, 60), (2_000, 50, 2))
    with bench.cluster("million") as cluster:
        cluster.start(producers=0, consumers=1, executors=2)
        bench.say(f"{stored:,} schedules")
        fill(bench, cluster, "far-", stored - firing, in_seconds(cluster, 86400 * 30), 1_000_000, 86400)
        wait_until(lambda: cluster.value("SELECT count(*) FROM schedule WHERE next_at IS NULL") == 0, 600,
                   "all have been looked at", every=1)
        cluster.sql("VACUUM (ANALYZE) schedule")
        cluster.sql("CHECKPOINT")
        first = cluster.value("SELECT date_trunc('second', clock_timestamp()) + %s * interval '1 s'",
                              bench.either(20, 3))
        fill(bench, cluster, "near-", firing, first, 1_000_000 // firing, 1)
        wait_past(cluster, first)
        meter = Meter(cluster)
        until = cluster.value("SELECT %s::timestamptz + %s * interval '1 s'", first, seconds)
        wait_past(cluster, until)
        meter.stop()
        wait_until(lambda: decided(cluster, "near-", first, until) >= firing * seconds, 60, "all are decided")
        check(cluster, "near-", first, until, firing * seconds)
        name = f"{stored:,} stored, {firing:,} a second"
        tell_lateness(cluster, figures, name, first, until)
        for program, spent in meter.cpu.items():
            if program != "Kafka":
                figures.add(f"{name}: CPU of {program} a fire", spent * 1e6 / (firing * seconds), "us")


def run(bench, figures):
    burst(bench, figures)
    minute(bench, figures)
    million(bench, figures)
