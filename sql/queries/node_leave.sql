-- A node signs off, or an executor reports its former incarnation gone. Its guard goes with it, which
-- waits for a dispatch that holds it; a later one finds none. $1 id, $2 reason.
WITH gone AS MATERIALIZED (
    SELECT id FROM node WHERE id = $1::uuid AND dead_at IS NULL FOR UPDATE
), unguarded AS (
    DELETE FROM node_guard g USING gone WHERE g.id = gone.id
)
UPDATE node n SET dead_at = clock_timestamp(), dead_reason = $2::text
FROM gone WHERE n.id = gone.id
RETURNING n.id;
