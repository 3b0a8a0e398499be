-- Removes tasks that ended otherwise than by success more than $3 ms ago, at most $4 of them.
-- Settles: a retry of the same task (one that is locked is passed over, and is gone then).
WITH lease AS MATERIALIZED (
    SELECT true FROM master
    WHERE owner = $1::uuid AND epoch = $2::bigint AND expires_at > clock_timestamp()
    FOR SHARE
), old AS MATERIALIZED (
    SELECT task_id, run_at FROM task_end
    WHERE ended_at < (SELECT clock_timestamp() - $3::bigint * interval '1 ms')
      AND EXISTS (SELECT FROM lease)
    ORDER BY ended_at LIMIT $4::int
    FOR UPDATE SKIP LOCKED
), tags AS (
    DELETE FROM task_tag x USING (
        SELECT t.id, t.run_at, g.tag
        FROM old o
        CROSS JOIN LATERAL (SELECT * FROM task t WHERE t.id = o.task_id LIMIT 1) AS t
        CROSS JOIN LATERAL jsonb_array_elements_text(coalesce(t.tags, '[]')) AS g(tag)
    ) AS g
    WHERE x.tag = g.tag AND x.run_at = g.run_at AND x.task_id = g.id
), attempts AS (
    DELETE FROM attempt WHERE task_id = ANY (ARRAY(SELECT task_id FROM old))
), actions AS (
    DELETE FROM task_action WHERE task_id = ANY (ARRAY(SELECT task_id FROM old))
), ends AS (
    DELETE FROM task_end WHERE task_id = ANY (ARRAY(SELECT task_id FROM old))
), tasks AS (
    DELETE FROM task WHERE id = ANY (ARRAY(SELECT task_id FROM old)) RETURNING id
)
SELECT EXISTS (SELECT FROM lease) AS held, (SELECT count(*) FROM tasks) AS removed;
