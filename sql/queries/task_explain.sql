-- What decides whether and when a task runs, in one snapshot.
-- $1 task; $2 $3 $4 topic, partition and offset of the record that asked for it, or null; $5 how young
-- a heartbeat must be, in ms; $6 up to how many tasks before it are counted.
SELECT i.now, t.id, t.queue, t.run_at, (t.retry ->> 'max_attempts')::int AS max_attempts,
       s.state, s.reason, s.ended_at, d.run_at AS next_at, d.start_by, d.spent AS waiting_spent,
       s.token, s.attempt_spent, n.name AS executor, n.dead_at IS NOT NULL AS executor_dead,
       i.now - n.heartbeat_at > $5::bigint * interval '1 ms' AS executor_silent, n.heartbeat_at,
       s.assigned_at, s.started_at, s.finished_at, s.cancel_at, s.outcome::text, s.error,
       q.paused_at, q.pause_reason, q.concurrency,
       CASE WHEN q.concurrency IS NOT NULL
            THEN (SELECT count(*) FROM permit p WHERE p.queue = t.queue) END AS running,
       q.rate,
       least(q.burst, q.tokens + q.rate * extract(epoch FROM i.now - q.filled_at)::float8) AS tokens,
       e.executors, e.credits, m.held AS master, c.name AS schedule, t.fire_at,
       CASE WHEN d.run_at <= i.now THEN
            (SELECT count(*)
             FROM (SELECT FROM due b
                   WHERE b.queue = d.queue AND b.priority = d.priority
                     AND (b.run_at, b.task_id) < (d.run_at, d.task_id)
                   LIMIT $6::int) AS b) END AS ahead,
       r.code, r.detail, $4::bigint - coalesce(o.next, 0) + 1 AS behind
FROM (SELECT $1::uuid AS id) AS w
CROSS JOIN (SELECT clock_timestamp() AS now) AS i
LEFT JOIN LATERAL (SELECT * FROM task t WHERE t.id = w.id LIMIT 1) AS t ON true
LEFT JOIN LATERAL (SELECT * FROM task_state s WHERE s.task_id = w.id LIMIT 1) AS s ON true
LEFT JOIN LATERAL (SELECT * FROM due d WHERE d.task_id = w.id LIMIT 1) AS d ON true
LEFT JOIN LATERAL (SELECT * FROM node n WHERE n.id = s.executor LIMIT 1) AS n ON true
LEFT JOIN LATERAL (SELECT * FROM queue q WHERE q.name = t.queue LIMIT 1) AS q ON true
LEFT JOIN LATERAL (SELECT c.name FROM schedule c WHERE c.id = t.schedule_id LIMIT 1) AS c ON true
CROSS JOIN LATERAL (
    SELECT count(*) AS executors, coalesce(sum(x.credits), 0) AS credits
    FROM node v
    CROSS JOIN LATERAL (SELECT * FROM executor_state x WHERE x.executor = v.id LIMIT 1) AS x
    WHERE v.role = 'executor' AND v.dead_at IS NULL
      AND v.heartbeat_at > i.now - $5::bigint * interval '1 ms' AND t.queue = ANY (x.queues)
) AS e
CROSS JOIN (SELECT coalesce(bool_or(owner IS NOT NULL AND expires_at > clock_timestamp()), false) AS held
            FROM master) AS m
LEFT JOIN LATERAL (
    SELECT r.code, r.detail FROM rejected r WHERE r.task_id = w.id ORDER BY r.at DESC LIMIT 1
) AS r ON true
LEFT JOIN LATERAL (
    SELECT o.next FROM ingest_offset o
    WHERE o.topic = $2::text AND o.partition = $3::int LIMIT 1
) AS o ON true;
