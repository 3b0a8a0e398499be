-- Cancels a task that waits: its `due` row becomes its end. Settles: a dispatch of the same task
-- (it skips a row that is locked here; a row it took first is waited for, and is gone then), the
-- same cancel twice.
-- $1 task, $2 reason.
WITH gone AS (
    DELETE FROM due WHERE task_id = $1::uuid RETURNING task_id
)
INSERT INTO task_end (task_id, state, reason, ended_at, type, queue, run_at, created_at)
SELECT t.id, 'cancelled', $2::text, clock_timestamp(), t.type, t.queue, t.run_at, t.created_at
FROM gone g CROSS JOIN LATERAL (SELECT * FROM task t WHERE t.id = g.task_id LIMIT 1) AS t
RETURNING task_id;
