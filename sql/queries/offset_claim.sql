-- The first record of a partition was seen: it is stored from there. Settles: two consumers that
-- both believe so (the first row stays; the store of the other one finds another offset and stores
-- nothing), and a gap that was accepted ($5 cluster and $6 offset that are given up; null: there was
-- no row).
-- $1 topic, $2 partition, $3 Kafka's cluster id, $4 offset.
INSERT INTO ingest_offset AS o (topic, partition, cluster_id, next)
VALUES ($1::text, $2::int, $3::text, $4::bigint)
ON CONFLICT (topic, partition) DO UPDATE
SET cluster_id = excluded.cluster_id, next = excluded.next, updated_at = clock_timestamp()
WHERE o.cluster_id = $5::text AND o.next = $6::bigint;
