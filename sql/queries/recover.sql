-- Settles open attempts of the dead executor $3, numbers $4 to $6, at most $5 of them. Never
-- started: handed back, at no cost. Started: lost, and `on_lost` decides whether the task waits for
-- another attempt or has failed; after $7 attempts, or max_attempts where that is more, it has
-- failed too: it may be the one that ends its executors. A cancelled one never comes back. Settles: a finish that arrives at
-- the same moment (one of the two finds outcome null), a master that is no longer one. Runs after
-- the statement that marked the node dead, so that it sees all that was ever assigned to it.
WITH lease AS MATERIALIZED (
    SELECT true FROM master
    WHERE owner = $1::uuid AND epoch = $2::bigint AND expires_at > clock_timestamp()
    FOR SHARE
), open AS MATERIALIZED (
    SELECT a.ctid AS place, a.inbox
    FROM attempt a
    WHERE a.executor = $3::uuid AND a.inbox BETWEEN $4::bigint AND $6::bigint
      AND a.outcome IS NULL
      AND EXISTS (SELECT FROM lease)
      AND EXISTS (SELECT FROM node n WHERE n.id = $3::uuid AND n.dead_at IS NOT NULL)
    ORDER BY a.inbox LIMIT $5::int
    FOR UPDATE
), settled AS (
    UPDATE attempt a
    SET outcome = CASE WHEN a.started_at IS NULL THEN 'returned' ELSE 'lost' END::attempt_outcome,
        finished_at = clock_timestamp(), error = 'the executor was lost'
    FROM open o
    WHERE a.ctid = o.place AND a.outcome IS NULL
    RETURNING a.task_id, a.token, a.outcome, a.finished_at, a.cancel_at, a.cancel_reason,
              a.spent, a.limited
), given_back AS (
    DELETE FROM permit WHERE task_id = ANY (ARRAY(SELECT task_id FROM settled WHERE limited))
), told AS MATERIALIZED (
    SELECT s.*, t.queue, t.priority, t.run_at, t.type, t.created_at, t.on_lost,
           t.start_deadline_ms, b.before,
           s.cancel_at IS NULL
           AND (s.outcome = 'returned'
                OR (t.on_lost = 'retry'
                    AND b.before + 1 < greatest((t.retry ->> 'max_attempts')::int, $7::int))) AS again
    FROM settled s
    CROSS JOIN LATERAL (SELECT * FROM task t WHERE t.id = s.task_id LIMIT 1) AS t
    CROSS JOIN LATERAL (
        SELECT coalesce(s.spent, (
            SELECT count(*) FROM attempt a
            WHERE a.task_id = s.task_id AND a.token < s.token AND a.outcome <> 'returned')) AS before
    ) AS b
), back AS (
    INSERT INTO due (task_id, queue, priority, run_at, token, spent, start_by)
    SELECT task_id, queue, priority, run_at, token, before + (outcome = 'lost')::int,
           CASE WHEN outcome = 'returned' AND before = 0
                THEN run_at + start_deadline_ms * interval '1 ms' END
    FROM told WHERE again
), ended AS (
    INSERT INTO task_end (task_id, state, reason, ended_at, type, queue, run_at, created_at)
    SELECT task_id, CASE WHEN cancel_at IS NULL THEN 'failed' ELSE 'cancelled' END::end_state,
           CASE WHEN cancel_at IS NOT NULL THEN coalesce(cancel_reason, '')
                WHEN on_lost = 'fail' THEN 'lost with its executor'
                ELSE 'lost with its executor, the last of ' || before + 1 || ' attempts' END,
           finished_at, type, queue, run_at, created_at
    FROM told WHERE NOT again
)
SELECT EXISTS (SELECT FROM lease) AS held,
       ARRAY(SELECT task_id FROM settled) AS task_ids,
       ARRAY(SELECT token FROM settled) AS tokens,
       ARRAY(SELECT outcome::text FROM settled) AS outcomes,
       (SELECT min(run_at) FROM told WHERE again) AS least_run_at;
