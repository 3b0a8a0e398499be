-- Forgets the state of executor $3, which is dead and has no open attempt: it need not be swept again.
DELETE FROM executor_state s
WHERE s.executor = $3::uuid
  AND EXISTS (SELECT FROM node n WHERE n.id = $3::uuid AND n.dead_at IS NOT NULL)
  AND EXISTS (SELECT FROM master WHERE owner = $1::uuid AND epoch = $2::bigint
              AND expires_at > clock_timestamp() FOR SHARE);
