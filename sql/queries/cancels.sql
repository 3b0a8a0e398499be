-- Which of the attempts that an executor holds are to be cancelled. The request stands on the open
-- attempt, so finish and recovery see it too, whoever comes first.
-- $1 executor, $2 task_id, $3 token.
SELECT ARRAY(
    SELECT a.inbox
    FROM unnest($2::uuid[], $3::int[]) AS r(task_id, token)
    CROSS JOIN LATERAL (
        SELECT a.executor, a.inbox, a.outcome, a.cancel_at FROM attempt a
        WHERE a.task_id = r.task_id AND a.token = r.token LIMIT 1
    ) AS a
    WHERE a.executor = $1::uuid AND a.outcome IS NULL AND a.cancel_at IS NOT NULL
) AS inboxes;
