-- Schedules $3 that could not be decided are looked at again in ten seconds, so that they stand in no
-- other's way. $1 owner, $2 epoch.
UPDATE schedule SET seq = seq + 1, look_at = clock_timestamp() + interval '10 s'
WHERE id = ANY ($3::uuid[]) AND look_at <= clock_timestamp()
  AND EXISTS (SELECT FROM master WHERE owner = $1::uuid AND epoch = $2::bigint
              AND expires_at > clock_timestamp() FOR SHARE);
