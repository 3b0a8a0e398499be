-- Schedules: rules that make tasks. docs/planning.md tells what each row means and who writes it.

CREATE TYPE schedule_status AS ENUM ('active', 'paused', 'ended');
CREATE TYPE fire_reason AS ENUM
    ('overlap', 'misfire', 'paused', 'excluded', 'start_deadline', 'coalesced', 'buffered');

-- A run knows the fire that it is of.
ALTER TABLE task ADD COLUMN schedule_id uuid, ADD COLUMN fire_at timestamptz;
CREATE INDEX task_by_schedule ON task (schedule_id, run_at, id) WHERE schedule_id IS NOT NULL;

-- A schedule's place in time. Every change of a row counts up seq and is made only where seq is
-- still what the writer has read.
CREATE TABLE schedule (
    id            uuid PRIMARY KEY,
    name          text COLLATE "C" NOT NULL,
    seq           bigint NOT NULL DEFAULT 1,
    version       integer NOT NULL,            -- of the latest definition
    status        schedule_status NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,        -- of the last put, pause, resume
    deleted_at    timestamptz,                 -- the name is free again
    next_at       timestamptz,                 -- the first fire that is not decided; null: unknown, or none
    look_at       timestamptz,                 -- when the master looks at it; null: no need to
    decided_at    timestamptz NOT NULL,        -- the last fire decided; before the first, its creation
    runs          bigint NOT NULL DEFAULT 0,   -- since the last put, for max_runs
    missed        bigint NOT NULL DEFAULT 0,   -- fires that the next run stands for as well
    last_run      uuid,                        -- the task of the last fire that became one
    judged        boolean NOT NULL DEFAULT true, -- the end of that run is counted in streak
    streak        integer NOT NULL DEFAULT 0,  -- runs that failed in a row
    kept          timestamptz[] NOT NULL DEFAULT '{}', -- fires that wait for the end of a run
    pause_reason  text,
    paused_at     timestamptz,
    paused_until  timestamptz,
    cluster_id    text NOT NULL DEFAULT '',    -- the place in Kafka of the last command applied
    topic         text COLLATE "C" NOT NULL,
    partition     integer NOT NULL,
    position      bigint NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);
CREATE UNIQUE INDEX schedule_by_name ON schedule (name) WHERE deleted_at IS NULL;
CREATE INDEX schedule_by_look ON schedule (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX schedule_by_deleted ON schedule (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX schedule_by_any_name ON schedule (name, created_at);

-- One definition and the stretch of time in which it holds. Only those are kept that hold now, or
-- held when a fire was due that is not decided yet.
CREATE TABLE schedule_version (
    schedule_id uuid NOT NULL,
    version     integer NOT NULL,
    from_at     timestamptz NOT NULL,
    until_at    timestamptz,                   -- null: holds now
    paused      boolean NOT NULL,              -- nothing fires in this stretch
    catch_up    boolean NOT NULL DEFAULT false,-- of a paused one: its fires count as missed ones
    restarts    boolean NOT NULL DEFAULT false,-- runs are counted anew from here on
    definition  jsonb NOT NULL,                -- as the API shows it
    -- What a run is made of.
    type        text COLLATE "C" NOT NULL,
    name        text COLLATE "C",
    queue       text COLLATE "C" NOT NULL,
    priority    smallint NOT NULL,
    on_lost     text NOT NULL,
    timeout_ms  bigint,
    size        integer NOT NULL,
    payload     jsonb,
    work        jsonb,
    tags        jsonb,
    PRIMARY KEY (schedule_id, version)
);

-- The ledger: every decided fire. Fires skipped in a row for one reason are one row.
CREATE TABLE fire (
    schedule_id uuid NOT NULL,
    fire_at     timestamptz NOT NULL,
    last_at     timestamptz NOT NULL,          -- the last of the row; fire_at where it is one
    count       bigint NOT NULL,
    task_id     uuid,
    reason      fire_reason,                   -- null: it became the task
    missed      bigint NOT NULL DEFAULT 0,     -- fires skipped that this run stands for
    version     integer NOT NULL,              -- by which it was decided
    after_at    timestamptz NOT NULL,          -- what was decided before it
    decided_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (schedule_id, fire_at),
    CHECK ((task_id IS NULL) = (reason IS NOT NULL)),
    CHECK (last_at >= fire_at AND after_at < fire_at AND count >= 1)
) WITH (fillfactor = 90);
CREATE INDEX fire_by_decided ON fire (decided_at);

-- Breaks in the chain of a schedule's decisions, where a fire would be missing, and rows that cover
-- a fire twice. Empty. Between two instants: WHERE fire_at >= ... AND fire_at < ...
CREATE VIEW fire_gap AS
SELECT schedule_id, fire_at, after_at, before_at,
       CASE WHEN before_at >= fire_at THEN 'double' ELSE 'missing' END AS what
FROM (
    SELECT schedule_id, fire_at, after_at,
           lag(last_at) OVER (PARTITION BY schedule_id ORDER BY fire_at) AS before_at
    FROM fire
) AS f
WHERE before_at <> after_at;
