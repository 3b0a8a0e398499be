"""Schedules through the API: put, read, change, delete; what is refused and where."""

import datetime
import json
import re
import urllib.parse

import pytest

from cluster import wait_until

LOG = {"type": "log", "payload": {}}
NIGHTLY = {"spec": {"cron": "30 2 * * MON-FRI", "timezone": "Europe/Berlin"}, "task": LOG}
WAIT = {"Prefer": "wait=10"}


@pytest.fixture(scope="module", autouse=True)
def started(cluster):
    cluster.start()


def put(cluster, name, body, **headers):
    return cluster.front.request("PUT", f"/api/v1/schedules/{name}", body, {**WAIT, **headers})


def act(cluster, name, action, body=None):
    return cluster.front.post(f"/api/v1/schedules/{name}/{action}", body, WAIT)


def get(cluster, name):
    return cluster.front.get(f"/api/v1/schedules/{name}")


def instants(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_put_as_in_the_readme(cluster):
    """curl -X PUT -d says that it sends a form."""
    answer = cluster.front.request("PUT", "/api/v1/schedules/nightly", json.dumps(NIGHTLY),
                                   {"Content-Type": "application/x-www-form-urlencoded", **WAIT})
    assert answer.status == 201, answer
    shown = answer.json()
    assert answer.headers["ETag"] == '"1"'
    assert shown["status"] == "active" and shown["version"] == 1
    assert shown["describe"] == "At 02:30, Monday to Friday, Europe/Berlin"
    assert shown["spec"]["dst"] == {"gap": "run_after", "overlap": "first"}
    assert shown["policy"] == {"overlap": "skip", "misfire": "fire_once", "catch_up_window": "PT1H",
                               "grace": "PT5M", "pause_on_failures": 0}
    assert len(shown["next_runs"]) == 5
    assert shown["next_run_at"] == shown["next_runs"][0]["at"]
    again = put(cluster, "nightly", NIGHTLY)
    assert again.status == 200 and again.json()["version"] == 1, "the same definition changes nothing"


def test_without_waiting_the_link_tells(cluster):
    answer = cluster.front.request("PUT", "/api/v1/schedules/linked", NIGHTLY)
    assert answer.status == 202
    link = answer.headers["Location"]
    assert link.startswith("/api/v1/schedules/linked?after=")
    seen = wait_until(lambda: (found := cluster.front.get(link)).json().get("status") and found, 10,
                      "the schedule is there")
    assert seen.status == 200 and seen.json()["name"] == "linked"


def test_upcoming_marks_the_nights_of_a_change(cluster):
    answer = cluster.front.get("/api/v1/schedules/nightly/upcoming?count=500&from=2026-11-21T00:00:00Z")
    assert answer.status == 200
    items = answer.json()["items"]
    assert len(items) == 500
    assert all(instants(item["local"]).weekday() < 5 for item in items)
    put(cluster, "sundays", {"spec": {"cron": "30 2 * * *", "timezone": "Europe/Berlin"}, "task": LOG})
    items = cluster.front.get("/api/v1/schedules/sundays/upcoming?count=500"
                              "&from=2026-11-21T00:00:00Z").json()["items"]
    touched = {item["local"]: item["dst"] for item in items if item["dst"]}
    assert touched == {"2027-03-28T03:00:00+02:00": "gap", "2027-10-31T02:30:00+02:00": "overlap",
                       "2028-03-26T03:00:00+02:00": "gap"}
    assert cluster.front.get("/api/v1/schedules/nightly/upcoming?count=0").status == 400
    assert cluster.front.get("/api/v1/schedules/nope/upcoming").status == 404


def test_a_schedule_of_every_second_runs(cluster):
    assert put(cluster, "seconds", {"spec": {"every": "PT1S"}, "task": {**LOG, "tags": ["sec"]}}).status == 201
    wait_until(lambda: cluster.value("SELECT count(*) FROM fire f JOIN schedule s ON s.id = f.schedule_id"
                                     " WHERE s.name = 'seconds' AND f.task_id IS NOT NULL") >= 5, 20, "five runs")
    late = cluster.sql("SELECT extract(epoch FROM a.started_at - t.fire_at) * 1000 FROM attempt a"
                       " JOIN task t ON t.id = a.task_id JOIN schedule s ON s.id = t.schedule_id"
                       " WHERE s.name = 'seconds' AND a.started_at IS NOT NULL")
    assert late and all(0 <= float(row[0]) < 1000 for row in late)
    fires = cluster.front.get("/api/v1/schedules/seconds/fires?limit=3").json()
    assert [item["result"] for item in fires["items"]] == ["run"] * 3
    older = cluster.front.get(f"/api/v1/schedules/seconds/fires?cursor={fires['next_cursor']}").json()
    assert older["items"][0]["fire_at"] < fires["items"][-1]["fire_at"]
    assert act(cluster, "seconds", "pause", {"reason": "enough"}).status == 200
    shown = get(cluster, "seconds").json()
    assert shown["status"] == "paused" and shown["paused"]["reason"] == "enough"
    assert cluster.broken_invariants() == []


def fires_of(cluster, name, **parameters):
    """All pages."""
    items, cursor = [], None
    while True:
        page = cluster.front.get(f"/api/v1/schedules/{name}/fires?" + urllib.parse.urlencode(
            {**parameters, **({"cursor": cursor} if cursor else {})}))
        assert page.status == 200, page
        items += page.json()["items"]
        cursor = page.json()["next_cursor"]
        if not cursor:
            return items


def check_expanded(cluster, name, other):
    """One by one the fires are as many as the rows say, a second apart; also when the definition is gone."""
    until = cluster.value("SELECT to_char(max(fire_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
                          " FROM fire f JOIN schedule s ON s.id = f.schedule_id WHERE s.name = %s", name)
    rows = fires_of(cluster, name, until=until)
    put(cluster, name, {"spec": other, "task": LOG})
    each = fires_of(cluster, name, until=until, expand="true", limit=2)
    assert len(each) == sum(row["count"] for row in rows) > len(rows)
    seconds = [datetime.datetime.fromisoformat(item["fire_at"].replace("Z", "+00:00")) for item in each]
    assert all(later - earlier == datetime.timedelta(seconds=1) for later, earlier in zip(seconds, seconds[1:])), each
    assert {item["reason"] for item in each if item["result"] == "skipped"} == {"paused"}
    assert cluster.front.get(f"/api/v1/schedules/{name}/fires?expand=yes").status == 400


def test_a_pause_and_its_end_are_on_record(cluster):
    put(cluster, "paused", {"spec": {"every": "PT1S"}, "task": LOG})
    runs = "SELECT count(*) FROM task t JOIN schedule s ON s.id = t.schedule_id WHERE s.name = 'paused'"
    wait_until(lambda: cluster.value(runs) >= 2, 20, "it runs")
    assert act(cluster, "paused", "pause").status == 200
    before = cluster.value(runs)
    at = cluster.value("SELECT clock_timestamp()")
    wait_until(lambda: cluster.value("SELECT clock_timestamp() > %s + interval '3.2 s'", at), 10, "three seconds")
    assert cluster.value(runs) == before
    assert act(cluster, "paused", "pause").status == 409
    assert act(cluster, "paused", "resume").status == 200
    wait_until(lambda: cluster.value(runs) > before, 10, "it runs again")
    skipped = cluster.sql("SELECT reason::text, sum(count) FROM fire f JOIN schedule s ON s.id = f.schedule_id"
                          " WHERE s.name = 'paused' AND f.task_id IS NULL GROUP BY 1")
    assert [reason for reason, _ in skipped] == ["paused"] and 3 <= skipped[0][1] <= 5, skipped
    check_expanded(cluster, "paused", {"every": "PT2S"})
    assert cluster.front.request("DELETE", "/api/v1/schedules/paused", None, WAIT).status == 204
    assert get(cluster, "paused").status == 404
    assert cluster.broken_invariants() == []


def test_preconditions(cluster):
    assert put(cluster, "locked", NIGHTLY, **{"If-None-Match": "*"}).status == 201
    refused = put(cluster, "locked", NIGHTLY, **{"If-None-Match": "*"})
    assert refused.status == 412 and refused.json()["type"].endswith("/precondition-failed")
    other = {**NIGHTLY, "description": "x"}
    changed = put(cluster, "locked", other, **{"If-Match": '"1"'})
    assert changed.status == 200 and changed.headers["ETag"] == '"2"'
    stale = put(cluster, "locked", NIGHTLY, **{"If-Match": '"1"'})
    assert stale.status == 412 and stale.headers["ETag"] == '"2"'
    assert put(cluster, "locked", NIGHTLY, **{"If-Match": "x"}).status == 400
    assert cluster.front.request("DELETE", "/api/v1/schedules/locked", None,
                                 {**WAIT, "If-Match": '"7"'}).status == 412
    link = cluster.front.request("DELETE", "/api/v1/schedules/nowhere").headers["Location"]
    told = wait_until(lambda: (found := cluster.front.get(link).json())["state"] == "rejected" and found, 10,
                      "it was refused")
    assert told["problem"]["status"] == 404


@pytest.mark.parametrize("body, pointer", [
    ({"spec": {"cron": "61 * * * *"}, "task": LOG}, "#/spec/cron"),
    ({"spec": {"cron": "0 0 30 2 *"}, "task": LOG}, "#/spec/cron"),
    ({"spec": {"cron": "0 0 * * *", "timezone": "Europe/Berln"}, "task": LOG}, "#/spec/timezone"),
    ({"spec": {"every": "P1M"}, "task": LOG}, "#/spec/every"),
    ({"spec": {"every": "PT5S", "cron": "* * * * *"}, "task": LOG}, "#/spec"),
    ({"spec": {"every": "PT5S"}, "task": {"type": "shell"}}, "#/task/shell"),
    ({"spec": {"every": "PT5S"}, "task": LOG, "policy": {"overlap": "x"}}, "#/policy/overlap"),
])
def test_what_is_wrong_is_told_with_its_place(cluster, body, pointer):
    answer = put(cluster, "wrong", body)
    assert answer.status == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_names_that_fit_no_path(cluster):
    assert put(cluster, "Upper", NIGHTLY).status == 422
    assert put(cluster, "a" * 129, NIGHTLY).status == 422


def test_explain(cluster):
    answer = cluster.front.post("/api/v1/cron/explain", {
        "expression": "0 30 2 ? * 6L", "cron_dialect": "quartz", "timezone": "America/New_York",
        "from": "2026-01-01T00:00:00Z", "count": 2})
    assert answer.status == 200, answer
    told = answer.json()
    assert [item["local"] for item in told["next"]] == ["2026-01-30T02:30:00-05:00",
                                                        "2026-02-27T02:30:00-05:00"]
    assert told["canonical"] and told["describe"].endswith("America/New_York")
    assert told["previous"] == "2025-12-26T07:30:00.000Z"
    every = cluster.front.post("/api/v1/cron/explain", {"expression": "@every 90s", "from": "2026-01-01T00:00:30Z"})
    assert every.json()["previous"] == "2026-01-01T00:00:00.000Z"
    assert every.json()["next"][0]["at"] == "2026-01-01T00:01:30.000Z"
    wrong = cluster.front.post("/api/v1/cron/explain", {"expression": "* * * * 9"})
    assert wrong.status == 422 and wrong.json()["errors"][0]["pointer"] == "#/expression"
    assert "column 9" in wrong.json()["errors"][0]["detail"]


def test_trigger_and_backfill(cluster):
    put(cluster, "hourly", {"spec": {"every": "PT1H"}, "task": {**LOG, "tags": ["hourly"]}})
    answer = act(cluster, "hourly", "trigger", {"payload": {"by": "hand"}})
    assert answer.status == 201 and answer.json()["payload"] == {"by": "hand"}
    span = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}
    dry = act(cluster, "hourly", "backfill", {**span, "dry_run": True}).json()
    assert dry["runs"] == 24 and len(dry["items"]) == 24
    sent = act(cluster, "hourly", "backfill", span)
    assert sent.status == 202 and sent.json()["runs"] == 24
    wait_until(lambda: cluster.value(
        "SELECT count(*) FROM attempt a JOIN task t ON t.id = a.task_id JOIN task_tag g USING (task_id)"
        " WHERE g.tag = 'hourly' AND t.fire_at IS NULL AND a.outcome = 'succeeded'") == 25, 20, "all have run")
    large = act(cluster, "hourly", "backfill", {"start": "2020-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"})
    assert large.status == 422 and large.json()["type"].endswith("/backfill-too-large")
    assert act(cluster, "hourly", "backfill", {"start": "2026-01-01T00:00:00Z"}).status == 422


