-- Ends a batch of attempts as their executor reports them, together with what follows (a new `due`
-- row or the task's end) and the executor's own state. Settles: the master that closed the attempt
-- first (outcome is no longer null), an older token, another executor, a database that failed over
-- and knows this attempt under another inbox number: such a report changes nothing.
-- Rows are found by one index scan; what is reported of each stands in the arrays where its inbox
-- number does, and those ascend. No join, so that nothing can turn around.
-- $1 executor, $2 task_id, $3 token, $4 inbox (ascending, each once), $5 started_at, $6 finished_at,
-- $7 outcome (its place in attempt_outcome, from 1), $8 exit_code, $9 error (null where none has one);
-- $10 credits (null: as it was said before), $11 read_upto, $12 low; $13 true: wake the master;
-- $14 how long until the next attempt, in ms (null: there is none). It also answers the queues of
-- which permits came back, and the lanes of what waits again within the longest ROTA_POLL.
WITH settled AS (
    UPDATE attempt a
    SET started_at = coalesce(
            greatest(($5::timestamptz[])[width_bucket(a.inbox, $4::bigint[])],
                     CASE WHEN ($5::timestamptz[])[width_bucket(a.inbox, $4::bigint[])] IS NOT NULL
                          THEN a.assigned_at END),
            a.started_at),
        finished_at = greatest(($6::timestamptz[])[width_bucket(a.inbox, $4::bigint[])],
                               a.assigned_at),
        outcome = (ARRAY['succeeded', 'failed', 'timed_out', 'cancelled', 'lost',
                         'returned']::attempt_outcome[])
                  [($7::int[])[width_bucket(a.inbox, $4::bigint[])]],
        exit_code = ($8::int[])[width_bucket(a.inbox, $4::bigint[])],
        error = ($9::text[])[width_bucket(a.inbox, $4::bigint[])]
    WHERE a.ctid = ANY (ARRAY(
              SELECT p.place
              FROM (SELECT unnest($4::bigint[]) AS inbox) AS r
              CROSS JOIN LATERAL (
                  SELECT a.ctid AS place FROM attempt a
                  WHERE a.executor = $1::uuid AND a.inbox = r.inbox LIMIT 1
              ) AS p))
      AND a.outcome IS NULL
      AND a.task_id = ($2::uuid[])[width_bucket(a.inbox, $4::bigint[])]
      AND a.token = ($3::int[])[width_bucket(a.inbox, $4::bigint[])]
    RETURNING a.task_id, a.token, a.inbox, a.outcome, a.finished_at, a.error, a.cancel_at,
              a.cancel_reason, a.spent, a.limited,
              ($14::bigint[])[width_bucket(a.inbox, $4::bigint[])] AS again_ms
), back AS (
    INSERT INTO due (task_id, queue, priority, run_at, token, spent, start_by)
    SELECT t.id, t.queue, t.priority,
           CASE s.outcome WHEN 'returned' THEN t.run_at
                          ELSE clock_timestamp() + s.again_ms * interval '1 ms' END,
           s.token, b.spent + (s.outcome <> 'returned')::int,
           CASE WHEN s.outcome = 'returned' AND b.spent = 0
                THEN t.run_at + t.start_deadline_ms * interval '1 ms' END
    FROM settled s
    CROSS JOIN LATERAL (SELECT * FROM task t WHERE t.id = s.task_id LIMIT 1) AS t
    CROSS JOIN LATERAL (
        SELECT coalesce(s.spent, (
            SELECT count(*) FROM attempt a
            WHERE a.task_id = s.task_id AND a.token < s.token AND a.outcome <> 'returned')) AS spent
    ) AS b
    WHERE s.cancel_at IS NULL AND (s.outcome = 'returned' OR s.again_ms IS NOT NULL)
    RETURNING queue, priority, run_at
), ended AS (
    INSERT INTO task_end (task_id, state, reason, ended_at, type, queue, run_at, created_at)
    SELECT t.id,
           CASE WHEN s.outcome IN ('cancelled', 'returned') OR s.again_ms IS NOT NULL
                THEN 'cancelled' ELSE 'failed' END::end_state,
           CASE WHEN s.outcome IN ('cancelled', 'returned') OR s.again_ms IS NOT NULL
                THEN coalesce(s.cancel_reason, '')
                ELSE coalesce(s.error, s.outcome::text) END,
           s.finished_at, t.type, t.queue, t.run_at, t.created_at
    FROM settled s CROSS JOIN LATERAL (SELECT * FROM task t WHERE t.id = s.task_id LIMIT 1) AS t
    WHERE s.outcome <> 'succeeded'
      AND (s.cancel_at IS NOT NULL OR (s.outcome <> 'returned' AND s.again_ms IS NULL))
), given_back AS (
    DELETE FROM permit WHERE task_id = ANY (ARRAY(SELECT task_id FROM settled WHERE limited))
    RETURNING queue
), said AS (
    UPDATE executor_state
    SET credits = $10::int, read_upto = $11::bigint, low = $12::bigint,
        updated_at = clock_timestamp()
    WHERE executor = $1::uuid AND $10::int IS NOT NULL
), woken AS (
    SELECT pg_notify('rota_credit', '') WHERE $13::boolean
)
SELECT ARRAY(SELECT inbox FROM settled) AS accepted, (SELECT count(*) FROM woken) AS woken,
       clock_timestamp() AS now, ARRAY(SELECT DISTINCT queue FROM given_back) AS queues,
       (SELECT string_agg(queue || ' ' || priority || ' ' || (extract(epoch FROM run_at) * 1000000)::bigint,
                          E'\n')
        FROM (SELECT queue, priority, min(run_at) AS run_at FROM back
              WHERE run_at < clock_timestamp() + interval '1 min' GROUP BY queue, priority) AS l) AS lanes;
