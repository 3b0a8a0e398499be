-- What holds for all tasks of a queue. A queue without a row has no bounds.
CREATE TABLE queue (
    name         text COLLATE "C" PRIMARY KEY,
    version      integer NOT NULL,
    paused_at    timestamptz,
    pause_reason text,
    concurrency  integer,                  -- attempts open at a time; null: any number
    rate         double precision,         -- handed over a second; null: any number
    burst        double precision,         -- what the bucket holds; null where rate is
    tokens       double precision NOT NULL DEFAULT 0,
    filled_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    topic        text COLLATE "C" NOT NULL, -- the command that changed it last
    partition    integer NOT NULL,
    position     bigint NOT NULL,
    cluster_id   text NOT NULL
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 100, autovacuum_vacuum_scale_factor = 0);

-- Open attempts of queues with a concurrency.
CREATE TABLE permit (
    task_id uuid PRIMARY KEY,
    queue   text COLLATE "C" NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX permit_by_queue ON permit (queue);
ALTER TABLE attempt ADD COLUMN limited boolean NOT NULL DEFAULT false; -- has a permit while it is open
