-- How a task is tried again (common/retry.h), in full; null: it has one attempt.
ALTER TABLE task ADD COLUMN retry jsonb;
ALTER TABLE schedule_version ADD COLUMN retry jsonb;

-- Attempts before this one that cost one, since the task was made or started anew: due.spent goes
-- with it. Null: a master of the version before has handed it over, and the history is counted.
ALTER TABLE attempt ADD COLUMN spent smallint;

-- A consumer of the version before copies definitions without that column when it pauses or resumes.
CREATE FUNCTION keep_schedule_retry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.retry := NEW.definition -> 'task' -> 'retry';
    RETURN NEW;
END $$;
CREATE TRIGGER schedule_version_retry BEFORE INSERT ON schedule_version
FOR EACH ROW WHEN (NEW.retry IS NULL AND NEW.definition -> 'task' ? 'retry')
EXECUTE FUNCTION keep_schedule_retry();

-- What people asked for a task, by the command's own identity. It is judged once: one that is read
-- again, when the task has gone on, changes nothing.
CREATE TABLE task_action (
    task_id uuid NOT NULL,
    command uuid NOT NULL,
    action  text NOT NULL,
    reason  text NOT NULL,
    applied boolean NOT NULL,  -- false: the task was in no state for it
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (task_id, command)
);

-- Those that wait for another attempt, however many wait for their first.
CREATE INDEX due_retrying ON due (run_at, task_id) WHERE spent > 0;

-- As it was, with what the last attempt says of those before it.
CREATE OR REPLACE VIEW task_state AS
SELECT t.id AS task_id,
       CASE WHEN e.task_id IS NOT NULL THEN e.state::text
            WHEN d.task_id IS NOT NULL AND d.spent > 0 THEN 'retrying'
            WHEN d.task_id IS NOT NULL THEN 'scheduled'
            WHEN a.outcome = 'succeeded' THEN 'succeeded'
            WHEN a.outcome IS NULL AND a.started_at IS NOT NULL THEN 'running'
            WHEN a.outcome IS NULL AND a.assigned_at IS NOT NULL THEN 'assigned'
       END AS state,
       e.reason, e.ended_at, d.run_at AS next_attempt_at, d.spent,
       a.token, a.executor, a.inbox, a.assigned_at, a.started_at, a.finished_at, a.cancel_at,
       a.cancel_reason, a.outcome, a.exit_code, a.error, a.spent AS attempt_spent
FROM task t
LEFT JOIN task_end e ON e.task_id = t.id
LEFT JOIN due d ON d.task_id = t.id
LEFT JOIN LATERAL (
    SELECT * FROM attempt a WHERE a.task_id = t.id ORDER BY a.token DESC LIMIT 1
) a ON true;
