-- The lanes (queue and priority) in which tasks wait, each with its earliest instant: one step down
-- the index for each lane, however many rows wait. Also whether some are past their start_deadline.
WITH RECURSIVE lane AS (
    (SELECT d.queue, d.priority FROM due d ORDER BY d.queue, d.priority LIMIT 1)
    UNION ALL
    SELECT n.queue, n.priority
    FROM lane l
    CROSS JOIN LATERAL (
        SELECT d.queue, d.priority FROM due d
        WHERE (d.queue, d.priority) > (l.queue, l.priority)
        ORDER BY d.queue, d.priority LIMIT 1
    ) AS n
), past AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM due WHERE start_by <= (SELECT clock_timestamp())) AS late
)
SELECT l.queue, l.priority,
       (SELECT d.run_at FROM due d WHERE d.queue = l.queue AND d.priority = l.priority
        ORDER BY d.run_at, d.task_id LIMIT 1) AS first_run_at,
       clock_timestamp() AS now, (SELECT late FROM past) AS late
FROM lane l LIMIT 10000;
