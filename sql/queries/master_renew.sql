-- The holder $1 of epoch $2 renews its lease for $3 ms. No row: it is not the master any more.
UPDATE master
SET renewed_at = clock_timestamp(), expires_at = clock_timestamp() + $3::bigint * interval '1 ms'
WHERE owner = $1::uuid AND epoch = $2::bigint AND expires_at > clock_timestamp()
RETURNING clock_timestamp() AS now;
