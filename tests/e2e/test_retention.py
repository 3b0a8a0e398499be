"""Ended tasks leave after ROTA_RETENTION, with all that belongs to them; nothing else does."""

from cluster import wait_until

GONE = "00000000-0000-4000-8000-0000000000d1"  # an executor that is long dead
# Each kind of task, and whether it must leave: what it was, in rows.
FILL = """
INSERT INTO node (id, role, name, version, pid, started_at, heartbeat_at, dead_at, dead_reason)
    VALUES ('{gone}', 'executor', 'gone', 'x', 1, now() - interval '9 d', now() - interval '3 d',
            now() - interval '3 d', 'stopped');
INSERT INTO task (id, type, name, queue, priority, run_at, created_at, stored_at, on_lost, size, tags)
    SELECT gen_random_uuid(), 'log', kind, 'default', 0, at, at, at, 'retry', 0, '["a", "b"]'
    FROM (VALUES ('old.succeeded', now() - interval '3 d'), ('old.retried', now() - interval '3 d'),
                 ('old.failed', now() - interval '3 d'), ('old.cancelled', now() - interval '3 d'),
                 ('new.succeeded', now() - interval '1 h'), ('new.failed', now() - interval '1 h'),
                 ('late.succeeded', now() - interval '3 d'), ('waiting', now() + interval '3 d')
         ) AS k(kind, at), generate_series(1, 300);
INSERT INTO task_tag SELECT tag, run_at, id FROM task, jsonb_array_elements_text(tags) AS tag;
INSERT INTO due SELECT id, queue, priority, run_at, 0, 0 FROM task WHERE name = 'waiting';
-- The first attempt of a retried task was lost; a late one was assigned long ago and ended just now.
INSERT INTO attempt (task_id, token, executor, inbox, assigned_at, started_at, finished_at, outcome)
    SELECT id, token, '{gone}', (1::bigint << 32) + row_number() OVER (ORDER BY run_at, id, token), run_at,
           run_at, CASE WHEN name LIKE 'late%' THEN now() ELSE run_at END,
           CASE WHEN name = 'old.retried' AND token = 1 THEN 'lost'
                WHEN name LIKE '%failed' THEN 'failed' ELSE 'succeeded' END::attempt_outcome
    FROM task, generate_series(1, 2) AS token
    WHERE name NOT IN ('waiting', 'old.cancelled') AND (token = 1 OR name = 'old.retried');
INSERT INTO task_end
    SELECT id, substring(name FROM '[a-z]+$')::end_state, 'as said', run_at, type, queue, run_at, created_at
    FROM task WHERE name LIKE '%failed' OR name LIKE '%cancelled';
"""


def names(cluster):
    return dict(cluster.sql("SELECT name, count(*) FROM task GROUP BY 1"))


def test_old_ends_leave_and_nothing_else(new_cluster):
    cluster = new_cluster(retention="1d")
    cluster.consumer().wait_ready()
    wait_until(cluster.master, 20, "one is master")
    cluster.sql(FILL.format(gone=GONE))
    assert cluster.broken_invariants() == []
    kept = {"new.succeeded": 300, "new.failed": 300, "late.succeeded": 300, "waiting": 300}
    wait_until(lambda: names(cluster) == kept, 90, "what is old has left", every=0.5)
    assert cluster.broken_invariants() == []
    for table in ("attempt", "task_end", "task_tag", "due"):
        assert cluster.value(f"SELECT count(*) FROM {table} x"
                             " WHERE NOT EXISTS (SELECT FROM task t WHERE t.id = x.task_id)") == 0
    assert cluster.value("SELECT count(*) FROM task_tag") == 2 * 1200
    assert cluster.value("SELECT count(*) FROM node WHERE id = %s", GONE) == 1, "still named"
