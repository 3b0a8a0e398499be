-- Removes tasks that succeeded on executor $3 more than $4 ms ago, walking its inbox upwards from
-- number $5, at most $6 attempts at a time. Where the walk stands comes back as `upto`; null: it has
-- reached what must stay.
WITH lease AS MATERIALIZED (
    SELECT true FROM master
    WHERE owner = $1::uuid AND epoch = $2::bigint AND expires_at > clock_timestamp()
    FOR SHARE
), seen AS MATERIALIZED (
    SELECT a.task_id, a.inbox, a.outcome, a.finished_at, a.assigned_at
    FROM attempt a
    WHERE a.executor = $3::uuid AND a.inbox > $5::bigint AND EXISTS (SELECT FROM lease)
    ORDER BY a.inbox LIMIT $6::int
), instant AS MATERIALIZED (
    SELECT clock_timestamp() - $4::bigint * interval '1 ms' AS before
), old AS MATERIALIZED (
    SELECT s.task_id FROM seen s, instant i
    WHERE s.outcome = 'succeeded' AND s.finished_at < i.before
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
), tasks AS (
    DELETE FROM task WHERE id = ANY (ARRAY(SELECT task_id FROM old)) RETURNING id
)
SELECT EXISTS (SELECT FROM lease) AS held, (SELECT count(*) FROM tasks) AS removed,
       (SELECT max(s.inbox) FROM seen s, instant i
        WHERE s.assigned_at < i.before
          AND NOT EXISTS (SELECT FROM seen e WHERE e.inbox < s.inbox AND e.assigned_at >= i.before))
           AS upto;
