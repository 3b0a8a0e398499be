-- Walks the inbox of executor $1 upwards from number $2, $3 attempts at a time, ended ones included,
-- so that each step is short however long the inbox is. `upto` is where it stands (null: nothing
-- more); what is still open in this step stands in the arrays, in the order of the numbers.
WITH walked AS MATERIALIZED (
    SELECT a.inbox, a.task_id, a.token, a.outcome
    FROM attempt a
    WHERE a.executor = $1::uuid AND a.inbox > $2::bigint
    ORDER BY a.inbox LIMIT $3::int
), open AS MATERIALIZED (
    SELECT * FROM walked WHERE outcome IS NULL ORDER BY inbox
)
SELECT (SELECT max(inbox) FROM walked) AS upto,
       ARRAY(SELECT inbox FROM open) AS inboxes,
       ARRAY(SELECT task_id FROM open) AS task_ids,
       ARRAY(SELECT token FROM open) AS tokens;
