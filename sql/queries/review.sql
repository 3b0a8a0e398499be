-- How the database knows attempts that executor $1 holds, or has reported and seen accepted: a
-- standby that was promoted may lack a dispatch (`gone`), an end (`open`) or a start (`unstarted`).
-- The timeline tells whether it is another history than at the last look.
-- $2 task_id, $3 token, $4 inbox.
WITH seen AS MATERIALIZED (
    SELECT r.inbox, coalesce(a.open, false) AS open, a.started
    FROM unnest($2::uuid[], $3::int[], $4::bigint[]) AS r(task_id, token, inbox)
    LEFT JOIN LATERAL (
        SELECT a.executor = $1::uuid AND a.inbox = r.inbox AND a.outcome IS NULL AS open,
               a.started_at IS NOT NULL AS started
        FROM attempt a
        WHERE a.task_id = r.task_id AND a.token = r.token LIMIT 1
    ) AS a ON true
)
SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint AS timeline,
       ARRAY(SELECT inbox FROM seen WHERE NOT open) AS gone,
       ARRAY(SELECT inbox FROM seen WHERE open) AS open,
       ARRAY(SELECT inbox FROM seen WHERE open AND NOT started) AS unstarted;
