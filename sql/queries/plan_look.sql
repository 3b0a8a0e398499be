-- Schedules whose time to be looked at has come, those that wait longest first, with the definition
-- by which their next fire is decided and what became of their last run; and, in the first row of
-- all, when the next look is due. $1 no earlier than this (what lies before was looked at), $2 how
-- many.
WITH instant AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), coming AS MATERIALIZED (
    SELECT s.look_at FROM instant i
    CROSS JOIN LATERAL (
        SELECT s.look_at FROM schedule s WHERE s.look_at > i.now ORDER BY s.look_at LIMIT 1
    ) AS s
)
SELECT i.now, (SELECT look_at FROM coming) AS coming_at,
       s.id, s.name, s.seq, s.status::text, s.deleted_at IS NOT NULL AS deleted,
       s.decided_at, s.runs, s.missed, s.last_run, s.judged, s.streak,
       cardinality(s.kept) AS kept, s.kept[1] AS first_kept, s.paused_until,
       v.version, v.from_at, v.until_at, v.paused, v.catch_up, v.version = s.version AS latest,
       v.start_deadline_ms,
       r.waits OR r.runs AS busy, r.failed, r.succeeded,
       l.fire_at AS row_at, CASE WHEN l.version = v.version THEN l.reason::text END AS row_reason
FROM instant i
LEFT JOIN LATERAL (
    SELECT s.* FROM schedule s
    WHERE s.look_at >= $1::timestamptz AND s.look_at <= i.now
    ORDER BY s.look_at LIMIT $2::int
) AS s ON true
LEFT JOIN LATERAL (
    SELECT v.version, v.from_at, v.until_at, v.paused, v.catch_up, v.start_deadline_ms FROM schedule_version v
    WHERE v.schedule_id = s.id ORDER BY v.version LIMIT 1
) AS v ON true
LEFT JOIN LATERAL (
    SELECT EXISTS (SELECT FROM due d WHERE d.task_id = s.last_run) AS waits,
           EXISTS (SELECT FROM attempt a
                   WHERE a.task_id = s.last_run AND a.outcome IS NULL) AS runs,
           EXISTS (SELECT FROM task_end e
                   WHERE e.task_id = s.last_run AND e.state = 'failed') AS failed,
           EXISTS (SELECT FROM attempt a
                   WHERE a.task_id = s.last_run AND a.outcome = 'succeeded') AS succeeded
) AS r ON true
LEFT JOIN LATERAL (
    SELECT f.fire_at, f.reason, f.version FROM fire f
    WHERE f.schedule_id = s.id ORDER BY f.fire_at DESC LIMIT 1
) AS l ON true;
