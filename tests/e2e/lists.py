"""Tasks to list, all filters there are, and lists as their callers walk them."""

import datetime
import pathlib
import subprocess
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
TYPES = ["log", "shell", "http", "kafka"]
WAITING, OPEN = ["scheduled", "retrying"], ["assigned", "running"]  # waiting: one kind each
ENDS = ["failed", "cancelled", "expired", "skipped"]
STATES = [*WAITING, *OPEN, "succeeded", *ENDS]


def fill(cluster, rows):
    """A database as list_rows.sql says, a producer that reads it, and nothing that changes it."""
    maker = cluster.consumer().wait_ready()
    assert maker.stop() == 0
    for table in ("task", "due", "attempt", "task_end", "task_tag"):
        cluster.sql(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    # Statistics of empty tables: the stale ones.
    cluster.sql("ANALYZE")
    subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", f"rows={rows}",
                    "-d", cluster.database_url, "-f", HERE / "list_rows.sql"],
                   check=True, capture_output=True, timeout=120)
    cluster.producer().wait_ready()


def instant(days):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def single_filters():
    """Values that select much, little and nothing."""
    middle, late = instant(-15), instant(2)
    return [
        *({"type": name} for name in TYPES),
        {"queue": "q1"}, {"queue": "rare"}, {"queue": "none"},
        {"tag": "common"}, {"tag": "scarce"}, {"tag": "none"},
        {"due_after": middle}, {"due_before": middle}, {"due_after": late}, {"due_before": late},
        {"created_after": middle}, {"created_before": middle},
        {"created_after": middle, "created_before": late},
    ]


def all_filters():
    """Nothing, every single filter, and every state with one other."""
    return [{**({"state": state} if state else {}), **other}
            for state in [None, *STATES] for other in [{}, *single_filters()]]


def link(filters, **others):
    return "/api/v1/tasks?" + urllib.parse.urlencode({**filters, **others})


def pages(cluster, filters, **others):
    """The pages of a list, as its next_cursor leads through them."""
    cursor, more = None, True
    while more:
        answer = cluster.front.get(link(filters, **others, **({"cursor": cursor} if cursor else {})))
        assert answer.status == 200, (filters, answer)
        page = answer.json()
        cursor = page["next_cursor"]
        assert (cursor is not None) == ('rel="next"' in (answer.headers["Link"] or ""))
        more = cursor is not None
        yield page["items"]
