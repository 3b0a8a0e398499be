-- Stores a batch of scheduled tasks and moves the offsets of the partitions they came from, in one
-- transaction. Settles: two consumers that both believe they own a partition (the offset names its
-- old value: of the loser's partition nothing is stored), the same id twice (the first one stays; of
-- two at once the second fails as a whole by task's key, and finds the first when it comes again),
-- and a key used again for another request (kept in `rejected`). Not ON CONFLICT: it costs a lock
-- and a record of the log for each row, and a conflict is rare.
-- $1-$5 partitions: slot, topic, partition, offset before, offset after; $6 Kafka's cluster id;
-- $7-$23 tasks: slot, position, id, type, name, queue, priority, run_at, created_at, on_lost,
-- timeout_ms, start_deadline_ms, retry, payload, work, tags, fingerprint;
-- $24-$30 records that cannot be stored: slot, position, task_id, code, detail, key, bytes.
WITH moved AS MATERIALIZED (
    UPDATE ingest_offset o SET next = f.next, updated_at = clock_timestamp()
    FROM unnest($1::int[], $2::text[], $3::int[], $4::bigint[], $5::bigint[])
         AS f(slot, topic, partition, before, next)
    WHERE o.topic = f.topic AND o.partition = f.partition AND o.next = f.before
      AND o.cluster_id = $6::text
    RETURNING f.slot, o.topic, o.partition
), asked AS MATERIALIZED (
    SELECT a.*
    FROM (SELECT unnest($7::int[]) AS slot, unnest($8::bigint[]) AS position,
                 unnest($9::uuid[]) AS id, unnest($10::text[]) AS type, unnest($11::text[]) AS name,
                 unnest($12::text[]) AS queue, unnest($13::smallint[]) AS priority,
                 unnest($14::timestamptz[]) AS run_at, unnest($15::timestamptz[]) AS created_at,
                 unnest($16::text[]) AS on_lost, unnest($17::bigint[]) AS timeout_ms,
                 unnest($18::bigint[]) AS start_deadline_ms, unnest($19::text[]) AS retry,
                 unnest($20::text[]) AS payload, unnest($21::text[]) AS work,
                 unnest($22::text[]) AS tags, unnest($23::bytea[]) AS fingerprint) AS a
    WHERE a.slot = ANY (ARRAY(SELECT slot FROM moved))
), stored AS (
    INSERT INTO task (id, type, name, queue, priority, run_at, created_at, on_lost, timeout_ms,
                      start_deadline_ms, retry, size, payload, work, tags, fingerprint)
    SELECT id, type, name, queue, priority, run_at, created_at, on_lost, timeout_ms, start_deadline_ms,
           retry::jsonb, coalesce(octet_length(payload), 0) + coalesce(octet_length(work), 0),
           payload::jsonb, work::jsonb, tags::jsonb, fingerprint
    FROM asked a
    WHERE NOT EXISTS (SELECT FROM task t WHERE t.id = a.id)
    RETURNING id, queue, priority, run_at, start_deadline_ms, tags
), waiting AS (
    INSERT INTO due (task_id, queue, priority, run_at, token, spent, start_by)
    SELECT id, queue, priority, run_at, 0, 0, run_at + start_deadline_ms * interval '1 ms' FROM stored
), tagged AS (
    INSERT INTO task_tag (tag, run_at, task_id)
    SELECT DISTINCT t.tag, s.run_at, s.id
    FROM stored s CROSS JOIN LATERAL jsonb_array_elements_text(s.tags) AS t(tag)
    WHERE s.tags IS NOT NULL
), reused AS (
    INSERT INTO rejected (topic, partition, position, task_id, code, detail, key, bytes)
    SELECT m.topic, m.partition, a.position, a.id, 'idempotency-key-reused',
           'the idempotency key was used before for a different request',
           convert_to(a.id::text, 'UTF8'),
           convert_to(jsonb_build_object('id', a.id, 'type', a.type, 'name', a.name,
               'queue', a.queue, 'priority', a.priority, 'run_at', a.run_at,
               'created_at', a.created_at, 'on_lost', a.on_lost, 'timeout_ms', a.timeout_ms,
               'start_deadline_ms', a.start_deadline_ms, 'retry', a.retry::jsonb,
               'payload', a.payload::jsonb, a.type, a.work::jsonb, 'tags', a.tags::jsonb)::text,
               'UTF8')
    FROM asked a
    JOIN moved m ON m.slot = a.slot
    CROSS JOIN LATERAL (SELECT t.fingerprint FROM task t WHERE t.id = a.id LIMIT 1) AS t
    WHERE a.fingerprint IS NOT NULL AND t.fingerprint IS DISTINCT FROM a.fingerprint
    ON CONFLICT DO NOTHING
    RETURNING task_id
), refused AS (
    INSERT INTO rejected (topic, partition, position, task_id, code, detail, key, bytes)
    SELECT m.topic, m.partition, r.position, r.task_id, r.code, r.detail, r.key, r.bytes
    FROM unnest($24::int[], $25::bigint[], $26::uuid[], $27::text[], $28::text[], $29::bytea[],
                $30::bytea[]) AS r(slot, position, task_id, code, detail, key, bytes)
    JOIN moved m ON m.slot = r.slot
    ON CONFLICT DO NOTHING
)
SELECT ARRAY(SELECT slot FROM moved) AS moved_slots,
       ARRAY(SELECT id FROM stored) AS stored_ids,
       ARRAY(SELECT task_id FROM reused) AS reused_ids;
