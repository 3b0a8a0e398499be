-- A task that was not started within its start_deadline, counted from run_at, never starts: expired.
ALTER TABLE task ADD COLUMN start_deadline_ms bigint;
ALTER TABLE schedule_version ADD COLUMN start_deadline_ms bigint;

-- Until when it must have been handed over; null: at any time, also where it was started before.
ALTER TABLE due ADD COLUMN start_by timestamptz;
CREATE INDEX due_by_start ON due (start_by) WHERE start_by IS NOT NULL;
