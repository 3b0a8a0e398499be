-- A task that ended without success waits again, with all of its attempts before it; its tokens go
-- on. Settles: the same command twice (written down beside the task in this statement), another one
-- at the same moment (the end is locked, and gone for who comes second), retention (the same).
-- A start_deadline was about the first round: it is given up. One that was not due yet is due now.
-- $1 task, $2 command, $3 reason.
WITH instant AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), ended AS MATERIALIZED (
    SELECT e.task_id FROM task_end e WHERE e.task_id = $1::uuid AND e.state <> 'skipped' FOR UPDATE
), first AS (
    INSERT INTO task_action (task_id, command, action, reason)
    SELECT task_id, $2::uuid, 'retry', $3::text FROM ended
    ON CONFLICT DO NOTHING
    RETURNING task_id
), gone AS (
    DELETE FROM task_end WHERE task_id IN (SELECT task_id FROM first) RETURNING task_id
), early AS MATERIALIZED (
    SELECT t.id, t.run_at, t.tags
    FROM gone g CROSS JOIN LATERAL (SELECT * FROM task t WHERE t.id = g.task_id LIMIT 1) AS t
    WHERE t.run_at > (SELECT now FROM instant)
), tagged AS (
    UPDATE task_tag x SET run_at = (SELECT now FROM instant)
    FROM (SELECT e.id, e.run_at, g.tag
          FROM early e CROSS JOIN LATERAL jsonb_array_elements_text(coalesce(e.tags, '[]')) AS g(tag)) AS g
    WHERE x.tag = g.tag AND x.run_at = g.run_at AND x.task_id = g.id
), changed AS (
    UPDATE task t SET start_deadline_ms = NULL, run_at = least(t.run_at, (SELECT now FROM instant))
    WHERE t.id IN (SELECT task_id FROM gone)
      AND (t.start_deadline_ms IS NOT NULL OR EXISTS (SELECT FROM early))
), waits AS (
    INSERT INTO due (task_id, queue, priority, run_at, token, spent)
    SELECT t.id, t.queue, t.priority, (SELECT now FROM instant),
           coalesce((SELECT max(a.token) FROM attempt a WHERE a.task_id = t.id), 0), 0
    FROM gone g CROSS JOIN LATERAL (SELECT * FROM task t WHERE t.id = g.task_id LIMIT 1) AS t
    RETURNING task_id
)
SELECT EXISTS (SELECT FROM waits) AS done,
       coalesce((SELECT s.state FROM task_state s WHERE s.task_id = $1::uuid), 'unknown') AS state;
