-- The reference of the drain: what an executor reads of its batch, payload included.
-- $1 executor, $2 the inbox number before the first, $3 the last one.
SELECT a.inbox, a.task_id, a.token, t.type, t.payload::text
FROM attempt a
CROSS JOIN LATERAL (SELECT * FROM task t WHERE t.id = a.task_id LIMIT 1) AS t
WHERE a.executor = $1::uuid AND a.inbox > $2::bigint AND a.inbox <= $3::bigint
  AND a.outcome IS NULL
ORDER BY a.inbox
