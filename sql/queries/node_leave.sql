-- A node signs off, or an executor reports its former incarnation gone. The row is taken FOR UPDATE,
-- which waits for a dispatch that holds it and is seen by every later one. $1 id, $2 reason.
WITH gone AS MATERIALIZED (
    SELECT id FROM node WHERE id = $1::uuid AND dead_at IS NULL FOR UPDATE
)
UPDATE node n SET dead_at = clock_timestamp(), dead_reason = $2::text
FROM gone WHERE n.id = gone.id
RETURNING n.id;
