-- A task that was not started within its start_deadline, counted from run_at, never starts: expired.
ALTER TABLE task ADD COLUMN start_deadline_ms bigint;
ALTER TABLE schedule_version ADD COLUMN start_deadline_ms bigint;

-- Until when it must have been handed over; null: at any time, also where it was started before.
ALTER TABLE due ADD COLUMN start_by timestamptz;
CREATE INDEX due_by_start ON due (start_by) WHERE start_by IS NOT NULL;

-- When a schedule fired by a definition that holds no more: rows of the ledger that stand for many
-- fires are told one by one from it. A put makes a row, also one that a node of the version before
-- applies; pauses and resumes go on with the one before.
CREATE TABLE schedule_spec (
    schedule_id uuid NOT NULL,
    version     integer NOT NULL,
    spec        jsonb NOT NULL,
    PRIMARY KEY (schedule_id, version)
);
INSERT INTO schedule_spec (schedule_id, version, spec)
SELECT schedule_id, version, definition -> 'spec' FROM schedule_version;

CREATE FUNCTION keep_schedule_spec() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO schedule_spec (schedule_id, version, spec)
    VALUES (NEW.schedule_id, NEW.version, NEW.definition -> 'spec') ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER schedule_version_spec AFTER INSERT ON schedule_version
FOR EACH ROW WHEN ((NEW.version = 1 OR NEW.restarts) AND NEW.definition ? 'spec')
EXECUTE FUNCTION keep_schedule_spec();
