-- A step of a list of waiting tasks: the lanes (queue and priority) are walked side by side, each
-- for a share of the step. What lies beyond the point where a lane's share ended is left for the next
-- step, so that the order holds across the lanes. Otherwise as list_task.sql.
-- $1 states; $2 queue, $3 type, $4 tag or null; $5 run_at from; $6 $7 created_at from and before;
-- $8 $9 from behind there; $10 how many are looked at; $11 whether `task` is to be asked.
WITH RECURSIVE found (queue, priority) AS (
    (SELECT d.queue, d.priority FROM due d
     WHERE (d.queue, d.priority) >= (coalesce($2::text, ''), (-32768)::smallint)
       AND d.queue <= coalesce($2::text, chr(1114111))
     ORDER BY d.queue, d.priority LIMIT 1)
    UNION ALL
    SELECT n.queue, n.priority
    FROM found l
    CROSS JOIN LATERAL (
        SELECT d.queue, d.priority FROM due d
        WHERE (d.queue, d.priority) > (l.queue, l.priority)
          AND d.queue <= coalesce($2::text, chr(1114111))
        ORDER BY d.queue, d.priority LIMIT 1
    ) AS n
), lane AS MATERIALIZED (
    SELECT queue, priority,
           least($10::int, greatest(4, 3 * $10::int / count(*) OVER ())) AS share
    FROM found
), walked AS MATERIALIZED (
    SELECT w.*, l.share
    FROM lane l
    CROSS JOIN LATERAL (
        SELECT w.*, row_number() OVER () AS n
        FROM (SELECT d.run_at, d.task_id, d.spent FROM due d
              WHERE d.queue = l.queue AND d.priority = l.priority
                AND (d.run_at, d.task_id) < ($8::timestamptz, $9::uuid)
                AND d.run_at >= $5::timestamptz
              ORDER BY d.queue DESC, d.priority DESC, d.run_at DESC, d.task_id DESC
              LIMIT l.share) AS w
    ) AS w
), reach AS MATERIALIZED (
    SELECT run_at, task_id FROM walked WHERE n = share
    ORDER BY run_at DESC, task_id DESC LIMIT 1
), looked AS MATERIALIZED (
    SELECT w.* FROM walked w
    WHERE (w.run_at, w.task_id) >= (coalesce((SELECT run_at FROM reach), '-infinity'),
                                    coalesce((SELECT task_id FROM reach), w.task_id))
    ORDER BY w.run_at DESC, w.task_id DESC LIMIT $10::int
)
SELECT l.run_at, l.task_id,
       CASE WHEN l.spent > 0 THEN 'retrying' ELSE 'scheduled' END = ANY ($1::text[])
       AND (NOT $11::boolean OR coalesce((
           SELECT ($3::text IS NULL OR t.type = $3::text)
                  AND ($4::text IS NULL OR t.tags ? $4::text)
                  AND t.created_at >= $6::timestamptz AND t.created_at < $7::timestamptz
           FROM task t WHERE t.id = l.task_id LIMIT 1
       ), false)) AS fits,
       EXISTS (SELECT FROM reach) AS more
FROM looked l
ORDER BY l.run_at DESC, l.task_id DESC;
