-- The tasks of one page as they are now, without payload and work. $1 ids, in their order.
SELECT t.id, t.type, t.name, t.queue, t.priority, t.run_at, t.created_at, t.stored_at, t.on_lost,
       t.timeout_ms, NULL::text AS payload, NULL::text AS work, t.tags::text,
       s.state, s.reason, s.ended_at, s.next_attempt_at, s.token, s.executor, s.inbox,
       s.assigned_at, s.started_at, s.finished_at, s.cancel_at, s.outcome::text, s.exit_code,
       s.error, n.name AS executor_name,
       t.start_deadline_ms, c.name AS schedule, t.fire_at, t.retry::text, s.attempt_spent
FROM unnest($1::uuid[]) WITH ORDINALITY AS w(id, place)
CROSS JOIN LATERAL (SELECT * FROM task t WHERE t.id = w.id LIMIT 1) AS t
CROSS JOIN LATERAL (SELECT * FROM task_state s WHERE s.task_id = w.id LIMIT 1) AS s
LEFT JOIN LATERAL (SELECT n.name FROM node n WHERE n.id = s.executor LIMIT 1) AS n ON true
LEFT JOIN LATERAL (SELECT c.name FROM schedule c WHERE c.id = t.schedule_id LIMIT 1) AS c ON true
ORDER BY w.place;
