-- Every attempt of a task. A row without a token: there is no such task, or it has none. $1 task.
SELECT w.found, a.token, a.executor, n.name AS executor_name, a.inbox, a.assigned_at, a.started_at,
       a.finished_at, a.outcome::text, a.exit_code, a.error, a.cancel_at, a.cancel_reason
FROM (SELECT (SELECT true FROM task t WHERE t.id = $1::uuid LIMIT 1) AS found) AS w
LEFT JOIN LATERAL (SELECT * FROM attempt a WHERE a.task_id = $1::uuid ORDER BY a.token LIMIT 1000)
    AS a ON true
LEFT JOIN LATERAL (SELECT n.name FROM node n WHERE n.id = a.executor LIMIT 1) AS n ON true
ORDER BY a.token;
