-- Schedules as a put writes them, without Kafka: of no-op log tasks (or of a shell task that takes
-- `sleep_s` seconds), the first fire of each `step_us` apart from `first` on, then every `every_s`
-- seconds; once where that is 0.
WITH made AS (
    INSERT INTO schedule (id, name, version, status, created_at, updated_at, look_at, decided_at, topic,
                          partition, position)
    SELECT gen_random_uuid(), %(prefix)s || g, 1, 'active', now(), now(), clock_timestamp(),
           clock_timestamp(), 'bench', 0, 0
    FROM generate_series(%(from)s, %(from)s + %(count)s - 1) AS g
    RETURNING id, substr(name, length(%(prefix)s) + 1)::bigint AS g, decided_at
)
INSERT INTO schedule_version (schedule_id, version, from_at, paused, definition, type, queue, priority,
                              on_lost, size, payload, work)
SELECT id, 1, decided_at, false,
       jsonb_build_object(
           'spec', CASE WHEN %(every_s)s > 0
                        THEN jsonb_build_object('every', 'PT' || %(every_s)s || 'S', 'anchor', at, 'timezone', 'UTC')
                        ELSE jsonb_build_object('at', jsonb_build_array(at), 'timezone', 'UTC') END,
           'policy', '{"overlap": "skip", "misfire": "fire_once"}'::jsonb,
           'task', '{"type": "log"}'::jsonb),
       CASE WHEN %(sleep_s)s > 0 THEN 'shell' ELSE 'log' END, 'default', 0, 'retry', 18,
       '{"hello": "world"}'::jsonb,
       CASE WHEN %(sleep_s)s > 0 THEN jsonb_build_object('command', 'sleep ' || %(sleep_s)s) END
FROM made CROSS JOIN LATERAL (
    SELECT to_char((%(first)s::timestamptz + g * %(step_us)s * interval '1 us') AT TIME ZONE 'UTC',
                   'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at
) AS a
