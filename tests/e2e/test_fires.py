"""Every fire is accounted for: masters die, everybody is away, runs overlap and fail."""

import os

import pytest

from cluster import open_gate, wait_until

CLUSTER = {"lease": "2s", "resolve": "500ms", "heartbeat": "500ms", "alive": "2s", "executor_lease": "8s"}
LOG = {"type": "log", "payload": {}}
WAIT = {"Prefer": "wait=10"}


@pytest.fixture(scope="module", autouse=True)
def started(cluster):
    cluster.start(consumers=3)


def put(cluster, name, spec, task=LOG, **policy):
    answer = cluster.front.request("PUT", f"/api/v1/schedules/{name}",
                                   {"spec": spec, "task": task, "policy": policy}, WAIT)
    assert answer.status in (200, 201), answer


def ledger(cluster, name):
    """(first, last, count, reason or None for a run), earliest first, in seconds since 1970."""
    return [(int(first), int(last), count, reason) for first, last, count, reason in cluster.sql(
        "SELECT extract(epoch FROM f.fire_at), extract(epoch FROM f.last_at), f.count, f.reason::text"
        " FROM fire f JOIN schedule s ON s.id = f.schedule_id WHERE s.name = %s ORDER BY f.fire_at", name)]


def check_every_second(rows):
    """The rows follow each other second by second, and none is there twice."""
    seconds = []
    for first, last, count, _ in rows:
        assert last - first == count - 1
        seconds += range(first, last + 1)
    assert seconds == list(range(seconds[0], seconds[-1] + 1))
    return seconds


def runs_of(cluster, name):
    return cluster.value("SELECT count(*) FROM fire f JOIN schedule s ON s.id = f.schedule_id"
                         " WHERE s.name = %s AND f.task_id IS NOT NULL", name)


def test_masters_die_and_no_fire_is_lost(cluster):
    for number in range(20):
        put(cluster, f"tick-{number}", {"every": "PT1S"})
    wait_until(lambda: runs_of(cluster, "tick-19") >= 2, 20, "it runs")
    for _ in range(3):
        former, runs = cluster.master(), runs_of(cluster, "tick-19")
        former.kill()
        wait_until(lambda: (now := cluster.master()) and now is not former, 20, "another is master")
        wait_until(lambda: runs_of(cluster, "tick-19") > runs + 2, 20, "it goes on")
        former.start()
        former.wait_ready()
    for number in range(20):
        rows = ledger(cluster, f"tick-{number}")
        check_every_second(rows)
        assert {row[3] for row in rows} <= {None, "coalesced", "overlap"}
    assert cluster.sql("SELECT * FROM fire_gap") == []
    for number in range(20):
        cluster.front.request("DELETE", f"/api/v1/schedules/tick-{number}", None, WAIT)
    assert cluster.broken_invariants() == []


def test_misfires_hold_to_the_row(cluster):
    """Nobody there for ten seconds: one run for all, all of them, or none that is late."""
    put(cluster, "once", {"every": "PT1S"}, misfire="fire_once", overlap="allow_all")
    put(cluster, "all", {"every": "PT1S"}, misfire="fire_all", overlap="allow_all")
    put(cluster, "none", {"every": "PT1S"}, misfire="skip", grace="PT1S", overlap="allow_all")
    put(cluster, "window", {"every": "PT1S"}, misfire="fire_all", catch_up_window="PT4S", overlap="allow_all")
    names = ("once", "all", "none", "window")
    wait_until(lambda: all(runs_of(cluster, name) >= 2 for name in names), 20, "all run")
    consumers = cluster.of("consumer")
    for node in consumers:
        node.kill()
    before = {name: runs_of(cluster, name) for name in names}
    at = cluster.value("SELECT clock_timestamp()")
    wait_until(lambda: cluster.value("SELECT clock_timestamp() > %s + interval '10 s'", at), 20, "ten seconds")
    for node in consumers:
        node.start()
    for node in consumers:
        node.wait_ready()
    wait_until(lambda: all(runs_of(cluster, name) > before[name] + 2 for name in names), 20, "all run again")
    for name in names:
        check_every_second(ledger(cluster, name))
    skipped = {name: {reason: sum(row[2] for row in ledger(cluster, name) if row[3] == reason)
                      for reason in {row[3] for row in ledger(cluster, name)} - {None}} for name in names}
    assert skipped["all"] == {}
    assert set(skipped["once"]) == {"coalesced"} and skipped["once"]["coalesced"] >= 8
    assert set(skipped["none"]) == {"misfire"} and skipped["none"]["misfire"] >= 7
    assert set(skipped["window"]) == {"misfire"} and 4 <= skipped["window"]["misfire"] < skipped["none"]["misfire"] + 1
    one_run = cluster.sql("SELECT max(f.missed) FROM fire f JOIN schedule s ON s.id = f.schedule_id"
                          " WHERE s.name = 'once'")[0][0]
    assert one_run >= 8, "one run stands for those that were missed"
    for name in names:
        cluster.front.request("DELETE", f"/api/v1/schedules/{name}", None, WAIT)
    assert cluster.broken_invariants() == []


