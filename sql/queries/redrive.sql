-- A task that ended without success waits again, due now, with all of its attempts before it; its
-- tokens go on. Settles: the same command twice (written down beside the task, also where it came to
-- nothing), another one at the same moment (the end is locked, and gone for who comes second),
-- retention (the same). A start_deadline was about the first round: it is given up.
-- $1 task, $2 command, $3 reason.
WITH instant AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), ended AS MATERIALIZED (
    SELECT e.task_id FROM task_end e WHERE e.task_id = $1::uuid AND e.state <> 'skipped' FOR UPDATE
), first AS (
    INSERT INTO task_action (task_id, command, action, reason, applied)
    SELECT t.id, $2::uuid, 'retry', $3::text, EXISTS (SELECT FROM ended)
    FROM (SELECT count(*) FROM ended) AS after_the_lock
    CROSS JOIN LATERAL (SELECT t.id FROM task t WHERE t.id = $1::uuid FOR KEY SHARE) AS t
    ON CONFLICT DO NOTHING
    RETURNING task_id, applied
), gone AS (
    DELETE FROM task_end WHERE task_id IN (SELECT task_id FROM first WHERE applied) RETURNING task_id
), former AS MATERIALIZED (
    SELECT t.*
    FROM gone g CROSS JOIN LATERAL (SELECT * FROM task t WHERE t.id = g.task_id LIMIT 1) AS t
), tagged AS (
    UPDATE task_tag x SET run_at = i.now
    FROM instant i, former f
    CROSS JOIN LATERAL jsonb_array_elements_text(coalesce(f.tags, '[]')) AS g(tag)
    WHERE x.tag = g.tag AND x.run_at = f.run_at AND x.task_id = f.id
), changed AS (
    UPDATE task t SET start_deadline_ms = NULL, run_at = i.now
    FROM instant i WHERE t.id IN (SELECT task_id FROM gone)
), waits AS (
    INSERT INTO due (task_id, queue, priority, run_at, token, spent)
    SELECT f.id, f.queue, f.priority, i.now,
           coalesce((SELECT max(a.token) FROM attempt a WHERE a.task_id = f.id), 0), 0
    FROM former f, instant i
    RETURNING queue, priority, run_at
)
SELECT EXISTS (SELECT FROM waits) AS done,
       coalesce((SELECT s.state FROM task_state s WHERE s.task_id = $1::uuid), 'unknown') AS state,
       (SELECT queue || ' ' || priority || ' ' || (extract(epoch FROM run_at) * 1000000)::bigint FROM waits) AS lane;
