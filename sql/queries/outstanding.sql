-- What a former master assigned and executor $1 has not read yet: $2 is the last number it read,
-- $3 the first number of the new epoch.
SELECT count(*) FROM attempt
WHERE executor = $1::uuid AND inbox > $2::bigint AND inbox < $3::bigint AND outcome IS NULL;
