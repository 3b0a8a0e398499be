-- A page of schedules by name: the first $2 that fit, among at most $5 that are walked. $1 names
-- after this one, $3 status or null, $4 tag or null. A last row without an id says how far the walk
-- came, where it was cut. Payloads and the types' parts are left out.
WITH walked AS MATERIALIZED (
    SELECT s.name, s.id, s.version, s.status, s.created_at, s.updated_at,
           v.definition #- '{task,payload}' #- ARRAY['task', v.type] AS definition,
           s.runs, s.streak, s.pause_reason, s.paused_at, s.paused_until
    FROM (
        SELECT s.* FROM schedule s
        WHERE s.deleted_at IS NULL AND s.name > $1::text
        ORDER BY s.name LIMIT $5::int
    ) AS s
    LEFT JOIN LATERAL (
        SELECT v.definition, v.type FROM schedule_version v
        WHERE v.schedule_id = s.id AND v.version = s.version LIMIT 1
    ) AS v ON true
)
(SELECT name, id, version, status::text, created_at, updated_at, definition::text, runs, streak,
        pause_reason, paused_at, paused_until
 FROM walked
 WHERE ($3::text IS NULL OR status::text = $3::text)
   AND ($4::text IS NULL OR coalesce(definition -> 'tags' @> to_jsonb($4::text), false))
 ORDER BY name LIMIT $2::int)
UNION ALL
SELECT max(name), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM walked HAVING count(*) = $5::int;
