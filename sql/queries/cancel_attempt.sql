-- Asks for the cancel of an attempt that is open, and wakes its executor. Settles: a finish or a
-- recovery of the same attempt (the outcome is looked at again once the row is free), the same
-- command twice (as in cancel_due.sql; of two commands the first one's word stays).
-- $1 task, $2 reason, $3 command (null: an old one).
WITH asked AS (
    UPDATE attempt
    SET cancel_at = coalesce(cancel_at, clock_timestamp()),
        cancel_reason = coalesce(cancel_reason, $2::text)
    WHERE task_id = $1::uuid AND outcome IS NULL
      AND NOT EXISTS (SELECT FROM task_action x WHERE x.task_id = $1::uuid AND x.command = $3::uuid)
    RETURNING task_id, executor
), noted AS (
    INSERT INTO task_action (task_id, command, action, reason, applied)
    SELECT task_id, $3::uuid, 'cancel', $2::text, true FROM asked WHERE $3::uuid IS NOT NULL
    ON CONFLICT DO NOTHING
)
SELECT a.executor, pg_notify('rota_x_' || replace(a.executor::text, '-', ''), 'cancel')
FROM asked a;
