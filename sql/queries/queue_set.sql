-- Changes what holds for a queue. Settles: the same command twice (its place in Kafka), a version
-- that is another by now, two that make its row at once (one finds nothing done and comes again).
-- $1 name; $2 the only version that may be changed, or null; $3 paused (null: as it is), $4 reason;
-- $5 true: $6 is the concurrency (null: none); $7 true: $8 $9 are rate and burst (null: none);
-- $10-$13 topic, partition, offset and cluster of the command.
WITH instant AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), before AS MATERIALIZED (
    SELECT q.version,
           q.topic = $10::text AND q.partition = $11::int AND q.position >= $12::bigint
           AND q.cluster_id = $13::text AS passed
    FROM queue q WHERE q.name = $1::text
), changed AS (
    UPDATE queue q
    SET version = q.version + 1, updated_at = i.now,
        paused_at = CASE WHEN $3::boolean IS NULL THEN q.paused_at
                         WHEN $3::boolean THEN coalesce(q.paused_at, i.now) END,
        pause_reason = CASE WHEN $3::boolean IS NULL THEN q.pause_reason
                            WHEN $3::boolean THEN $4::text END,
        concurrency = CASE WHEN $5::boolean THEN $6::int ELSE q.concurrency END,
        rate = CASE WHEN $7::boolean THEN $8::float8 ELSE q.rate END,
        burst = CASE WHEN $7::boolean THEN $9::float8 ELSE q.burst END,
        tokens = CASE WHEN $7::boolean THEN coalesce($9::float8, 0) ELSE q.tokens END,
        filled_at = CASE WHEN $7::boolean THEN i.now ELSE q.filled_at END,
        topic = $10::text, partition = $11::int, position = $12::bigint, cluster_id = $13::text
    FROM instant i
    WHERE q.name = $1::text AND ($2::int IS NULL OR q.version = $2::int)
      AND NOT (q.topic = $10::text AND q.partition = $11::int AND q.position >= $12::bigint
               AND q.cluster_id = $13::text)
    RETURNING q.version
), made AS (
    INSERT INTO queue (name, version, paused_at, pause_reason, concurrency, rate, burst, tokens,
                       topic, partition, position, cluster_id)
    SELECT $1::text, 1, CASE WHEN $3::boolean THEN i.now END, CASE WHEN $3::boolean THEN $4::text END,
           $6::int, $8::float8, $9::float8, coalesce($9::float8, 0),
           $10::text, $11::int, $12::bigint, $13::text
    FROM instant i
    WHERE $2::int IS NULL AND NOT EXISTS (SELECT FROM before)
    ON CONFLICT DO NOTHING
    RETURNING version
)
SELECT coalesce((SELECT version FROM changed), (SELECT version FROM made)) AS version,
       coalesce((SELECT passed FROM before), false) AS passed,
       (SELECT version FROM before) AS before;
