-- Whether the command $2 about task $1 was applied; null: it is not judged yet, or the task is not known.
SELECT (SELECT x.applied FROM task_action x WHERE x.task_id = $1::uuid AND x.command = $2::uuid) AS applied,
       (SELECT s.state FROM task_state s WHERE s.task_id = $1::uuid) AS state;
