-- Tasks for test_lists.py and, a million of them, test_list_buffers.py: 60 % succeeded, 20 % scheduled,
-- 10 % failed, the rest cancelled, retrying, overdue, running, assigned. Types 70/20/9/1 %, three
-- priorities, tags, five queues, one rare, and one whose tasks are due long after all others. Most
-- were created over the last 30 days and due within a day of that.
SET synchronous_commit = off;

CREATE TEMP TABLE draft AS
SELECT i,
       (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - (:rows - i) * (2592000000 / :rows)),
             12, '0') || '7000' || '8' || lpad(to_hex(hashint4(i)::bigint & 268435455), 15, '0'))::uuid
           AS id,
       i % 100 AS kind,
       (hashint4(i + 7)::bigint & 65535) % 100 AS dice,
       now() - (:rows - i) * (interval '30 days' / :rows) AS created_at,
       (hashint4(i + 99)::bigint & 65535) * interval '1.3 s' AS wait
FROM generate_series(1, :rows) AS i;

INSERT INTO node (id, role, name, version, pid)
SELECT ('00000000-0000-4000-8000-00000000000' || n)::uuid, 'executor', 'executor-' || n, '', 1
FROM generate_series(1, 4) AS n;
INSERT INTO node_guard SELECT id FROM node;
INSERT INTO executor_state (executor, queues, credits, read_upto, low)
SELECT id, '{default}', 100, 0, (1::bigint << 32) + :rows / 2 FROM node;

INSERT INTO task (id, type, name, queue, priority, run_at, created_at, stored_at, on_lost, size,
                  payload, work, tags)
SELECT id,
       CASE WHEN dice < 70 THEN 'log' WHEN dice < 90 THEN 'shell' WHEN dice < 99 THEN 'http'
            ELSE 'kafka' END,
       'job.' || i % 50,
       CASE WHEN i % 5000 = 7 THEN 'rare'
            WHEN kind BETWEEN 15 AND 19 AND i > :rows * 0.9 THEN 'far' ELSE 'q' || dice % 5 END,
       (i % 3 - 1)::smallint,
       CASE WHEN kind BETWEEN 15 AND 19 AND i > :rows * 0.9 THEN now() + interval '60 days' + wait
            WHEN kind < 20 THEN now() + wait * 10 ELSE created_at - wait END,
       created_at, created_at, 'retry', 20, '{"n": 1}', NULL,
       CASE WHEN i % 10 = 3 THEN '["common"]'::jsonb WHEN i % 1000 = 11 THEN '["scarce"]' END
FROM draft;

INSERT INTO due (task_id, queue, priority, run_at, token, spent)
SELECT t.id, t.queue, t.priority, t.run_at, 0,
       (d.kind = 20)::int::smallint
FROM draft d JOIN task t ON t.id = d.id WHERE d.kind < 22;

INSERT INTO attempt (task_id, token, executor, inbox, assigned_at, started_at, finished_at, outcome)
SELECT id, 1, ('00000000-0000-4000-8000-00000000000' || i % 4 + 1)::uuid, (1::bigint << 32) + i,
       created_at, CASE WHEN i % 200 <> 22 THEN created_at END,
       CASE WHEN NOT (kind = 22 AND i > :rows * 0.9) THEN created_at END,
       CASE WHEN kind = 22 AND i > :rows * 0.9 THEN NULL WHEN kind BETWEEN 30 AND 39 THEN 'failed'
            WHEN kind = 20 THEN 'lost' ELSE 'succeeded' END::attempt_outcome
FROM draft
WHERE kind >= 20 AND kind <> 21 AND kind NOT BETWEEN 23 AND 26
ORDER BY i;

INSERT INTO task_end (task_id, state, reason, ended_at, type, queue, run_at, created_at)
SELECT t.id, CASE WHEN d.kind < 30 THEN 'cancelled' ELSE 'failed' END::end_state, 'x', t.created_at,
       t.type, t.queue, t.run_at, t.created_at
FROM draft d JOIN task t ON t.id = d.id WHERE d.kind BETWEEN 23 AND 26 OR d.kind BETWEEN 30 AND 39;

INSERT INTO task_tag (tag, run_at, task_id)
SELECT t.tags ->> 0, t.run_at, t.id FROM task t WHERE t.tags IS NOT NULL;
DROP TABLE draft;
