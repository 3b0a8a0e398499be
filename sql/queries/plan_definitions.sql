-- When schedules fire and by which policy, as they were put. $1 ids, $2 versions, $3 names.
SELECT a.id, a.version, a.name, v.definition ->> 'spec' AS spec, v.definition ->> 'policy' AS policy
FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::int[]) AS version, unnest($3::text[]) AS name) AS a
CROSS JOIN LATERAL (
    SELECT v.definition FROM schedule_version v
    WHERE v.schedule_id = a.id AND v.version = a.version LIMIT 1
) AS v;
