-- The ledger of a schedule, latest first: $2 before this instant, $3 not before this one, $4 how
-- many, $5 true: with the spec by which a row was decided that stands for several fires. $1 name. A first row alone without fire_at: the schedule is there and has none.
SELECT s.id, f.fire_at, f.last_at, f.count, f.reason::text, f.task_id, f.missed, f.version,
       f.decided_at, t.state,
       CASE WHEN $5::boolean AND f.count > 1 THEN (
           SELECT p.spec::text FROM schedule_spec p
           WHERE p.schedule_id = f.schedule_id AND p.version <= f.version
           ORDER BY p.version DESC LIMIT 1) END AS spec
FROM (
    SELECT s.id FROM schedule s WHERE s.name = $1::text AND s.deleted_at IS NULL LIMIT 1
) AS s
LEFT JOIN LATERAL (
    SELECT f.* FROM fire f
    WHERE f.schedule_id = s.id AND f.fire_at < $2::timestamptz AND f.last_at >= $3::timestamptz
      AND f.fire_at >= coalesce((SELECT max(l.fire_at) FROM fire l
                                 WHERE l.schedule_id = s.id AND l.fire_at <= $3::timestamptz),
                                $3::timestamptz)
    ORDER BY f.fire_at DESC LIMIT $4::int
) AS f ON true
LEFT JOIN LATERAL (
    SELECT x.state FROM task_state x WHERE x.task_id = f.task_id LIMIT 1
) AS t ON true
ORDER BY f.fire_at DESC;
