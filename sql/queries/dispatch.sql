-- Hands due tasks of one lane (queue and priority) to executors: they leave `due` and become open
-- attempts. Settles: a master that is no longer one (the lease row is held FOR SHARE, a take-over
-- waits for it and then wins), an executor being marked dead at the same moment (its guard is
-- held FOR KEY SHARE, marking deletes it), a cancel of the same task (SKIP LOCKED).
-- Rows are found by index order and deleted by ctid: the planner has one choice.
-- $1 owner, $2 epoch, $3 queue, $4 priority, $5 $6 cursor, $7 executors, $8 how many each takes,
-- $9 the inbox number before the first, $10 how young a heartbeat must be, in ms. An executor may
-- stand in $7 several times. It also answers what the executors said they would take, and `room`:
-- how many the queue's own bounds allowed (null: it has none), with how long until more, in ms (null:
-- somebody will say so).
WITH lease AS MATERIALIZED (
    SELECT true AS held FROM master
    WHERE owner = $1::uuid AND epoch = $2::bigint AND expires_at > clock_timestamp()
    FOR SHARE
), live AS MATERIALIZED (
    SELECT e.executor, e.share
    FROM unnest($7::uuid[], $8::int[]) AS e(executor, share)
    CROSS JOIN LATERAL (
        SELECT true FROM node_guard g WHERE g.id = e.executor FOR KEY SHARE
    ) AS guarded
    CROSS JOIN LATERAL (
        SELECT true FROM node n
        WHERE n.id = e.executor AND n.dead_at IS NULL
          AND n.heartbeat_at > clock_timestamp() - $10::bigint * interval '1 ms' LIMIT 1
    ) AS alive
    WHERE EXISTS (SELECT FROM lease)
), taker AS MATERIALIZED (
    SELECT array_agg(executor) AS who, array_agg(upto - share) AS first, max(upto) AS upto
    FROM (SELECT executor, share, sum(share) OVER (ROWS UNBOUNDED PRECEDING)::int AS upto
          FROM live) AS l
), instant AS MATERIALIZED (
    SELECT clock_timestamp() AS now FROM (SELECT count(*) FROM live) AS after_the_locks
), bound AS MATERIALIZED (
    SELECT b.*, floor(b.tokens)::int AS whole
    FROM (SELECT q.concurrency, q.rate,
                 CASE WHEN q.paused_at IS NOT NULL THEN 0
                      WHEN q.concurrency IS NOT NULL THEN greatest(0, q.concurrency - (
                          SELECT count(*) FROM permit p WHERE p.queue = $3::text)::int) END AS room,
                 CASE WHEN q.rate IS NOT NULL THEN greatest(0, least(
                          q.burst, q.tokens + q.rate * extract(epoch FROM i.now - q.filled_at)::float8))
                 END AS tokens
          FROM queue q CROSS JOIN instant i WHERE q.name = $3::text) AS b
), picked AS MATERIALIZED (
    SELECT d.ctid AS place
    FROM due d
    WHERE d.queue = $3::text AND d.priority = $4::smallint
      AND d.run_at <= (SELECT now FROM instant)
      AND (d.run_at, d.task_id) > ($5::timestamptz, $6::uuid)
      AND (d.start_by IS NULL OR d.start_by > (SELECT now FROM instant))
    ORDER BY d.run_at, d.task_id
    LIMIT (SELECT least(coalesce(upto, 0), (SELECT least(room, whole) FROM bound)) FROM taker)
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM due d WHERE d.ctid = ANY (ARRAY(SELECT place FROM picked))
    RETURNING d.task_id, d.token, d.run_at, d.spent
), given AS (
    INSERT INTO attempt (task_id, token, executor, inbox, assigned_at, spent, limited)
    SELECT g.task_id, g.token + 1,
           (SELECT who FROM taker)[width_bucket(g.n - 1, (SELECT first FROM taker))],
           $9::bigint + g.n, (SELECT now FROM instant), g.spent,
           (SELECT concurrency FROM bound) IS NOT NULL
    FROM (SELECT *, row_number() OVER (ORDER BY run_at, task_id)::int AS n FROM gone) AS g
    RETURNING task_id, token, executor, inbox
), permitted AS (
    INSERT INTO permit (task_id, queue)
    SELECT task_id, $3::text FROM gone WHERE (SELECT concurrency FROM bound) IS NOT NULL
    ON CONFLICT DO NOTHING
), poured AS (
    UPDATE queue q SET tokens = b.tokens - (SELECT count(*) FROM gone), filled_at = i.now
    FROM bound b, instant i
    WHERE q.name = $3::text AND b.rate IS NOT NULL AND EXISTS (SELECT FROM gone)
), said AS MATERIALIZED (
    SELECT s.executor, s.credits, s.read_upto
    FROM (SELECT DISTINCT executor FROM live) AS l
    CROSS JOIN LATERAL (SELECT * FROM executor_state s WHERE s.executor = l.executor LIMIT 1) AS s
)
SELECT coalesce((SELECT held FROM lease), false) AS held,
       (SELECT now FROM instant) AS now,
       g.task_ids, g.tokens, g.executors, g.inboxes,
       (SELECT max(run_at) FROM gone) AS last_run_at,
       (SELECT d.run_at FROM due d
        WHERE d.queue = $3::text AND d.priority = $4::smallint
          AND d.run_at > (SELECT now FROM instant)
        ORDER BY d.run_at LIMIT 1) AS next_run_at,
       ARRAY(SELECT executor FROM said) AS said_executors,
       ARRAY(SELECT credits FROM said) AS said_credits,
       ARRAY(SELECT read_upto FROM said) AS said_read_upto,
       (SELECT least(room, whole) FROM bound) AS room,
       (SELECT ceil(1000 * (1 - tokens + whole) / rate)::bigint FROM bound
        WHERE room IS NULL OR whole < room) AS more_in_ms
FROM (SELECT array_agg(task_id) AS task_ids, array_agg(token) AS tokens,
             array_agg(executor) AS executors, array_agg(inbox) AS inboxes FROM given) AS g;
