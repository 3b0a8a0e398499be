-- Removes nodes dead for more than $3 ms that no attempt names any more, and rejected records whose
-- dead letter is that old; says which executors attempts may still name.
WITH lease AS MATERIALIZED (
    SELECT true FROM master
    WHERE owner = $1::uuid AND epoch = $2::bigint AND expires_at > clock_timestamp()
    FOR SHARE
), gone AS (
    DELETE FROM node n
    WHERE n.dead_at < clock_timestamp() - $3::bigint * interval '1 ms'
      AND EXISTS (SELECT FROM lease)
      AND NOT EXISTS (SELECT FROM attempt a WHERE a.executor = n.id)
      AND NOT EXISTS (SELECT FROM executor_state s WHERE s.executor = n.id)
    RETURNING n.id
), letters AS (
    DELETE FROM rejected r USING (
        SELECT o.ctid AS place FROM rejected o
        WHERE o.published_at < clock_timestamp() - $3::bigint * interval '1 ms'
          AND EXISTS (SELECT FROM lease)
        LIMIT 1000
    ) AS o
    WHERE r.ctid = o.place
)
SELECT EXISTS (SELECT FROM lease) AS held,
       ARRAY(SELECT id FROM node WHERE role = 'executor') AS executors,
       (SELECT count(*) FROM gone) AS removed;
