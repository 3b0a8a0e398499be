-- Queues that are set up, have waiting tasks, or are served by a live executor: the one named $1,
-- or all after $2 by name, at most $3. What is due is counted up to $4. $5: how young a heartbeat
-- must be, in ms. $6 $7 $8 topic, partition and offset of a command, or null.
WITH RECURSIVE waiting (queue) AS (
    (SELECT d.queue FROM due d ORDER BY d.queue LIMIT 1)
    UNION ALL
    SELECT n.queue
    FROM waiting w CROSS JOIN LATERAL (
        SELECT d.queue FROM due d WHERE d.queue > w.queue ORDER BY d.queue LIMIT 1
    ) AS n
), served AS MATERIALIZED (
    SELECT DISTINCT n.id, s.queue
    FROM node n
    CROSS JOIN LATERAL (SELECT unnest(s.queues) AS queue FROM executor_state s WHERE s.executor = n.id) AS s
    WHERE n.role = 'executor' AND n.dead_at IS NULL
      AND n.heartbeat_at > clock_timestamp() - $5::bigint * interval '1 ms'
), named AS MATERIALIZED (
    SELECT x.name
    FROM (SELECT $1::text AS name WHERE $1::text IS NOT NULL
          UNION
          SELECT n.name
          FROM (SELECT name FROM queue UNION SELECT queue FROM waiting UNION SELECT queue FROM served) AS n
          WHERE $1::text IS NULL AND n.name > $2::text) AS x
    ORDER BY x.name LIMIT $3::int
), lane AS MATERIALIZED (
    SELECT n.name, p.priority
    FROM named n
    CROSS JOIN LATERAL (
        WITH RECURSIVE lane (priority) AS (
            (SELECT d.priority FROM due d WHERE d.queue = n.name ORDER BY d.priority LIMIT 1)
            UNION ALL
            SELECT m.priority
            FROM lane l CROSS JOIN LATERAL (
                SELECT d.priority FROM due d WHERE d.queue = n.name AND d.priority > l.priority
                ORDER BY d.priority LIMIT 1
            ) AS m
        )
        SELECT priority FROM lane
    ) AS p
)
SELECT n.name, q.version, q.paused_at, q.pause_reason, q.concurrency, q.rate, q.burst, q.updated_at,
       CASE WHEN q.concurrency IS NOT NULL
            THEN (SELECT count(*) FROM permit p WHERE p.queue = n.name) END AS running,
       (SELECT count(*)
        FROM (SELECT FROM lane l CROSS JOIN LATERAL (
                  SELECT FROM due d
                  WHERE d.queue = l.name AND d.priority = l.priority AND d.run_at <= i.now
                  LIMIT $4::int) AS d
              WHERE l.name = n.name LIMIT $4::int) AS c) AS due,
       (SELECT min(f.run_at)
        FROM lane l CROSS JOIN LATERAL (
            SELECT d.run_at FROM due d WHERE d.queue = l.name AND d.priority = l.priority
            ORDER BY d.run_at LIMIT 1) AS f
        WHERE l.name = n.name AND f.run_at <= i.now) AS oldest_due_at,
       (SELECT min(f.run_at)
        FROM lane l CROSS JOIN LATERAL (
            SELECT d.run_at FROM due d
            WHERE d.queue = l.name AND d.priority = l.priority AND d.run_at > i.now
            ORDER BY d.run_at LIMIT 1) AS f
        WHERE l.name = n.name) AS next_due_at,
       (SELECT count(*) FROM served s WHERE s.queue = n.name) AS executors,
       r.code, r.detail, $8::bigint - coalesce(o.next, 0) + 1 AS behind
FROM named n
CROSS JOIN (SELECT clock_timestamp() AS now) AS i
LEFT JOIN LATERAL (SELECT * FROM queue q WHERE q.name = n.name LIMIT 1) AS q ON true
LEFT JOIN LATERAL (
    SELECT r.code, r.detail FROM rejected r
    WHERE r.topic = $6::text AND r.partition = $7::int AND r.position = $8::bigint LIMIT 1
) AS r ON true
LEFT JOIN LATERAL (
    SELECT o.next FROM ingest_offset o
    WHERE o.topic = $6::text AND o.partition = $7::int LIMIT 1
) AS o ON true
ORDER BY n.name;
