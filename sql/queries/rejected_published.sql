-- Marks rejected records as published, for the master $1 of epoch $2. Settles: a former master that
-- comes late (it changes nothing; the records were sent, and may be sent again).
-- $3 topic, $4 partition, $5 position.
UPDATE rejected r SET published_at = clock_timestamp()
FROM unnest($3::text[], $4::int[], $5::bigint[]) AS p(topic, partition, position)
WHERE r.topic = p.topic AND r.partition = p.partition AND r.position = p.position
  AND r.published_at IS NULL
  AND EXISTS (SELECT FROM master WHERE owner = $1::uuid AND epoch = $2::bigint
              AND expires_at > clock_timestamp() FOR SHARE);
