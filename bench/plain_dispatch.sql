-- The reference of the drain: the row changes of a dispatch, and nothing else. No lease, no locks of
-- executors, no credits; one executor takes the whole batch, the cursor stands behind the last one.
-- $1 $2 cursor, $3 executor, $4 inbox number before the first, $5 how many.
WITH picked AS MATERIALIZED (
    SELECT d.ctid AS place, d.task_id, d.token, d.run_at
    FROM due d
    WHERE d.queue = 'default' AND d.priority = 0::smallint
      AND d.run_at <= (SELECT clock_timestamp())
      AND (d.run_at, d.task_id) > ($1::timestamptz, $2::uuid)
    ORDER BY d.run_at, d.task_id
    LIMIT $5::int
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM due d USING (SELECT *, row_number() OVER ()::int AS n FROM picked) AS p
    WHERE d.ctid = p.place
    RETURNING p.n, p.task_id, p.token, p.run_at
), given AS (
    INSERT INTO attempt (task_id, token, executor, inbox, assigned_at)
    SELECT g.task_id, g.token + 1, $3::uuid, $4::bigint + g.n, (SELECT clock_timestamp())
    FROM gone g
)
SELECT n, run_at, task_id FROM gone ORDER BY n DESC LIMIT 1
