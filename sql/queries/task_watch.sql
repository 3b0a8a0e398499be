-- How far the tasks are that requests wait for. $1 ids, $2 $3 $4 topics, partitions and offsets of
-- the records that asked for them (nulls: none). `passed`: that record is stored or refused.
SELECT s.state, coalesce(o.next > w.position, w.position IS NULL) AS passed,
       r.code IS NOT NULL AS refused
FROM unnest($1::uuid[], $2::text[], $3::int[], $4::bigint[])
     WITH ORDINALITY AS w(id, topic, partition, position, place)
LEFT JOIN LATERAL (SELECT s.state FROM task_state s WHERE s.task_id = w.id LIMIT 1) AS s ON true
LEFT JOIN LATERAL (
    SELECT r.code FROM rejected r
    WHERE r.topic = w.topic AND r.partition = w.partition AND r.position = w.position LIMIT 1
) AS r ON true
LEFT JOIN LATERAL (
    SELECT o.next FROM ingest_offset o
    WHERE o.topic = w.topic AND o.partition = w.partition LIMIT 1
) AS o ON true
ORDER BY w.place;
