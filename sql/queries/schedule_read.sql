-- One schedule by its name, what became of the record that changed it, and whether that record is
-- applied yet: one snapshot. $1 name; $2 $3 $4 topic, partition and offset of the record, or null.
SELECT s.name, s.id, s.version, s.status::text, s.created_at, s.updated_at, v.definition::text,
       s.runs, s.streak, s.pause_reason, s.paused_at, s.paused_until,
       s.decided_at, cardinality(s.kept) AS kept, s.last_run, t.state AS last_state, t.fire_at AS last_fire_at,
       r.code, r.detail, $4::bigint - coalesce(o.next, 0) + 1 AS behind, clock_timestamp() AS now
FROM (SELECT $1::text AS name) AS w
LEFT JOIN LATERAL (
    SELECT s.* FROM schedule s WHERE s.name = w.name AND s.deleted_at IS NULL LIMIT 1
) AS s ON true
LEFT JOIN LATERAL (
    SELECT v.definition FROM schedule_version v
    WHERE v.schedule_id = s.id AND v.version = s.version LIMIT 1
) AS v ON true
LEFT JOIN LATERAL (
    SELECT x.state, t.fire_at FROM task_state x JOIN task t ON t.id = x.task_id
    WHERE x.task_id = s.last_run LIMIT 1
) AS t ON true
LEFT JOIN LATERAL (
    SELECT r.code, r.detail FROM rejected r
    WHERE r.topic = $2::text AND r.partition = $3::int AND r.position = $4::bigint LIMIT 1
) AS r ON true
LEFT JOIN LATERAL (
    SELECT o.next FROM ingest_offset o
    WHERE o.topic = $2::text AND o.partition = $3::int LIMIT 1
) AS o ON true;
