-- Open attempts of executor $1, from number $2 on, that are past their time-out by more than a
-- minute: the executor should have ended them. They are told, never closed. $3 default time-out, ms.
SELECT count(*)
FROM (SELECT a.task_id, a.started_at FROM attempt a
      WHERE a.executor = $1::uuid AND a.inbox >= $2::bigint AND a.outcome IS NULL
        AND a.started_at IS NOT NULL
      ORDER BY a.inbox LIMIT 1000) AS a
CROSS JOIN LATERAL (SELECT t.timeout_ms FROM task t WHERE t.id = a.task_id LIMIT 1) AS t
WHERE a.started_at + coalesce(t.timeout_ms, $3::bigint) * interval '1 ms' + interval '1 minute'
      < clock_timestamp();
