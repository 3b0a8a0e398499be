-- Ends waiting tasks that were not started within their start_deadline, those that are longest past
-- it first. Settles: a dispatch and a cancel of the same task (it passes over a row that is locked;
-- a row it took first is waited for, and is gone then), a master that is no longer one.
-- $1 owner, $2 epoch, $3 how many.
WITH lease AS MATERIALIZED (
    SELECT true FROM master
    WHERE owner = $1::uuid AND epoch = $2::bigint AND expires_at > clock_timestamp()
    FOR SHARE
), late AS MATERIALIZED (
    SELECT d.ctid AS place FROM due d
    WHERE d.start_by <= (SELECT clock_timestamp()) AND EXISTS (SELECT FROM lease)
    ORDER BY d.start_by LIMIT $3::int
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM due d WHERE d.ctid = ANY (ARRAY(SELECT place FROM late))
    RETURNING d.task_id
), ended AS (
    INSERT INTO task_end (task_id, state, reason, ended_at, type, queue, run_at, created_at)
    SELECT t.id, 'expired', 'it was not started within its start_deadline', clock_timestamp(),
           t.type, t.queue, t.run_at, t.created_at
    FROM gone g CROSS JOIN LATERAL (SELECT * FROM task t WHERE t.id = g.task_id LIMIT 1) AS t
)
SELECT EXISTS (SELECT FROM lease) AS held, ARRAY(SELECT task_id FROM gone) AS task_ids;
