-- A step of a list of tasks that wait for another attempt, the latest instant first. Otherwise as
-- list_task.sql.
-- $1 queue, $2 type, $3 tag or null; $4 from that instant on; $5 $6 created_at from and before;
-- $7 $8 from behind there; $9 how many are looked at.
WITH walked AS MATERIALIZED (
    SELECT d.run_at, d.task_id, d.queue FROM due d
    WHERE d.spent > 0 AND (d.run_at, d.task_id) < ($7::timestamptz, $8::uuid)
      AND d.run_at >= $4::timestamptz
    ORDER BY d.run_at DESC, d.task_id DESC LIMIT $9::int
)
SELECT w.run_at, w.task_id,
       ($1::text IS NULL OR w.queue = $1::text)
       AND coalesce((
           SELECT ($2::text IS NULL OR t.type = $2::text)
                  AND ($3::text IS NULL OR t.tags ? $3::text)
                  AND t.created_at >= $5::timestamptz AND t.created_at < $6::timestamptz
           FROM task t WHERE t.id = w.task_id LIMIT 1
       ), false) AS fits
FROM walked w
ORDER BY w.run_at DESC, w.task_id DESC;
