-- Each row that comes back is a broken promise. Run it at any time:
--   psql -f sql/invariants.sql
SELECT 'task without a due row, an open attempt or an end' AS broken, t.id::text AS what
FROM task t
WHERE NOT EXISTS (SELECT FROM due d WHERE d.task_id = t.id)
  AND NOT EXISTS (SELECT FROM task_end e WHERE e.task_id = t.id)
  AND NOT EXISTS (SELECT FROM attempt a WHERE a.task_id = t.id
                  AND (a.outcome IS NULL OR a.outcome = 'succeeded'))
UNION ALL
SELECT 'task with a due row and an open attempt', d.task_id::text
FROM due d JOIN attempt a ON a.task_id = d.task_id AND a.outcome IS NULL
UNION ALL
SELECT 'ended task that still waits', d.task_id::text
FROM due d JOIN task_end e ON e.task_id = d.task_id
UNION ALL
SELECT 'ended task with an open attempt', a.task_id::text
FROM attempt a JOIN task_end e ON e.task_id = a.task_id WHERE a.outcome IS NULL
UNION ALL
SELECT 'two open attempts of one task', task_id::text
FROM attempt WHERE outcome IS NULL GROUP BY task_id HAVING count(*) > 1
UNION ALL
SELECT 'task that succeeded and waits, runs or ended otherwise', s.task_id::text
FROM attempt s
WHERE s.outcome = 'succeeded'
  AND (EXISTS (SELECT FROM due d WHERE d.task_id = s.task_id)
       OR EXISTS (SELECT FROM task_end e WHERE e.task_id = s.task_id)
       OR EXISTS (SELECT FROM attempt a WHERE a.task_id = s.task_id AND a.token > s.token))
UNION ALL
SELECT 'row of a task that is not there', task_id::text
FROM (SELECT task_id FROM due UNION ALL SELECT task_id FROM attempt UNION ALL
      SELECT task_id FROM task_end UNION ALL SELECT task_id FROM task_tag UNION ALL
      SELECT task_id FROM task_action) r
WHERE NOT EXISTS (SELECT FROM task t WHERE t.id = r.task_id)
UNION ALL
SELECT 'waiting task whose last token is not its last attempt', d.task_id::text
FROM due d
WHERE d.token <> coalesce((SELECT max(a.token) FROM attempt a WHERE a.task_id = d.task_id), 0)
UNION ALL
SELECT 'started before it was assigned', task_id::text FROM attempt WHERE started_at < assigned_at
UNION ALL
SELECT 'assigned before it was due', a.task_id::text
FROM attempt a JOIN task t ON t.id = a.task_id
WHERE a.assigned_at < t.run_at
  AND NOT EXISTS (SELECT FROM task_action x -- started anew since, which made it due anew
                  WHERE x.task_id = a.task_id AND x.action = 'retry' AND x.applied AND x.at > a.assigned_at)
UNION ALL
SELECT 'permit without its open attempt', p.task_id::text
FROM permit p
WHERE NOT EXISTS (SELECT FROM attempt a WHERE a.task_id = p.task_id AND a.outcome IS NULL AND a.limited)
UNION ALL
SELECT 'open attempt without its permit', a.task_id::text
FROM attempt a
WHERE a.outcome IS NULL AND a.limited AND NOT EXISTS (SELECT FROM permit p WHERE p.task_id = a.task_id)
UNION ALL
SELECT 'dead node with a guard, or live one without', n.id::text
FROM node n
WHERE (n.dead_at IS NULL) <> EXISTS (SELECT FROM node_guard g WHERE g.id = n.id)
UNION ALL
SELECT 'not exactly one master row', count(*)::text FROM master HAVING count(*) <> 1
UNION ALL
SELECT 'fire that is missing from the ledger, or twice in it', g.schedule_id::text || ' ' || g.fire_at
FROM fire_gap g
UNION ALL
SELECT 'fire without its task, or two tasks of one fire', f.schedule_id::text || ' ' || f.fire_at
FROM fire f
WHERE f.task_id IS NOT NULL
  AND f.decided_at > now() - interval '1 hour'
  AND (SELECT count(*) FROM task t WHERE t.schedule_id = f.schedule_id AND t.fire_at = f.fire_at) <> 1
UNION ALL
SELECT 'task of a fire that the ledger does not know', t.id::text
FROM task t
WHERE t.fire_at IS NOT NULL AND t.stored_at > now() - interval '1 hour'
  AND NOT EXISTS (SELECT FROM fire f
                  WHERE f.schedule_id = t.schedule_id AND f.fire_at = t.fire_at AND f.task_id = t.id)
UNION ALL
SELECT 'schedule that stands before what is decided', s.id::text
FROM schedule s WHERE s.next_at <= s.decided_at
UNION ALL
SELECT 'schedule that is not deleted and has no definition', s.id::text
FROM schedule s
WHERE s.deleted_at IS NULL
  AND NOT EXISTS (SELECT FROM schedule_version v
                  WHERE v.schedule_id = s.id AND v.version = s.version AND v.until_at IS NULL)
UNION ALL
SELECT 'fire that is kept back and forgotten, or the other way', f.schedule_id::text || ' ' || f.fire_at
FROM fire f
WHERE f.reason = 'buffered'
  AND NOT EXISTS (SELECT FROM schedule s WHERE s.id = f.schedule_id AND f.fire_at = ANY (s.kept))
UNION ALL
SELECT 'definition with fires to decide that nobody looks at', v.schedule_id::text
FROM schedule_version v JOIN schedule s ON s.id = v.schedule_id
WHERE v.until_at IS NOT NULL AND s.look_at IS NULL;
