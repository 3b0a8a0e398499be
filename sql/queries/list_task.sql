-- A step of a list that walks `task` in the order of one index and looks at no more than $13 tasks:
-- newest first, from behind ($11, $12). Each comes with whether it fits the other filters; the
-- caller goes on behind the last one. A branch that $1 does not name costs nothing. The place to
-- begin must not lie above the upper bound of what the index is ordered by: of the two the index
-- would take the wrong one to begin at.
-- $1 the index: type, queue, tag, created; $2 types to walk; $3 type, $4 queue, $5 tag or null;
-- $6 $7 run_at from and before; $8 $9 created_at from and before; $10 states or null.
WITH walked AS MATERIALIZED (
    SELECT c.*
    FROM (
        (SELECT c.*
         FROM unnest($2::text[]) AS k(type)
         CROSS JOIN LATERAL (
             SELECT t.run_at AS at, t.id, t.type, t.queue, t.run_at, t.created_at, t.tags
             FROM task t
             WHERE t.type = k.type AND (t.run_at, t.id) < ($11::timestamptz, $12::uuid)
               AND t.run_at >= $6::timestamptz
             ORDER BY t.run_at DESC, t.id DESC LIMIT $13::int
         ) AS c
         WHERE $1::text = 'type')
        UNION ALL
        (SELECT t.run_at, t.id, t.type, t.queue, t.run_at, t.created_at, t.tags
         FROM task t
         WHERE $1::text = 'queue' AND t.queue = $4::text
           AND (t.run_at, t.id) < ($11::timestamptz, $12::uuid)
           AND t.run_at >= $6::timestamptz
         ORDER BY t.run_at DESC, t.id DESC LIMIT $13::int)
        UNION ALL
        (SELECT g.run_at, t.id, t.type, t.queue, t.run_at, t.created_at, t.tags
         FROM (SELECT g.run_at, g.task_id FROM task_tag g
               WHERE $1::text = 'tag' AND g.tag = $5::text
                 AND (g.run_at, g.task_id) < ($11::timestamptz, $12::uuid)
                 AND g.run_at >= $6::timestamptz
               ORDER BY g.run_at DESC, g.task_id DESC LIMIT $13::int) AS g
         CROSS JOIN LATERAL (SELECT * FROM task t WHERE t.id = g.task_id LIMIT 1) AS t)
        UNION ALL
        (SELECT t.created_at, t.id, t.type, t.queue, t.run_at, t.created_at, t.tags
         FROM task t
         WHERE $1::text = 'created' AND (t.created_at, t.id) < ($11::timestamptz, $12::uuid)
           AND t.created_at >= $8::timestamptz
         ORDER BY t.created_at DESC, t.id DESC LIMIT $13::int)
    ) AS c
    ORDER BY c.at DESC, c.id DESC LIMIT $13::int
)
SELECT w.at, w.id,
       ($3::text IS NULL OR w.type = $3::text)
       AND ($4::text IS NULL OR w.queue = $4::text)
       AND ($5::text IS NULL OR coalesce(w.tags ? $5::text, false))
       AND w.run_at >= $6::timestamptz AND w.run_at < $7::timestamptz
       AND w.created_at >= $8::timestamptz AND w.created_at < $9::timestamptz
       AND ($10::text[] IS NULL
            OR ($10::text[] && '{succeeded,assigned,running}' AND coalesce((
                SELECT CASE WHEN a.outcome = 'succeeded' THEN 'succeeded'
                            WHEN a.outcome IS NOT NULL THEN ''
                            WHEN a.started_at IS NULL THEN 'assigned' ELSE 'running' END
                FROM attempt a WHERE a.task_id = w.id ORDER BY a.token DESC LIMIT 1
            ) = ANY ($10::text[]), false))
            OR ($10::text[] && '{scheduled,retrying}' AND coalesce((
                SELECT CASE WHEN d.spent > 0 THEN 'retrying' ELSE 'scheduled' END
                FROM due d WHERE d.task_id = w.id LIMIT 1
            ) = ANY ($10::text[]), false))
            OR ($10::text[] && '{failed,cancelled,expired,skipped}' AND coalesce((
                SELECT e.state::text FROM task_end e WHERE e.task_id = w.id LIMIT 1
            ) = ANY ($10::text[]), false))) AS fits
FROM walked w
ORDER BY w.at DESC, w.id DESC;
