-- Ends the backends of a master whose lease is over, which still hold what a take-over waits for.
-- The start of a backend tells it from a later one with the same number.
SELECT a.pid, pg_terminate_backend(a.pid) AS ended
FROM master m
CROSS JOIN LATERAL unnest(m.backend_pids, m.backend_starts) AS b(pid, started)
JOIN pg_stat_activity a ON a.pid = b.pid AND a.backend_start = b.started
WHERE m.expires_at <= clock_timestamp() OR m.owner IS NULL;
