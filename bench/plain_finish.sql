-- The reference of the drain: the row changes of a finish, by inbox number in place of one key a
-- task. $1 executor, $2 the inbox number before the first, $3 the last one.
UPDATE attempt
SET started_at = clock_timestamp(), finished_at = clock_timestamp(), outcome = 'succeeded'
WHERE executor = $1::uuid AND inbox > $2::bigint AND inbox <= $3::bigint AND outcome IS NULL
