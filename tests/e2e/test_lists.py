"""Lists hold what their filters say, all of it, once, in their order."""

import uuid

import pytest

from lists import ENDS, OPEN, STATES, WAITING, all_filters, fill, link, pages

ROWS = 20_000


@pytest.fixture(scope="module", autouse=True)
def tasks(cluster):
    """Every task as the database tells it, newest due first."""
    fill(cluster, ROWS)
    rows = cluster.sql(
        "SELECT t.id::text, s.state, t.type, t.queue, t.tags, s.inbox,"
        "       to_char(t.run_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),"
        "       to_char(t.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
        " FROM task t JOIN task_state s ON s.task_id = t.id")
    names = ("id", "state", "type", "queue", "tags", "inbox", "run_at", "created_at")
    return [dict(zip(names, row)) for row in rows]


def fits(task, filters):
    get = filters.get
    return (task["state"] in (get("state") or ",".join(STATES)).split(",")
            and get("type") in (None, task["type"])
            and get("queue") in (None, task["queue"])
            and (not get("tag") or get("tag") in (task["tags"] or []))
            and get("due_after", "") <= task["run_at"] < get("due_before", "3")
            and get("created_after", "") <= task["created_at"] < get("created_before", "3"))


def order(filters):
    if filters.get("state") and set(filters["state"].split(",")) <= set(OPEN):
        return lambda task: task["inbox"]
    by = "created_at" if {"created_after", "created_before"} & set(filters) else "run_at"
    return lambda task: (task[by], uuid.UUID(task["id"]))


def expected(tasks, filters):
    found = [task for task in tasks if fits(task, filters)]
    return [task["id"] for task in sorted(found, key=order(filters), reverse=True)]


def seen(cluster, filters, **others):
    return [item["id"] for items in pages(cluster, filters, **others) for item in items]


@pytest.mark.parametrize("state", [None, *STATES])
def test_holds_what_the_filter_says(cluster, tasks, state):
    for filters in all_filters():
        if filters.get("state") == state:
            assert seen(cluster, filters, limit=500) == expected(tasks, filters), filters


@pytest.mark.parametrize("filters", [
    {"state": "assigned,running"}, {"state": "assigned,running", "type": "shell", "queue": "q1"},
    {"state": ",".join(ENDS)}, {"state": "failed,cancelled", "queue": "q2"},
    {"state": "succeeded,failed", "type": "http"},
    {"type": "log", "queue": "q3", "tag": "common"},
], ids=str)
def test_holds_several_at_once(cluster, tasks, filters):
    assert seen(cluster, filters, limit=500) == expected(tasks, filters)


@pytest.mark.parametrize("others", [{}, {"type": "shell"}, {"tag": "common"}], ids=str)
def test_kinds_of_states_come_one_after_the_other(cluster, tasks, others):
    kinds = [[WAITING[0]], [WAITING[1]], OPEN, ["succeeded", *ENDS[1:]]]
    wanted = [identity for kind in kinds
              for identity in expected(tasks, {"state": ",".join(kind), **others})]
    filters = {"state": ",".join(sum(kinds, [])), **others}
    assert seen(cluster, filters, limit=500) == wanted


def test_small_pages_lead_to_the_same(cluster, tasks):
    for filters in ({"tag": "scarce"}, {"state": "running", "queue": "q1"}, {"queue": "rare"},
                    {"state": "scheduled", "queue": "rare"}):
        assert seen(cluster, filters, limit=2) == expected(tasks, filters), filters


def test_lanes_of_unlike_length_keep_the_order(cluster, tasks):
    """One lane holds what is due last: its share of a page ends long before the page does."""
    filters = {"state": "scheduled"}
    assert seen(cluster, filters, limit=50) == expected(tasks, filters)


def test_an_item_is_the_task(cluster):
    item = cluster.front.get(link({"state": "running"}, limit=1)).json()["items"][0]
    task = cluster.task(item["id"])
    assert item["state"] == "running" and item["executor"]["name"].startswith("executor-")
    assert {name: value for name, value in task.items() if name in item} == item
    assert set(task) - set(item) <= {"payload", "shell", "http", "kafka"}


def test_the_link_is_what_the_cursor_says(cluster):
    answer = cluster.front.get(link({"tag": "common", "state": "succeeded"}, limit=3))
    target = answer.headers["Link"]
    assert target.startswith("</api/v1/tasks?") and target.endswith('>; rel="next"')
    following = cluster.front.get(target[1:target.index(">")]).json()["items"]
    both = cluster.front.get(link({"tag": "common", "state": "succeeded"}, limit=6)).json()["items"]
    assert answer.json()["items"] + following == both


@pytest.mark.parametrize("query, slug, parameter", [
    ("state=nonsense", "invalid-parameter", "state"), ("state=", "invalid-parameter", "state"),
    ("state=paused", "invalid-parameter", "state"), ("type=teleport", "invalid-parameter", "type"),
    ("queue=No%20Such", "invalid-parameter", "queue"), ("tag=", "invalid-parameter", "tag"),
    ("limit=0", "invalid-parameter", "limit"), ("limit=501", "invalid-parameter", "limit"),
    ("due_before=tomorrow", "invalid-parameter", "due_before"),
    ("wrong=1", "invalid-parameter", "wrong"), ("tag=a&tag=b", "invalid-parameter", "tag"),
    ("cursor=nonsense", "invalid-cursor", "cursor"), ("cursor=", "invalid-cursor", "cursor"),
])
def test_refusals_name_the_parameter(cluster, query, slug, parameter):
    answer = cluster.front.get("/api/v1/tasks?" + query)
    assert answer.status == 400
    assert answer.json()["type"].endswith(slug)
    assert answer.json()["parameter"] == parameter


def test_a_cursor_belongs_to_its_filters(cluster):
    cursor = cluster.front.get(link({"type": "log"}, limit=1)).json()["next_cursor"]
    assert cluster.front.get(link({"type": "log"}, limit=9, cursor=cursor)).status == 200
    for filters in ({}, {"type": "http"}, {"type": "log", "state": "failed"}):
        answer = cluster.front.get(link(filters, cursor=cursor))
        assert answer.status == 400 and answer.json()["type"].endswith("invalid-cursor")


def test_nodes_and_the_cluster_without_a_master(cluster):
    nodes = cluster.front.get("/api/v1/nodes").json()["items"]
    executors = [node for node in nodes if node["role"] == "executor"]
    assert len(executors) == 4 and not any(node["master"] for node in nodes)
    assert all(node["credits"] == 100 for node in executors)
    dead = next(node for node in nodes if node["role"] == "consumer")
    assert dead["dead_at"] and not dead["alive"]
    view = cluster.front.get("/api/v1/cluster").json()
    assert view["master"] is None
    assert view["terms"][0]["ended_at"] and view["terms"][0]["node"].startswith("consumer-")
    assert set(view["nodes"]) == {"consumers", "executors"}
    for path in ("/api/v1/nodes?a=b", "/api/v1/cluster?a=b"):
        assert cluster.front.get(path).status == 400