def test_ten_minutes_away(cluster):
    """To the row: what was due while nobody was there is one run for all, a run each, or none."""
    policies = {"away-once": "fire_once", "away-all": "fire_all", "away-none": "skip"}
    for name, misfire in policies.items():
        put(cluster, name, {"every": "PT1S"}, misfire=misfire, grace="PT2S", overlap="allow_all")
    wait_until(lambda: all(runs_of(cluster, name) >= 2 for name in policies), 20, "all run")
    consumers = cluster.of("consumer")
    for node in consumers:
        node.kill()
    # As if that had been ten minutes ago, and what ran since had not: those fires come again.
    of_them = "IN (SELECT id FROM task WHERE schedule_id IN (SELECT id FROM schedule WHERE name LIKE 'away-%'))"
    last = {name: int(second) for name, second in cluster.sql(
        "SELECT name, extract(epoch FROM decided_at) FROM schedule WHERE starts_with(name, 'away-')")}
    cluster.sql(f"DELETE FROM due WHERE task_id {of_them}; DELETE FROM attempt WHERE task_id {of_them};"
                " DELETE FROM fire WHERE schedule_id IN (SELECT id FROM schedule WHERE name LIKE 'away-%');"
                f" DELETE FROM task WHERE id {of_them};"
                " UPDATE schedule SET seq = seq + 1, decided_at = decided_at - interval '10 min', next_at = NULL,"
                " look_at = now(), runs = 0, last_run = NULL WHERE name LIKE 'away-%';"
                " UPDATE schedule_version v SET from_at = from_at - interval '10 min' FROM schedule s"
                " WHERE s.id = v.schedule_id AND s.name LIKE 'away-%'")
    for node in consumers:
        node.start()
    for node in consumers:
        node.wait_ready()
    now = cluster.value("SELECT extract(epoch FROM now())::bigint")
    wait_until(lambda: cluster.value("SELECT count(*) FROM schedule WHERE name LIKE 'away-%%'"
                                     " AND decided_at > to_timestamp(%s) + interval '3 s'", now) == 3, 60, "all go on")
    for name in policies:
        check_every_second(ledger(cluster, name))
    after = {name: [row for row in ledger(cluster, name) if row[0] > last[name] - 600] for name in policies}
    assert {row[3] for row in after["away-all"]} == {None} and len(after["away-all"]) > 600
    coalesced = [row for row in after["away-once"] if row[3] == "coalesced"]
    assert coalesced[0][0] == last["away-once"] - 599 and coalesced[0][2] > 590, after["away-once"]
    assert {row[3] for row in after["away-once"]} == {None, "coalesced"}
    assert cluster.value("SELECT max(f.missed) FROM fire f JOIN schedule s ON s.id = f.schedule_id"
                         " WHERE s.name = 'away-once'") == coalesced[0][2]
    assert after["away-none"][0][3] == "misfire" and after["away-none"][0][2] > 590
    assert [row[3] for row in after["away-none"][1:]] == [None] * (len(after["away-none"]) - 1)
    wait_until(lambda: cluster.value("SELECT count(*) FROM attempt a JOIN task t ON t.id = a.task_id JOIN schedule s"
                                     " ON s.id = t.schedule_id WHERE s.name = 'away-all' AND a.outcome = 'succeeded'"
                                     ) > 600, 30, "each of them has run")
    for name in policies:
        assert cluster.front.request("DELETE", f"/api/v1/schedules/{name}", None, WAIT).status == 204
    assert cluster.broken_invariants() == []


