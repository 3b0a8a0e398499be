-- A step of a list of tasks that are with an executor: the inboxes are walked side by side from the
-- last number handed over, down to where each executor has reported everything. A last row without a
-- task says how far the walk came where it was cut. Otherwise as list_task.sql.
-- $1 states; $2 type, $3 queue, $4 tag or null; $5 $6 run_at from and before; $7 $8 created_at from
-- and before; $9 below this inbox number; $10 how many open ones are looked at; $11 how many attempts.
WITH inbox AS MATERIALIZED (
    SELECT s.executor, s.low, greatest(100, $11::int / count(*) OVER ()) AS share
    FROM executor_state s
), walked AS MATERIALIZED (
    SELECT w.*, i.share
    FROM inbox i
    CROSS JOIN LATERAL (
        SELECT w.*, row_number() OVER () AS n
        FROM (SELECT a.inbox, a.task_id, a.outcome, a.started_at FROM attempt a
              WHERE a.executor = i.executor AND a.inbox >= i.low AND a.inbox < $9::bigint
              ORDER BY a.inbox DESC LIMIT i.share) AS w
    ) AS w
), reach AS MATERIALIZED (
    SELECT max(inbox) AS inbox FROM walked WHERE n = share
), looked AS MATERIALIZED (
    SELECT w.* FROM walked w
    WHERE w.outcome IS NULL AND w.inbox >= coalesce((SELECT inbox FROM reach), 0)
    ORDER BY w.inbox DESC LIMIT $10::int
)
SELECT l.inbox, l.task_id,
       CASE WHEN l.started_at IS NULL THEN 'assigned' ELSE 'running' END = ANY ($1::text[])
       AND coalesce((
           SELECT ($2::text IS NULL OR t.type = $2::text)
                  AND ($3::text IS NULL OR t.queue = $3::text)
                  AND ($4::text IS NULL OR t.tags ? $4::text)
                  AND t.run_at >= $5::timestamptz AND t.run_at < $6::timestamptz
                  AND t.created_at >= $7::timestamptz AND t.created_at < $8::timestamptz
           FROM task t WHERE t.id = l.task_id LIMIT 1
       ), false) AS fits
FROM (SELECT inbox, task_id, started_at FROM looked
      UNION ALL
      SELECT r.inbox, NULL, NULL FROM reach r
      WHERE r.inbox IS NOT NULL AND (SELECT count(*) FROM looked) < $10::int) AS l
ORDER BY l.inbox DESC;
