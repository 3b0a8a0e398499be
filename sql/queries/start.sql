-- Writes that attempts have started. For `on_lost: fail` the executor waits for this answer, since
-- such a task may not start twice: an attempt that is not named in it must not start.
-- Settles: the master that took the attempt away (outcome no longer null), a cancel request.
-- $1 executor, $2 task_id, $3 token, $4 inbox, $5 started_at.
WITH report AS MATERIALIZED (
    SELECT * FROM unnest($2::uuid[], $3::int[], $4::bigint[], $5::timestamptz[])
        AS r(task_id, token, inbox, started_at)
), found AS MATERIALIZED (
    SELECT r.*, a.place
    FROM report r
    CROSS JOIN LATERAL (
        SELECT a.ctid AS place FROM attempt a
        WHERE a.task_id = r.task_id AND a.token = r.token LIMIT 1
    ) AS a
), begun AS (
    UPDATE attempt a SET started_at = greatest(f.started_at, a.assigned_at)
    FROM found f
    WHERE a.ctid = f.place AND a.executor = $1::uuid AND a.inbox = f.inbox
      AND a.outcome IS NULL AND a.started_at IS NULL AND a.cancel_at IS NULL
    RETURNING a.inbox
)
SELECT ARRAY(SELECT inbox FROM begun) AS begun;
