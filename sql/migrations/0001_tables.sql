-- The first shape of the database. ARCHITECTURE.md tells what each table is for and who writes it.
-- Hot tables (due, attempt) hold narrow rows with few indexes; a task's state is derived in the
-- view task_state and stored nowhere a second time.

CREATE TYPE attempt_outcome AS ENUM
    ('succeeded', 'failed', 'timed_out', 'cancelled', 'lost', 'returned');
CREATE TYPE end_state AS ENUM ('failed', 'cancelled', 'expired', 'skipped');
CREATE TYPE node_role AS ENUM ('consumer', 'executor');

-- What was asked. Inserted once, never touched on the hot path.
CREATE TABLE task (
    id          uuid PRIMARY KEY,
    type        text COLLATE "C" NOT NULL,
    name        text COLLATE "C",
    queue       text COLLATE "C" NOT NULL,
    priority    smallint NOT NULL,
    run_at      timestamptz NOT NULL,
    created_at  timestamptz NOT NULL,               -- when a producer accepted it
    stored_at   timestamptz NOT NULL DEFAULT now(),
    on_lost     text NOT NULL CHECK (on_lost IN ('retry', 'fail')),
    timeout_ms  bigint,                             -- of one attempt; null: the executor's default
    size        integer NOT NULL,                   -- bytes of payload and work as they came
    payload     jsonb,
    work        jsonb,                              -- the part named like the type: shell, http, kafka
    tags        jsonb,                              -- array of texts, or null
    fingerprint bytea                               -- SHA-256 of the request, where a key was given
);
CREATE INDEX task_by_type ON task (type, run_at, id);
CREATE INDEX task_by_queue ON task (queue, run_at, id);
CREATE INDEX task_by_created ON task (created_at, id);

-- Tasks that wait for their instant. A row is inserted, and deleted at dispatch.
CREATE TABLE due (
    task_id  uuid PRIMARY KEY,
    queue    text COLLATE "C" NOT NULL,
    priority smallint NOT NULL,
    run_at   timestamptz NOT NULL,
    token    integer NOT NULL,   -- of the last attempt, 0 before the first
    spent    smallint NOT NULL   -- attempts that counted: all but those handed back unstarted
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.2);
CREATE INDEX due_order ON due (queue, priority, run_at, task_id);

-- One handing over. Inserted at dispatch, finished by one update that changes nothing an index
-- mentions, so that the new version stays on its page: half of each page is left free for it.
-- inbox = epoch << 32 | number within the epoch.
CREATE TABLE attempt (
    task_id       uuid NOT NULL,
    token         integer NOT NULL,
    executor      uuid NOT NULL,
    inbox         bigint NOT NULL,
    assigned_at   timestamptz NOT NULL,
    started_at    timestamptz,
    finished_at   timestamptz,
    cancel_at     timestamptz,
    exit_code     integer,          -- exit status, negative signal, or HTTP status
    outcome       attempt_outcome,
    error         text,
    cancel_reason text,
    PRIMARY KEY (task_id, token),
    CHECK ((outcome IS NULL) = (finished_at IS NULL))
) WITH (fillfactor = 45, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_insert_scale_factor = 0.5, autovacuum_vacuum_cost_delay = 0);
CREATE UNIQUE INDEX attempt_inbox ON attempt (executor, inbox);