def counts(cluster, name):
    """How many fires became runs, how many wait, how many were skipped as overlapping; runs that are under way,
    and runs that were cancelled."""
    return dict(zip(("run", "buffered", "overlap", "going", "cancelled"), cluster.sql(
        "SELECT count(*) FILTER (WHERE f.task_id IS NOT NULL), count(*) FILTER (WHERE f.reason = 'buffered'),"
        " coalesce(sum(f.count) FILTER (WHERE f.reason = 'overlap'), 0),"
        " count(*) FILTER (WHERE EXISTS (SELECT FROM attempt a WHERE a.task_id = f.task_id AND a.started_at IS NOT NULL"
        " AND a.outcome IS NULL)), count(*) FILTER (WHERE EXISTS (SELECT FROM task_end e WHERE e.task_id = f.task_id"
        " AND e.state = 'cancelled')) FROM fire f JOIN schedule s ON s.id = f.schedule_id WHERE s.name = %s", name)[0]))


# What is seen while no run ends by itself, and what may stand in the ledger at the end.
OVERLAPS = {
    "skip": (lambda now: now["run"] == 1 and now["overlap"] >= 3, {"overlap"}),
    "buffer_one": (lambda now: now["run"] == 1 and now["buffered"] == 1 and now["overlap"] >= 2, {"overlap"}),
    "buffer_all": (lambda now: now["run"] == 1 and now["buffered"] >= 3 and now["overlap"] == 0, set()),
    "cancel_other": (lambda now: now["run"] >= 3 and now["cancelled"] >= 2, {"overlap"}),
    "allow_all": (lambda now: now["going"] >= 3 and now["overlap"] == 0, set()),
}


@pytest.mark.parametrize("policy", OVERLAPS)
def test_overlaps(cluster, tmp_path, policy):
    name, gate = f"long-{policy.replace('_', '-')}", tmp_path / "gate"
    is_held, reasons = OVERLAPS[policy]
    os.mkfifo(gate)
    put(cluster, name, {"every": "PT1S"}, {"type": "shell", "shell": {"command": f"cat {gate}"}}, overlap=policy)
    wait_until(lambda: is_held(counts(cluster, name)), 30, "it holds to its policy while the first run goes on")
    runs = runs_of(cluster, name)
    wait_until(lambda: open_gate(gate) or runs_of(cluster, name) >= runs + 3, 30, "it goes on when runs end")
    rows = ledger(cluster, name)
    check_every_second(rows)
    assert {row[3] for row in rows} - {None, "buffered"} <= reasons, rows
    together = cluster.value(
        "SELECT count(*) FROM attempt a JOIN task t ON t.id = a.task_id JOIN schedule s ON s.id = t.schedule_id"
        " JOIN attempt b ON b.task_id <> a.task_id JOIN task u ON u.id = b.task_id AND u.schedule_id = s.id"
        " WHERE s.name = %s AND a.started_at < b.started_at AND coalesce(a.finished_at, now()) > b.started_at", name)
    assert (together > 0) == (policy == "allow_all")
    assert cluster.front.request("DELETE", f"/api/v1/schedules/{name}", None, WAIT).status == 204
    wait_until(lambda: open_gate(gate) or counts(cluster, name)["going"] == 0, 20, "the last of them end")
    assert cluster.broken_invariants() == []


