-- Cancels a task that waits: its `due` row becomes its end. Settles: a dispatch of the same task
-- (it skips a row that is locked here; a row it took first is waited for, and is gone then), the
-- same command twice: it is written down where it has its effect, or at last found none, and what is
-- written down does nothing any more, as the task may have been started anew since.
-- $1 task, $2 reason, $3 command (null: an old one, without identity).
WITH gone AS (
    DELETE FROM due
    WHERE task_id = $1::uuid
      AND NOT EXISTS (SELECT FROM task_action x WHERE x.task_id = $1::uuid AND x.command = $3::uuid)
    RETURNING task_id
), noted AS (
    INSERT INTO task_action (task_id, command, action, reason, applied)
    SELECT task_id, $3::uuid, 'cancel', $2::text, true FROM gone WHERE $3::uuid IS NOT NULL
    ON CONFLICT DO NOTHING
)
INSERT INTO task_end (task_id, state, reason, ended_at, type, queue, run_at, created_at)
SELECT t.id, 'cancelled', $2::text, clock_timestamp(), t.type, t.queue, t.run_at, t.created_at
FROM gone g CROSS JOIN LATERAL (SELECT * FROM task t WHERE t.id = g.task_id LIMIT 1) AS t
RETURNING task_id;
