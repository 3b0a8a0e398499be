-- Resolves the master for consumer $1 named $2: takes the lease of $3 ms where it is free, expired or
-- its own, with a new epoch; otherwise says who holds it and for how much longer. Settles: two
-- consumers that take over at once (the second one's WHERE is looked at again on the new row), a
-- former master's statement that still holds the row FOR SHARE (this waits for its commit), and a
-- promoted standby that lacks the last epochs (the timeline is part of the epoch).
-- $4 the backends of this consumer that write as master.
WITH before AS MATERIALIZED (
    SELECT owner, epoch, expires_at FROM master
), taken AS (
    UPDATE master m
    SET owner = $1::uuid, node = $2::text, renewed_at = clock_timestamp(),
        expires_at = clock_timestamp() + $3::bigint * interval '1 ms',
        epoch = greatest(m.epoch + 1,
            ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint << 20),
        backend_pids = $4::int[],
        backend_starts = ARRAY(SELECT coalesce(a.backend_start, clock_timestamp())
                               FROM unnest($4::int[]) WITH ORDINALITY AS p(pid, n)
                               LEFT JOIN pg_stat_activity a ON a.pid = p.pid ORDER BY p.n)
    WHERE m.owner IS NULL OR m.owner = $1::uuid OR m.expires_at <= clock_timestamp()
    RETURNING m.epoch, m.renewed_at
), closed AS (
    UPDATE master_term SET ended_at = (SELECT renewed_at FROM taken)
    WHERE ended_at IS NULL AND EXISTS (SELECT FROM taken)
), opened AS (
    INSERT INTO master_term (epoch, owner, node, began_at, reason)
    SELECT t.epoch, $1::uuid, $2::text, t.renewed_at,
           CASE WHEN b.epoch = 0 THEN 'first' WHEN b.owner IS NULL THEN 'released'
                WHEN b.owner = $1::uuid THEN 'own' ELSE 'expired' END
    FROM taken t, before b
    RETURNING reason
)
SELECT (SELECT epoch FROM taken) AS epoch, (SELECT reason FROM opened) AS reason,
       m.node, m.epoch AS current_epoch,
       greatest(0, extract(epoch FROM m.expires_at - clock_timestamp()) * 1000)::bigint AS left_ms,
       clock_timestamp() AS now, (SELECT count(*) FROM master) AS rows
FROM master m;
