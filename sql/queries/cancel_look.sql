-- What a task that could not be cancelled has become. `moves`: it waits or runs again by now, the
-- cancel starts over. $1 task.
SELECT coalesce(s.state, 'unknown') AS state,
       EXISTS (SELECT FROM due d WHERE d.task_id = $1::uuid)
       OR EXISTS (SELECT FROM attempt a WHERE a.task_id = $1::uuid AND a.outcome IS NULL) AS moves
FROM (SELECT $1::uuid AS id) AS w
LEFT JOIN LATERAL (SELECT s.state FROM task_state s WHERE s.task_id = w.id LIMIT 1) AS s ON true;
