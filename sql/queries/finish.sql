-- Ends a batch of attempts as their executor reports them, together with what follows (a new `due`
-- row or the task's end) and the executor's own state. Settles: the master that closed the attempt
-- first (outcome is no longer null), an older token, another executor, a database that failed over
-- and knows this attempt under another inbox number: such a report changes nothing.
-- Attempts are found by key and updated by ctid. IS NOT DISTINCT FROM cannot use an index: with =
-- a plan made while the table was empty walks the inbox index once for each report.
-- $1 executor, $2 task_id, $3 token, $4 inbox, $5 started_at, $6 finished_at, $7 outcome,
-- $8 exit_code, $9 error; $10 credits, $11 read_upto, $12 low; $13 true: wake the master.
WITH settled AS (
    UPDATE attempt a
    SET started_at = CASE WHEN f.started_at IS NULL THEN a.started_at
                          ELSE greatest(f.started_at, a.assigned_at) END,
        finished_at = greatest(f.finished_at, a.assigned_at),
        outcome = f.outcome::attempt_outcome, exit_code = f.exit_code, error = f.error
    FROM (SELECT r.*, p.place
          FROM (SELECT unnest($2::uuid[]) AS task_id, unnest($3::int[]) AS token,
                       unnest($4::bigint[]) AS inbox, unnest($5::timestamptz[]) AS started_at,
                       unnest($6::timestamptz[]) AS finished_at, unnest($7::text[]) AS outcome,
                       unnest($8::int[]) AS exit_code, unnest($9::text[]) AS error) AS r
          CROSS JOIN LATERAL (
              SELECT a.ctid AS place FROM attempt a
              WHERE a.task_id = r.task_id AND a.token = r.token LIMIT 1
          ) AS p) AS f
    WHERE a.ctid = f.place AND a.executor IS NOT DISTINCT FROM $1::uuid
      AND a.inbox IS NOT DISTINCT FROM f.inbox AND a.outcome IS NULL
    RETURNING a.task_id, a.token, a.inbox, a.outcome, a.finished_at, a.error, a.cancel_at,
              a.cancel_reason
), back AS (
    INSERT INTO due (task_id, queue, priority, run_at, token, spent)
    SELECT t.id, t.queue, t.priority, t.run_at, s.token,
           (SELECT count(*) FROM attempt a
            WHERE a.task_id = s.task_id AND a.token < s.token AND a.outcome <> 'returned')
    FROM settled s CROSS JOIN LATERAL (SELECT * FROM task t WHERE t.id = s.task_id LIMIT 1) AS t
    WHERE s.outcome = 'returned' AND s.cancel_at IS NULL
), ended AS (
    INSERT INTO task_end (task_id, state, reason, ended_at, type, queue, run_at, created_at)
    SELECT t.id,
           CASE WHEN s.outcome IN ('cancelled', 'returned') THEN 'cancelled'
                ELSE 'failed' END::end_state,
           CASE WHEN s.outcome IN ('cancelled', 'returned') THEN coalesce(s.cancel_reason, '')
                ELSE coalesce(s.error, s.outcome::text) END,
           s.finished_at, t.type, t.queue, t.run_at, t.created_at
    FROM settled s CROSS JOIN LATERAL (SELECT * FROM task t WHERE t.id = s.task_id LIMIT 1) AS t
    WHERE s.outcome IN ('failed', 'timed_out', 'cancelled')
       OR (s.outcome = 'returned' AND s.cancel_at IS NOT NULL)
), said AS (
    UPDATE executor_state
    SET credits = $10::int, read_upto = $11::bigint, low = $12::bigint,
        updated_at = clock_timestamp()
    WHERE executor = $1::uuid
), woken AS (
    SELECT pg_notify('rota_credit', '') WHERE $13::boolean
)
SELECT ARRAY(SELECT inbox FROM settled) AS accepted, (SELECT count(*) FROM woken) AS woken,
       clock_timestamp() AS now;
