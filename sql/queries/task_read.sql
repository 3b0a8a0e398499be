-- One task, what became of the record that asked for it, and whether that record is stored yet: one
-- snapshot, so that an accepted task is never "not found" in between.
-- $1 task; $2 $3 $4 topic, partition and offset of the record, or null.
SELECT w.id, t.type, t.name, t.queue, t.priority, t.run_at, t.created_at, t.stored_at, t.on_lost,
       t.timeout_ms, t.payload::text, t.work::text, t.tags::text,
       s.state, s.reason, s.ended_at, s.next_attempt_at, s.token, s.executor, s.inbox,
       s.assigned_at, s.started_at, s.finished_at, s.cancel_at, s.outcome::text, s.exit_code,
       s.error, n.name AS executor_name,
       t.start_deadline_ms, c.name AS schedule, t.fire_at, t.retry::text, s.attempt_spent,
       r.code, r.detail, r.at AS rejected_at, r.topic, r.partition, r.position, r.here,
       $4::bigint - coalesce(o.next, 0) + 1 AS behind
FROM (SELECT $1::uuid AS id) AS w
LEFT JOIN LATERAL (SELECT * FROM task t WHERE t.id = w.id LIMIT 1) AS t ON true
LEFT JOIN LATERAL (SELECT * FROM task_state s WHERE s.task_id = w.id LIMIT 1) AS s ON true
LEFT JOIN LATERAL (SELECT n.name FROM node n WHERE n.id = s.executor LIMIT 1) AS n ON true
LEFT JOIN LATERAL (SELECT c.name FROM schedule c WHERE c.id = t.schedule_id LIMIT 1) AS c ON true
LEFT JOIN LATERAL (
    SELECT r.*, r.topic = $2::text AND r.partition = $3::int AND r.position = $4::bigint AS here
    FROM rejected r WHERE r.task_id = w.id
    ORDER BY (r.topic = $2::text AND r.partition = $3::int AND r.position = $4::bigint) IS TRUE DESC,
             r.at DESC
    LIMIT 1
) AS r ON true
LEFT JOIN LATERAL (
    SELECT o.next FROM ingest_offset o
    WHERE o.topic = $2::text AND o.partition = $3::int LIMIT 1
) AS o ON true;
