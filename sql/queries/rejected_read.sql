-- Rejected records that are not in <prefix>dead-letters yet, the oldest first: at most $1 of them,
-- each cut to $2 bytes so that it fits into a record again.
SELECT topic, partition, position, task_id, code, detail, key, substr(bytes, 1, $2::int) AS bytes,
       octet_length(bytes) > $2::int AS cut, at
FROM rejected
WHERE published_at IS NULL
ORDER BY at
LIMIT $1::int;
