-- When a schedule fired by a definition that holds no more: rows of the ledger that stand for many
-- fires are told one by one from it. A put makes a row; pauses and resumes go on with the one before.
CREATE TABLE schedule_spec (
    schedule_id uuid NOT NULL,
    version     integer NOT NULL,
    spec        jsonb NOT NULL,
    PRIMARY KEY (schedule_id, version)
);
INSERT INTO schedule_spec (schedule_id, version, spec)
SELECT schedule_id, version, definition -> 'spec' FROM schedule_version;
