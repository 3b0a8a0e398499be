-- A heartbeat: touches the node's own timestamp and nothing else. No row: this node was marked dead
-- or is not registered, and must stop what it does.
UPDATE node SET heartbeat_at = clock_timestamp()
WHERE id = $1::uuid AND dead_at IS NULL
RETURNING heartbeat_at AS now;
