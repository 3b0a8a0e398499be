-- The nodes that live, and those that died within the hour: the living first, the youngest first.
-- $1: how young a heartbeat shows that a node lives, in ms.
SELECT n.id, n.name, n.role::text, n.version, n.pid, n.queues, n.types, n.slots, n.started_at,
       n.heartbeat_at,
       n.dead_at IS NULL AND n.heartbeat_at > clock_timestamp() - $1::bigint * interval '1 ms'
           AS alive,
       n.dead_at, n.dead_reason,
       coalesce(m.owner = n.id AND m.expires_at > clock_timestamp(), false) AS master,
       s.credits, s.read_upto, s.low
FROM node n
LEFT JOIN LATERAL (SELECT * FROM executor_state s WHERE s.executor = n.id LIMIT 1) AS s ON true
CROSS JOIN LATERAL (SELECT * FROM master LIMIT 1) AS m
WHERE n.dead_at IS NULL OR n.dead_at > clock_timestamp() - interval '1 hour'
ORDER BY n.dead_at IS NOT NULL, n.started_at DESC, n.id
LIMIT 1000;
