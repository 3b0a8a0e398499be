-- A step of a list of tasks that ended without success, by the index of `task_end` that $1 names.
-- Otherwise as list_task.sql.
-- $1 the index: due, type, queue, created; $2 states; $3 type, $4 queue, $5 tag or null;
-- $6 $7 run_at from and before; $8 $9 created_at from and before; $10 $11 from behind there;
-- $12 how many are looked at.
WITH walked AS MATERIALIZED (
    SELECT c.at, c.task_id, c.type, c.queue, c.run_at, c.created_at
    FROM unnest($2::text[]) AS k(state)
    CROSS JOIN LATERAL (
        (SELECT e.run_at AS at, e.* FROM task_end e
         WHERE $1::text = 'due' AND e.state = k.state::end_state
           AND (e.run_at, e.task_id) < ($10::timestamptz, $11::uuid)
           AND e.run_at >= $6::timestamptz
         ORDER BY e.run_at DESC, e.task_id DESC LIMIT $12::int)
        UNION ALL
        (SELECT e.run_at, e.* FROM task_end e
         WHERE $1::text = 'type' AND e.state = k.state::end_state AND e.type = $3::text
           AND (e.run_at, e.task_id) < ($10::timestamptz, $11::uuid)
           AND e.run_at >= $6::timestamptz
         ORDER BY e.run_at DESC, e.task_id DESC LIMIT $12::int)
        UNION ALL
        (SELECT e.run_at, e.* FROM task_end e
         WHERE $1::text = 'queue' AND e.state = k.state::end_state AND e.queue = $4::text
           AND (e.run_at, e.task_id) < ($10::timestamptz, $11::uuid)
           AND e.run_at >= $6::timestamptz
         ORDER BY e.run_at DESC, e.task_id DESC LIMIT $12::int)
        UNION ALL
        (SELECT e.created_at, e.* FROM task_end e
         WHERE $1::text = 'created' AND e.state = k.state::end_state
           AND (e.created_at, e.task_id) < ($10::timestamptz, $11::uuid)
           AND e.created_at >= $8::timestamptz
         ORDER BY e.created_at DESC, e.task_id DESC LIMIT $12::int)
    ) AS c
    ORDER BY c.at DESC, c.task_id DESC LIMIT $12::int
)
SELECT w.at, w.task_id,
       ($3::text IS NULL OR w.type = $3::text)
       AND ($4::text IS NULL OR w.queue = $4::text)
       AND w.run_at >= $6::timestamptz AND w.run_at < $7::timestamptz
       AND w.created_at >= $8::timestamptz AND w.created_at < $9::timestamptz
       AND ($5::text IS NULL OR coalesce((
           SELECT true FROM task_tag g
           WHERE g.tag = $5::text AND g.run_at = w.run_at AND g.task_id = w.task_id LIMIT 1
       ), false)) AS fits
FROM walked w
ORDER BY w.at DESC, w.task_id DESC;
