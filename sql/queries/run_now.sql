-- A task that waits, for its instant or for its next attempt, is due now. Settles: a dispatch or a
-- cancel of the same task (its row is locked, and gone for who comes second), the same command twice
-- (written down beside the task, also where it came to nothing).
-- $1 task, $2 command, $3 reason.
WITH instant AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), waiting AS MATERIALIZED (
    SELECT d.* FROM due d WHERE d.task_id = $1::uuid FOR UPDATE
), first AS (
    INSERT INTO task_action (task_id, command, action, reason, applied)
    SELECT t.id, $2::uuid, 'run-now', $3::text, EXISTS (SELECT FROM waiting)
    FROM (SELECT count(*) FROM waiting) AS after_the_lock
    CROSS JOIN LATERAL (SELECT t.id FROM task t WHERE t.id = $1::uuid FOR KEY SHARE) AS t
    ON CONFLICT DO NOTHING
    RETURNING task_id, applied
), early AS MATERIALIZED (
    SELECT w.* FROM waiting w, instant i
    WHERE w.run_at > i.now AND w.task_id IN (SELECT task_id FROM first WHERE applied)
), former AS MATERIALIZED (
    SELECT t.*
    FROM early e CROSS JOIN LATERAL (SELECT * FROM task t WHERE t.id = e.task_id LIMIT 1) AS t
    WHERE t.run_at > (SELECT now FROM instant)
), tagged AS (
    UPDATE task_tag x SET run_at = i.now
    FROM instant i, former f
    CROSS JOIN LATERAL jsonb_array_elements_text(coalesce(f.tags, '[]')) AS g(tag)
    WHERE x.tag = g.tag AND x.run_at = f.run_at AND x.task_id = f.id
), changed AS (
    UPDATE task t SET run_at = i.now FROM instant i WHERE t.id IN (SELECT id FROM former)
), moved AS (
    UPDATE due d
    SET run_at = i.now,
        start_by = d.start_by - (d.run_at - i.now)
    FROM instant i WHERE d.task_id IN (SELECT task_id FROM early)
    RETURNING d.queue, d.priority, d.run_at
)
SELECT coalesce((SELECT applied FROM first), false) AS done,
       coalesce((SELECT s.state FROM task_state s WHERE s.task_id = $1::uuid), 'unknown') AS state,
       (SELECT queue || ' ' || priority || ' ' || (extract(epoch FROM run_at) * 1000000)::bigint
        FROM moved) AS lane;
