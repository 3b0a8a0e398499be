-- What a task that could not be cancelled has become. `moves`: it waits or runs again by now, the
-- cancel starts over, but where this command is written down already: it has had its say. Else it
-- is now. $1 task, $2 reason, $3 command (null: an old one).
WITH seen AS MATERIALIZED (
    SELECT w.id, s.state,
           NOT EXISTS (SELECT FROM task_action x WHERE x.task_id = w.id AND x.command = $3::uuid)
           AND (EXISTS (SELECT FROM due d WHERE d.task_id = w.id)
                OR EXISTS (SELECT FROM attempt a WHERE a.task_id = w.id AND a.outcome IS NULL)) AS moves
    FROM (SELECT $1::uuid AS id) AS w
    LEFT JOIN LATERAL (SELECT s.state FROM task_state s WHERE s.task_id = w.id LIMIT 1) AS s ON true
), noted AS (
    INSERT INTO task_action (task_id, command, action, reason, applied)
    SELECT t.id, $3::uuid, 'cancel', $2::text, false
    FROM seen s CROSS JOIN LATERAL (SELECT t.id FROM task t WHERE t.id = s.id FOR KEY SHARE) AS t
    WHERE NOT s.moves AND $3::uuid IS NOT NULL
    ON CONFLICT DO NOTHING
)
SELECT coalesce(state, 'unknown') AS state, moves FROM seen;
