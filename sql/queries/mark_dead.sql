-- Marks nodes $3 dead for the master $1 of epoch $2: silent for $4 ms by the database's clock, and
-- with the very heartbeats $5 that the master has watched for so long: one that came since, under a
-- clock that was stepped, saves its node. Their guards go with them, which waits for a dispatch that
-- holds one FOR KEY SHARE; what it assigned is seen by the sweep, which is a later statement.
WITH lease AS MATERIALIZED (
    SELECT true FROM master
    WHERE owner = $1::uuid AND epoch = $2::bigint AND expires_at > clock_timestamp()
    FOR SHARE
), silent AS MATERIALIZED (
    SELECT n.id
    FROM unnest($3::uuid[], $5::timestamptz[]) AS watched(id, heartbeat_at)
    CROSS JOIN LATERAL (
        SELECT n.id FROM node n
        WHERE n.id = watched.id AND n.dead_at IS NULL AND n.heartbeat_at = watched.heartbeat_at
          AND n.heartbeat_at < clock_timestamp() - $4::bigint * interval '1 ms'
        FOR UPDATE
    ) AS n
    WHERE EXISTS (SELECT FROM lease)
), marked AS (
    UPDATE node n SET dead_at = clock_timestamp(), dead_reason = 'no heartbeat'
    FROM silent s WHERE n.id = s.id
    RETURNING n.id
), unguarded AS (
    DELETE FROM node_guard g USING marked m WHERE g.id = m.id
)
SELECT EXISTS (SELECT FROM lease) AS held, ARRAY(SELECT id FROM marked) AS marked;
