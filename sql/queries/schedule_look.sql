-- A schedule by its name, as a command for it finds it: the one that lives, else the one that was
-- deleted last; and whether its definition is $2 already. $1 name.
SELECT s.id, s.seq, s.version, s.status::text, s.deleted_at, s.topic, s.partition, s.position,
       s.cluster_id,
       coalesce(v.definition = $2::text::jsonb, false) AS same
FROM schedule s
LEFT JOIN LATERAL (
    SELECT v.definition FROM schedule_version v
    WHERE v.schedule_id = s.id AND v.version = s.version LIMIT 1
) AS v ON true
WHERE s.name = $1::text
ORDER BY s.deleted_at DESC NULLS FIRST
LIMIT 1;
