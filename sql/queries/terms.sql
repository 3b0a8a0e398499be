-- The last terms of the masters, the newest first.
SELECT epoch, node, owner, began_at, ended_at, reason
FROM master_term ORDER BY epoch DESC LIMIT 20;