-- Every end other than success. The facts of the task that lists filter by stand here again,
-- because they no longer change and the table is small.
CREATE TABLE task_end (
    task_id    uuid PRIMARY KEY,
    state      end_state NOT NULL,
    reason     text NOT NULL,
    ended_at   timestamptz NOT NULL,
    type       text COLLATE "C" NOT NULL,
    queue      text COLLATE "C" NOT NULL,
    run_at     timestamptz NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX task_end_by_state ON task_end (state, run_at, task_id);
CREATE INDEX task_end_by_type ON task_end (state, type, run_at, task_id);
CREATE INDEX task_end_by_queue ON task_end (state, queue, run_at, task_id);
CREATE INDEX task_end_by_created ON task_end (state, created_at, task_id);
CREATE INDEX task_end_by_time ON task_end (ended_at);

CREATE TABLE task_tag (
    tag     text COLLATE "C" NOT NULL,
    run_at  timestamptz NOT NULL,
    task_id uuid NOT NULL,
    PRIMARY KEY (tag, run_at, task_id)
);

-- A live process. Its identity is made at process start and never used again.
CREATE TABLE node (
    id           uuid PRIMARY KEY,
    role         node_role NOT NULL,
    name         text NOT NULL,
    version      text NOT NULL,
    pid          integer NOT NULL,
    queues       text[] NOT NULL DEFAULT '{}',
    types        text[] NOT NULL DEFAULT '{}',
    slots        integer NOT NULL DEFAULT 0,
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    heartbeat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    dead_at      timestamptz,
    dead_reason  text
) WITH (fillfactor = 40, autovacuum_vacuum_threshold = 100, autovacuum_vacuum_scale_factor = 0);

-- What an executor would take, said by itself with its finishes or its heartbeat.
CREATE TABLE executor_state (
    executor   uuid PRIMARY KEY,
    queues     text[] NOT NULL,
    credits    integer NOT NULL,  -- tasks it would take beyond read_upto
    read_upto  bigint NOT NULL,   -- the last inbox number it has read
    low        bigint NOT NULL,   -- everything below this number is reported
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 100, autovacuum_vacuum_scale_factor = 0);

-- Who may dispatch: exactly one row, for ever.
CREATE TABLE master (
    single         boolean PRIMARY KEY DEFAULT true CHECK (single),
    owner          uuid,
    node           text NOT NULL DEFAULT '',
    epoch          bigint NOT NULL DEFAULT 0,
    renewed_at     timestamptz,
    expires_at     timestamptz,
    backend_pids   integer[] NOT NULL DEFAULT '{}',
    backend_starts timestamptz[] NOT NULL DEFAULT '{}'
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 100, autovacuum_vacuum_scale_factor = 0);
INSERT INTO master DEFAULT VALUES;

CREATE TABLE master_term (
    epoch    bigint PRIMARY KEY,
    owner    uuid NOT NULL,
    node     text NOT NULL,
    began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    reason   text NOT NULL           -- why this term began: first, released, expired, own
);

-- How far each partition is stored. Written in the transaction that stores the rows.
CREATE TABLE ingest_offset (
    topic      text COLLATE "C" NOT NULL,
    partition  integer NOT NULL,
    cluster_id text NOT NULL,
    next       bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 100, autovacuum_vacuum_scale_factor = 0);

-- Where a partition stood at a time: what is older than ROTA_KAFKA_KEEP may be deleted in Kafka.
CREATE TABLE ingest_mark (
    topic     text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    at        timestamptz NOT NULL,
    next      bigint NOT NULL,
    PRIMARY KEY (topic, partition, at)
);

-- What came over Kafka and could not be stored, with the reason.
CREATE TABLE rejected (
    topic        text COLLATE "C" NOT NULL,
    partition    integer NOT NULL,
    position     bigint NOT NULL,     -- the record's offset
    task_id      uuid,
    code         text NOT NULL,
    detail       text NOT NULL,
    key          bytea,
    bytes        bytea,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    published_at timestamptz,         -- when rota.dead-letters had it
    PRIMARY KEY (topic, partition, position)
);
CREATE INDEX rejected_unpublished ON rejected (at) WHERE published_at IS NULL;
CREATE INDEX rejected_by_task ON rejected (task_id) WHERE task_id IS NOT NULL;

-- The one place that says what state a task is in.
CREATE VIEW task_state AS
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
       a.cancel_reason, a.outcome, a.exit_code, a.error
FROM task t
LEFT JOIN task_end e ON e.task_id = t.id
LEFT JOIN due d ON d.task_id = t.id
LEFT JOIN LATERAL (
    SELECT * FROM attempt a WHERE a.task_id = t.id ORDER BY a.token DESC LIMIT 1
) a ON true;
