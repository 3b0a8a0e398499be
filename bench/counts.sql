-- What every workload is held against: each task that fell due has one attempt, which succeeded.
SELECT (SELECT count(*) FROM task) AS stored,
       (SELECT count(*) FROM due) AS waiting,
       (SELECT count(*) FROM task_end) AS ended_otherwise,
       (SELECT count(*) FROM rejected) AS rejected,
       count(*) AS attempts,
       count(DISTINCT task_id) AS ran,
       count(*) FILTER (WHERE outcome = 'succeeded') AS succeeded
FROM attempt
