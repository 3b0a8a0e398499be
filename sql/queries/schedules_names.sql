-- Schedules for an import to be held against: those of the names $1, each with its place in the
-- list from 0; and where $2 all others that begin with $3, at most 20,000 of them.
SELECT s.name, s.definition, n.place
FROM (SELECT unnest($1::text[]) AS name,
             generate_series(0, cardinality($1::text[]) - 1) AS place) AS n
CROSS JOIN LATERAL (
    SELECT s.name, v.definition::text
    FROM schedule s
    JOIN schedule_version v ON v.schedule_id = s.id AND v.version = s.version
    WHERE s.name = n.name AND s.deleted_at IS NULL LIMIT 1
) AS s
UNION ALL
(SELECT s.name, NULL, NULL
 FROM schedule s
 WHERE $2::boolean AND s.deleted_at IS NULL AND s.name >= $3::text AND starts_with(s.name, $3::text)
   AND s.name <> ALL ($1::text[])
 ORDER BY s.name LIMIT 20000);
