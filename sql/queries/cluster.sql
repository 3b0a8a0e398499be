-- Who is master, and how many nodes live. $1: how young a heartbeat shows that, in ms.
SELECT m.owner IS NOT NULL AND m.expires_at > w.now AS held,
       m.node, m.owner, m.epoch, m.renewed_at, m.expires_at,
       (extract(epoch FROM m.expires_at - w.now) * 1000)::bigint AS left_ms,
       n.consumers, n.executors, w.now
FROM master m
CROSS JOIN LATERAL (SELECT clock_timestamp() AS now OFFSET 0) AS w
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE role = 'consumer') AS consumers,
           count(*) FILTER (WHERE role = 'executor') AS executors
    FROM node
    WHERE dead_at IS NULL AND heartbeat_at > w.now - $1::bigint * interval '1 ms'
) AS n;