def test_a_trigger_with_a_key_runs_once(cluster):
    put(cluster, "keyed", {"spec": {"every": "PT1H"}, "task": LOG})
    path, key = "/api/v1/schedules/keyed/trigger", {"Idempotency-Key": '"once"', "Prefer": "wait=10"}
    first, second = (cluster.front.request("POST", path, {}, key) for _ in range(2))
    assert first.status == 201 and second.json()["id"] == first.json()["id"], second
    refused = cluster.front.request("POST", path, {}, {"Idempotency-Key": '"open'})
    assert refused.status == 422 and refused.json()["errors"][0]["pointer"] == "#/idempotency_key", refused


def test_the_zone_files_have_a_version(cluster):
    assert re.fullmatch(r"20\d\d[a-z]+", cluster.front.get("/version").json()["tzdata"])


def test_post_schedule_with_every(cluster):
    answer = cluster.front.post("/schedule", {"name": "flat", "every": "PT1S", "type": "log",
                                              "payload": 1, "policy": {"overlap": "allow_all"}}, WAIT)
    assert answer.status == 201, answer
    assert answer.json()["spec"]["every"] == "PT1S"
    wrong = cluster.front.post("/schedule", {"name": "flat", "cron": "x", "type": "log"}, WAIT)
    assert wrong.status == 422 and wrong.json()["errors"][0]["pointer"] == "#/cron"
    assert cluster.front.post("/schedule", {"cron": "* * * * *", "type": "log"}).status == 422
    assert cluster.front.request("DELETE", "/api/v1/schedules/flat", None, WAIT).status == 204


