-- Writes down where the partitions of topic $3 stand, once an hour, and answers what of each may
-- leave Kafka: what was stored before the newest mark that is older than $5 ms, never past the
-- offset that is stored now. Marks before that one are forgotten. Settles: a former master that
-- comes late. Partitions that stand in another Kafka than $4 are left alone.
-- $1 owner, $2 epoch.
WITH lease AS MATERIALIZED (
    SELECT true FROM master
    WHERE owner = $1::uuid AND epoch = $2::bigint AND expires_at > clock_timestamp()
    FOR SHARE
), place AS MATERIALIZED (
    SELECT o.topic, o.partition, o.next, old.at, old.next AS marked, newest.at AS newest
    FROM ingest_offset o
    LEFT JOIN LATERAL (
        SELECT m.at, m.next FROM ingest_mark m
        WHERE m.topic = o.topic AND m.partition = o.partition
          AND m.at < clock_timestamp() - $5::bigint * interval '1 ms'
        ORDER BY m.at DESC LIMIT 1
    ) AS old ON true
    LEFT JOIN LATERAL (
        SELECT m.at FROM ingest_mark m
        WHERE m.topic = o.topic AND m.partition = o.partition
        ORDER BY m.at DESC LIMIT 1
    ) AS newest ON true
    WHERE o.topic = $3::text AND o.cluster_id = $4::text AND EXISTS (SELECT FROM lease)
), marked AS (
    INSERT INTO ingest_mark (topic, partition, at, next)
    SELECT topic, partition, clock_timestamp(), next FROM place
    WHERE newest IS NULL OR newest < clock_timestamp() - interval '1 hour'
    ON CONFLICT DO NOTHING
), forgotten AS (
    DELETE FROM ingest_mark m USING place p
    WHERE m.topic = p.topic AND m.partition = p.partition AND m.at < p.at
)
SELECT partition, least(marked, next) AS before FROM place WHERE marked > 0;
