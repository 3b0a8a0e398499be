-- How the database knows the attempts of a report that it did not accept: a row that holds this same
-- report was ours (the first answer was lost on the way), anything else is fenced.
-- $1 executor, $2 task_id, $3 token, $4 inbox.
SELECT r.inbox, a.executor = $1::uuid AND a.inbox = r.inbox AS ours, a.outcome::text
FROM unnest($2::uuid[], $3::int[], $4::bigint[]) AS r(task_id, token, inbox)
CROSS JOIN LATERAL (
    SELECT a.executor, a.inbox, a.outcome FROM attempt a
    WHERE a.task_id = r.task_id AND a.token = r.token LIMIT 1
) AS a;
