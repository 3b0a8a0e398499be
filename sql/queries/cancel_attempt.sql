-- Asks for the cancel of an attempt that is open, and wakes its executor. Settles: a finish or a
-- recovery of the same attempt (the outcome is looked at again once the row is free), the same
-- cancel twice (the first one stays).
-- $1 task, $2 reason.
WITH asked AS (
    UPDATE attempt
    SET cancel_at = coalesce(cancel_at, clock_timestamp()),
        cancel_reason = coalesce(cancel_reason, $2::text)
    WHERE task_id = $1::uuid AND outcome IS NULL
    RETURNING executor
)
SELECT a.executor, pg_notify('rota_x_' || replace(a.executor::text, '-', ''), 'cancel')
FROM asked a;
