-- Reads what was assigned to executor $1 above number $2, at most $3 tasks and about $4 bytes.
SELECT inbox, task_id, token, started_at, cancelled, type, name, queue, run_at, on_lost,
       timeout_ms, payload::text, work::text,
       CASE WHEN spent = 0 THEN run_at + start_deadline_ms * interval '1 ms' END AS start_by,
       retry::text, spent
FROM (
    SELECT a.inbox, a.task_id, a.token, a.started_at, a.cancel_at IS NOT NULL AS cancelled,
           coalesce(a.spent, (SELECT count(*) FROM attempt b
                              WHERE b.task_id = a.task_id AND b.token < a.token
                                AND b.outcome <> 'returned'))::int AS spent,
           t.type, t.name, t.queue, t.run_at, t.on_lost, t.timeout_ms, t.payload, t.work,
           t.start_deadline_ms, t.retry,
           sum(t.size) OVER (ORDER BY a.inbox ROWS UNBOUNDED PRECEDING) - t.size AS before
    FROM (SELECT a.inbox, a.task_id, a.token, a.started_at, a.cancel_at, a.spent
          FROM attempt a
          WHERE a.executor = $1::uuid AND a.inbox > $2::bigint AND a.outcome IS NULL
          ORDER BY a.inbox LIMIT $3::int) AS a
    CROSS JOIN LATERAL (SELECT * FROM task t WHERE t.id = a.task_id LIMIT 1) AS t
) AS a
WHERE before < $4::bigint
ORDER BY inbox;
