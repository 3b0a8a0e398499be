-- Tasks as the store writes them, without Kafka: no-op log tasks, `step_us` apart from `first` on.
-- Ids are of version 7, as the producer makes them: those of one moment stand together in the index.
WITH stored AS (
    INSERT INTO task (id, type, queue, priority, run_at, created_at, on_lost, size, payload)
    SELECT (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || '7'
            || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid,
           'log', 'default', 0, %(first)s::timestamptz + g::bigint * %(step_us)s * interval '1 us',
           now(), 'retry', 18, '{"hello": "world"}'
    FROM generate_series(0, %(count)s - 1) AS g
    RETURNING id, queue, priority, run_at
)
INSERT INTO due (task_id, queue, priority, run_at, token, spent)
SELECT id, queue, priority, run_at, 0, 0 FROM stored
