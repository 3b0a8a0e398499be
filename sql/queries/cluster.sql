-- Who is master, and how many nodes there are. $1: how young a heartbeat must be, in ms.
SELECT m.owner, m.node, m.epoch, m.renewed_at, m.expires_at,
       m.owner IS NOT NULL AND m.expires_at > clock_timestamp() AS held,
       n.consumers, n.consumers_alive, n.executors, n.executors_alive, clock_timestamp() AS now
FROM master m
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE role = 'consumer') AS consumers,
           count(*) FILTER (WHERE role = 'consumer' AND alive) AS consumers_alive,
           count(*) FILTER (WHERE role = 'executor') AS executors,
           count(*) FILTER (WHERE role = 'executor' AND alive) AS executors_alive
    FROM (SELECT role,
                 heartbeat_at > clock_timestamp() - $1::bigint * interval '1 ms' AS alive
          FROM node WHERE dead_at IS NULL) AS n
) AS n;
