-- Every node on record, the youngest first. $1: how young a heartbeat must be, in ms.
SELECT n.id, n.role::text, n.name, n.version, n.pid, array_to_string(n.queues, ',') AS queues,
       array_to_string(n.types, ',') AS types, n.slots, n.started_at, n.heartbeat_at, n.dead_at,
       n.dead_reason,
       n.dead_at IS NULL AND n.heartbeat_at > clock_timestamp() - $1::bigint * interval '1 ms'
           AS alive,
       coalesce(m.owner = n.id AND m.expires_at > clock_timestamp(), false) AS master,
       s.credits, s.read_upto, s.low
FROM node n
LEFT JOIN LATERAL (SELECT * FROM executor_state s WHERE s.executor = n.id LIMIT 1) AS s ON true
CROSS JOIN LATERAL (SELECT * FROM master m LIMIT 1) AS m
ORDER BY n.started_at DESC, n.id
LIMIT 1000;
