-- Where partitions stand: $1 topics, $2 partitions. One that is missing was never stored from.
SELECT o.topic, o.partition, o.cluster_id, o.next
FROM unnest($1::text[], $2::int[]) AS w(topic, partition)
CROSS JOIN LATERAL (
    SELECT * FROM ingest_offset o WHERE o.topic = w.topic AND o.partition = w.partition LIMIT 1
) AS o;
