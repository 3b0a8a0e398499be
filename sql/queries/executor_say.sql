-- An executor says what it would take, with its heartbeat. $1 executor, $2 queues, $3 credits,
-- $4 read_upto, $5 low, $6 true: wake the master.
WITH said AS (
    INSERT INTO executor_state AS s (executor, queues, credits, read_upto, low)
    VALUES ($1::uuid, $2::text[], $3::int, $4::bigint, $5::bigint)
    ON CONFLICT (executor) DO UPDATE
    SET queues = excluded.queues, credits = excluded.credits, read_upto = excluded.read_upto,
        low = excluded.low, updated_at = clock_timestamp()
    WHERE (s.credits, s.read_upto, s.low) IS DISTINCT FROM
          (excluded.credits, excluded.read_upto, excluded.low)
)
SELECT pg_notify('rota_credit', '') WHERE $6::boolean;
