-- Removes decisions older than $3 ms, and schedules that were deleted as long ago and have nothing
-- left to decide, at most $4 of each; and specs by which no row that is there was decided. The last decision of a schedule stays: the next one goes on
-- from it.
WITH lease AS MATERIALIZED (
    SELECT true FROM master
    WHERE owner = $1::uuid AND epoch = $2::bigint AND expires_at > clock_timestamp()
    FOR SHARE
), instant AS MATERIALIZED (
    SELECT clock_timestamp() - $3::bigint * interval '1 ms' AS before
), old AS MATERIALIZED (
    SELECT f.ctid AS place
    FROM fire f
    WHERE f.decided_at < (SELECT before FROM instant) AND EXISTS (SELECT FROM lease)
      AND f.reason IS DISTINCT FROM 'buffered'
      AND EXISTS (SELECT FROM fire l
                  WHERE l.schedule_id = f.schedule_id AND l.fire_at > f.fire_at)
    ORDER BY f.decided_at, f.fire_at LIMIT $4::int
), gone AS MATERIALIZED (
    SELECT s.id
    FROM schedule s
    WHERE s.deleted_at < (SELECT before FROM instant) AND s.look_at IS NULL AND EXISTS (SELECT FROM lease)
    ORDER BY s.deleted_at LIMIT $4::int
), fires AS (
    DELETE FROM fire WHERE ctid = ANY (ARRAY(SELECT place FROM old)) RETURNING 1
), unused AS (
    DELETE FROM schedule_spec p
    USING (SELECT DISTINCT f.schedule_id
           FROM fire f WHERE f.ctid = ANY (ARRAY(SELECT place FROM old))) AS o
    WHERE p.schedule_id = o.schedule_id
      AND EXISTS (SELECT FROM schedule_spec n
                  WHERE n.schedule_id = p.schedule_id AND n.version > p.version
                    AND n.version <= (SELECT f.version FROM fire f
                                      WHERE f.schedule_id = p.schedule_id
                                      ORDER BY f.fire_at LIMIT 1))
), last AS (
    DELETE FROM fire f USING gone g WHERE f.schedule_id = g.id
), specs AS (
    DELETE FROM schedule_spec p USING gone g WHERE p.schedule_id = g.id
), versions AS (
    DELETE FROM schedule_version v USING gone g WHERE v.schedule_id = g.id
), schedules AS (
    DELETE FROM schedule WHERE id = ANY (ARRAY(SELECT id FROM gone)) RETURNING 1
)
SELECT EXISTS (SELECT FROM lease) AS held,
       (SELECT count(*) FROM fires) + (SELECT count(*) FROM schedules) AS removed;
