-- The holder $1 of epoch $2 lets go and wakes the others, so that one takes over at once.
WITH released AS (
    UPDATE master SET owner = NULL, expires_at = NULL, backend_pids = '{}', backend_starts = '{}'
    WHERE owner = $1::uuid AND epoch = $2::bigint
    RETURNING epoch
), closed AS (
    UPDATE master_term t SET ended_at = clock_timestamp()
    FROM released r WHERE t.epoch = r.epoch AND t.ended_at IS NULL
)
SELECT pg_notify('rota_master', 'free') FROM released;
