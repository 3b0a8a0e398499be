-- Nodes that are not marked dead, and dead executors whose attempts are not all settled yet.
-- $1: how young a heartbeat must be, in ms.
SELECT n.id, n.role::text, n.name, n.heartbeat_at,
       n.heartbeat_at > clock_timestamp() - $1::bigint * interval '1 ms' AS alive,
       n.dead_at IS NOT NULL AS dead,
       s.executor IS NOT NULL AS has_state,
       coalesce(s.queues, '{}') AS queues, coalesce(s.credits, 0) AS credits,
       coalesce(s.read_upto, 0) AS read_upto, coalesce(s.low, 0) AS low,
       clock_timestamp() AS now
FROM node n
LEFT JOIN LATERAL (SELECT * FROM executor_state s WHERE s.executor = n.id LIMIT 1) AS s ON true
WHERE n.dead_at IS NULL OR s.executor IS NOT NULL;
