"""Lists against a million tasks: whatever is filtered by, a page of 50 touches under 2,000 buffers.

The pages are asked of a real producer, and PostgreSQL itself logs what each of its statements
touched: with statistics that are fresh, those of empty tables, and none.
"""

import json
import os
import re

import pytest

from cluster import wait_until
from lists import all_filters, fill, instant, link

ROWS = int(os.environ.get("ROTA_LIST_ROWS", "1000000"))
MOST = 2000
PAGES = 3
TABLES = ("task", "due", "attempt", "task_end", "task_tag")
STATEMENTS = ("walked", "WITH ORDINALITY AS w(id, place)")  # in the texts of list_*, tasks_read

EXPLAIN = {"log_min_duration": "0", "log_analyze": "on", "log_buffers": "on", "log_timing": "off",
           "log_format": "json"}


def several_at_once():
    """Lists of several states, and of none."""
    both = [{}, {"type": "http"}, {"tag": "scarce"}, {"queue": "rare"},
            {"created_after": instant(-15)}]
    return [{"state": states, **other} for other in both for states in
            ("scheduled,retrying", "assigned,running", "failed,cancelled,expired,skipped",
             "scheduled,running,failed", "assigned,succeeded,skipped")]


class Journal:
    """What the server says about the statements that end from now on."""

    def __init__(self, path):
        self.path, self.at = path, path.stat().st_size

    def plans(self):
        """The plans logged since the last call; whole lines only."""
        with open(self.path, "rb") as file:
            file.seek(self.at)
            text = file.read().decode("utf-8", "replace")
        found = [json.loads(match[1]) for match in
                 re.finditer(r"^[^\t\n]*duration: [\d.]+ ms  plan:\n((?:\t.*\n)+)", text, re.M)]
        return found, len(text.encode())

    def take(self, statements):
        """The buffers of that many statements of lists, as soon as all are logged."""
        def logged():
            found, size = self.plans()
            found = [plan for plan in found
                     if any(word in plan["Query Text"] for word in STATEMENTS)]
            return (found, size) if len(found) >= statements else None
        found, size = wait_until(logged, 10, "the plans are logged")
        self.at += size
        return found


def touched(plan):
    return plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]


@pytest.fixture(scope="module")
def million(cluster):
    fill(cluster, ROWS)
    for name, value in {"session_preload_libraries": "auto_explain",
                        **{f"auto_explain.{key}": value for key, value in EXPLAIN.items()}}.items():
        cluster.maintain(f'ALTER DATABASE "{cluster.name}" SET {name} = \'{value}\'')
    return cluster


def set_statistics(cluster, kind):
    """The producer's connection is opened anew: no plan is left."""
    names = ", ".join(TABLES)
    oids = ", ".join(f"'{name}'::regclass" for name in TABLES)
    if kind == "fresh":
        cluster.sql(f"ANALYZE {names}")
    elif kind == "empty":
        cluster.sql(f"DELETE FROM pg_statistic WHERE starelid IN ({oids})")
        cluster.sql(f"UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE oid IN ({oids}) OR oid IN"
                    f" (SELECT indexrelid FROM pg_index WHERE indrelid IN ({oids}))")
    cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()")
    wait_until(lambda: cluster.front.get(link({}, limit=1)).status == 200
               and len(cluster.sql("SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                                   " AND application_name LIKE 'rota producer%'")) == 1,
               20, "the producer is connected again")


@pytest.mark.parametrize("statistics", ["stale", "empty", "fresh"])
def test_a_page_is_cheap(million, statistics, capsys):
    set_statistics(million, statistics)
    journal = Journal(million.servers.postgres.folder / "server.out")
    worst = []
    for filters in all_filters() + several_at_once():
        cursor, count = None, 0
        while count == 0 or (cursor and count < PAGES):
            answer = million.front.get(link(filters, **({"cursor": cursor} if cursor else {})))
            assert answer.status == 200, (filters, answer)
            page = answer.json()
            cursor, count = page["next_cursor"], count + 1
            plans = journal.take(1 + bool(page["items"]))
            buffers = sum(map(touched, plans))
            worst.append((buffers, len(page["items"]), filters))
            assert buffers < MOST, (filters, statistics, [(touched(plan), plan) for plan in plans])
    worst.sort(key=lambda page: -page[0])
    with capsys.disabled():
        print(f" [{statistics}: {len(worst)} pages, at most {worst[0][0]} buffers,"
              f" half of them below {worst[len(worst) // 2][0]}: {worst[0][1:]}]", end="")
