-- Writes that attempts have started. For `on_lost: fail` the executor waits for this answer, since
-- such a task may not start twice: an attempt that is neither named in `begun` nor known to have
-- been begun by this executor's own earlier call must not start.
-- Settles: the master that took the attempt away (outcome no longer null), a cancel request, an
-- earlier call whose answer was lost. `verdicts` is how the attempts stood before: 0 not ours any
-- more, 1 to be cancelled, 2 started already, 3 open.
-- Attempts are found by key and updated by ctid. IS NOT DISTINCT FROM cannot use an index: with =
-- a plan made while the table was empty walks the inbox index once for each report.
-- $1 executor, $2 task_id, $3 token, $4 inbox, $5 started_at.
WITH report AS MATERIALIZED (
    SELECT * FROM unnest($2::uuid[], $3::int[], $4::bigint[], $5::timestamptz[])
        AS r(task_id, token, inbox, started_at)
), found AS MATERIALIZED (
    SELECT r.*, a.place,
           CASE WHEN a.executor IS DISTINCT FROM $1::uuid OR a.inbox IS DISTINCT FROM r.inbox
                  OR a.outcome IS NOT NULL THEN 0
                WHEN a.started_at IS NOT NULL THEN 2
                WHEN a.cancel_at IS NOT NULL THEN 1
                ELSE 3 END::int2 AS verdict
    FROM report r
    LEFT JOIN LATERAL (
        SELECT a.ctid AS place, a.executor, a.inbox, a.outcome, a.started_at, a.cancel_at
        FROM attempt a
        WHERE a.task_id = r.task_id AND a.token = r.token LIMIT 1
    ) AS a ON true
), begun AS (
    UPDATE attempt a SET started_at = greatest(f.started_at, a.assigned_at)
    FROM found f
    WHERE a.ctid = f.place AND a.executor IS NOT DISTINCT FROM $1::uuid
      AND a.inbox IS NOT DISTINCT FROM f.inbox
      AND a.outcome IS NULL AND a.started_at IS NULL AND a.cancel_at IS NULL
    RETURNING a.inbox
)
SELECT ARRAY(SELECT inbox FROM begun) AS begun,
       ARRAY(SELECT inbox FROM found) AS inboxes,
       ARRAY(SELECT verdict FROM found) AS verdicts;