def test_a_pause_ends_by_itself(cluster):
    """Nobody else wants to be looked at: what is resumed is planned at once all the same."""
    put(cluster, "breath", {"every": "PT1S"})
    wait_until(lambda: runs_of(cluster, "breath") >= 1, 20, "it runs")
    until = cluster.value("SELECT to_char(now() AT TIME ZONE 'UTC' + interval '2 s', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
    answer = cluster.front.request("POST", "/api/v1/schedules/breath/pause", {"reason": "breath", "until": until}, WAIT)
    assert answer.status == 200 and answer.json()["status"] == "paused", answer
    before = runs_of(cluster, "breath")
    wait_until(lambda: cluster.front.get("/api/v1/schedules/breath").json()["status"] == "active", 10, "it is resumed")
    wait_until(lambda: runs_of(cluster, "breath") > before, 5, "it runs, sooner than what is put off for ten seconds")
    check_every_second(ledger(cluster, "breath"))
    assert cluster.front.request("DELETE", "/api/v1/schedules/breath", None, WAIT).status == 204


def test_one_that_cannot_be_read_stops_no_other(cluster):
    for name in ("odd", "even"):
        put(cluster, name, {"every": "PT1S"})
    wait_until(lambda: runs_of(cluster, "odd") >= 1, 20, "it runs")
    cluster.sql("UPDATE schedule_version v SET definition = jsonb_set(v.definition, '{spec}', '{\"moon\": \"full\"}')"
                " FROM schedule s WHERE s.id = v.schedule_id AND s.name = 'odd'")
    former = cluster.master()  # knows how to read it from before
    former.kill()
    wait_until(lambda: (now := cluster.master()) and now is not former, 20, "another is master")
    former.start()
    former.wait_ready()
    wait_until(lambda: cluster.value("SELECT look_at > now() + interval '5 s' FROM schedule WHERE name = 'odd'"), 20,
               "it is put off")
    odd, even = runs_of(cluster, "odd"), runs_of(cluster, "even")
    wait_until(lambda: runs_of(cluster, "even") >= even + 3, 10, "the other one goes on")
    assert runs_of(cluster, "odd") == odd
    for name in ("odd", "even"):
        assert cluster.front.request("DELETE", f"/api/v1/schedules/{name}", None, WAIT).status == 204


def test_failures_in_a_row_pause_it(cluster):
    put(cluster, "failing", {"every": "PT1S"}, {"type": "shell", "shell": {"command": "false"}}, pause_on_failures=3)
    shown = wait_until(lambda: (found := cluster.front.get("/api/v1/schedules/failing").json())["status"] == "paused"
                       and found, 20, "it is paused")
    assert shown["paused"]["reason"] == "3 runs failed in a row"
    assert runs_of(cluster, "failing") in (3, 4)


def test_two_days_missed_delay_nobody(cluster):
    """100 schedules of every second that stand two days back: due tasks are not late meanwhile."""
    for number in range(100):
        put(cluster, f"back-{number}", {"every": "PT1S"})
    # In one transaction: the master sees all of it or nothing.
    cluster.sql("UPDATE schedule SET seq = seq + 1, decided_at = decided_at - interval '2 days', next_at = NULL,"
                " look_at = now() WHERE name LIKE 'back-%';"
                " UPDATE schedule_version v SET from_at = from_at - interval '2 days' FROM schedule s"
                " WHERE s.id = v.schedule_id AND s.name LIKE 'back-%';"
                " DELETE FROM fire f USING schedule s WHERE s.id = f.schedule_id AND s.name LIKE 'back-%'")
    ids = [cluster.schedule({"type": "log", "delay": "PT0.5S"})["id"] for _ in range(100)]
    for identity in ids:
        cluster.wait_state(identity, "succeeded", seconds=30)
    late = sorted(float(row[0]) for row in cluster.sql(
        "SELECT extract(epoch FROM a.started_at - t.run_at) * 1000 FROM attempt a JOIN task t ON t.id = a.task_id"
        " WHERE t.id = ANY (%s::uuid[])", ids))
    assert late[94] < 1000, late[-10:]
    wait_until(lambda: cluster.value("SELECT count(*) FROM schedule WHERE name LIKE 'back-%%'"
                                     " AND decided_at < now() - interval '10 s'") == 0, 120, "all have caught up")
    assert cluster.value("SELECT count(*) FROM (SELECT f.schedule_id FROM fire f JOIN schedule s ON"
                         " s.id = f.schedule_id WHERE s.name LIKE 'back-%%' AND f.reason = 'misfire'"
                         " GROUP BY 1 HAVING count(*) = 1 AND sum(f.count) > 160000) x") == 100
    assert cluster.sql("SELECT * FROM fire_gap") == []
