-- Makes a schedule. Its first fire is the master's to find. Settles: two that make the same name at
-- once (the unique index: the second fails, reads again and finds the first), the same command
-- twice (its id is the schedule's).
-- $1 id, $2 name, $3 created_at; $4 $5 $6 topic, partition, offset of the command; $7 definition,
-- $8-$19 what a run is made of: type, name, queue, priority, on_lost, timeout_ms, start_deadline_ms,
-- retry, size, payload, work, tags; $20 Kafka's cluster.
WITH instant AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), made AS (
    INSERT INTO schedule (id, name, version, status, created_at, updated_at, look_at, decided_at,
                          topic, partition, position, cluster_id)
    SELECT $1::uuid, $2::text, 1, 'active', $3::timestamptz, now, now, now, $4::text, $5::int,
           $6::bigint, $20::text
    FROM instant
    RETURNING id
), defined AS (
    INSERT INTO schedule_version (schedule_id, version, from_at, paused, definition, type, name,
                                  queue, priority, on_lost, timeout_ms, start_deadline_ms, retry,
                                  size, payload, work, tags)
    SELECT m.id, 1, i.now, false, $7::text::jsonb, $8::text, $9::text, $10::text, $11::smallint,
           $12::text, $13::bigint, $14::bigint,
           $15::text::jsonb, $16::int, $17::text::jsonb, $18::text::jsonb, $19::text::jsonb
    FROM made m, instant i
)
SELECT 1 AS version FROM made;