def test_the_list(cluster):
    for number in range(5):
        put(cluster, f"list-{number}", {**NIGHTLY, "tags": ["listed"]})
    seen, path = [], "/api/v1/schedules?tag=listed&limit=2"
    while path:
        page = cluster.front.get(path).json()
        assert len(page["items"]) <= 2
        seen += [item["name"] for item in page["items"]]
        path = page["next_cursor"] and f"/api/v1/schedules?tag=listed&limit=2&cursor={page['next_cursor']}"
    assert seen == [f"list-{number}" for number in range(5)]
    assert cluster.front.get("/api/v1/schedules?status=paused&tag=listed").json()["items"] == []
    assert cluster.front.get("/api/v1/schedules?cursor=x").status == 400
    assert cluster.front.get("/api/v1/schedules?status=x").status == 400


def test_import(cluster):
    path = "/api/v1/schedules:import?prefix=imp-"
    file = [{"name": f"imp-{n}", **NIGHTLY} for n in range(3)]
    dry = cluster.front.post(path + "&dry_run=true", file)
    assert dry.status == 200 and dry.json()["create"] == 3, dry
    assert get(cluster, "imp-0").status == 404
    assert cluster.front.post(path, file).status == 202
    wait_until(lambda: all(get(cluster, f"imp-{n}").status == 200 for n in range(3)), 10, "all are there")
    file = [{**file[0], "description": "new"}, file[1]]
    lines = "\n".join(json.dumps(item) for item in file)
    told = cluster.front.post(path + "&prune=true&dry_run=true", lines,
                              {"Content-Type": "application/x-ndjson"}).json()
    assert {item["name"]: item["action"] for item in told["results"]} == {
        "imp-0": "update", "imp-1": "unchanged", "imp-2": "delete"}
    assert cluster.front.post(path + "&prune=true", file).status == 202
    wait_until(lambda: get(cluster, "imp-2").status == 404, 10, "it is gone")
    wait_until(lambda: get(cluster, "imp-0").json().get("description") == "new", 10, "it is changed")
    bad = cluster.front.post(path, [{"name": "imp-9", **NIGHTLY}, {"name": "imp-8", "spec": {}, "task": LOG}])
    assert bad.status == 422 and bad.json()["errors"][0]["pointer"] == "#/1/spec"
    assert get(cluster, "imp-9").status == 404


def test_import_of_a_crontab(cluster):
    tab = "# the report\n30 2 * * 1-5 echo report\nCRON_TZ=Asia/Tokyo\n@daily echo night\n"
    headers = {"Content-Type": "text/x-crontab"}
    assert cluster.front.post("/api/v1/schedules:import", tab, headers).json()["create"] == 2
    found = wait_until(lambda: len(items := [item for item in cluster.front.get(
        "/api/v1/schedules?limit=500").json()["items"] if item["name"].startswith("crontab-")]) == 2 and items,
        10, "both are there")
    assert {item["describe"] for item in found} == {"At 02:30, Monday to Friday, UTC", "At 00:00, every day, Asia/Tokyo"}
    assert cluster.front.post("/api/v1/schedules:import?dry_run=true", tab, headers).json()["unchanged"] == 2
    wrong = cluster.front.post("/api/v1/schedules:import", "30 2 * *\n", headers)
    assert wrong.status == 422 and wrong.json()["errors"][0]["pointer"] == "#/1"


def test_nothing_is_broken(cluster):
    assert cluster.sql("SELECT * FROM fire_gap") == []
    assert cluster.broken_invariants() == []
