-- Decides fires: they become tasks, or rows of the ledger with the reason why not, and their
-- schedules move on. Settles: a master that is no longer one (lease), a change of the schedule at
-- the same moment (seq must be as it was read; a row that is locked is passed over and looked at
-- again), the same fire decided twice (the ledger's key).
-- $1 owner, $2 epoch; schedules: $3 id, $4 seq, $5 status, $6 next_at, $7 look_at, $8 decided_at,
-- $9 runs, $10 missed, $11 streak, $12 judged, $13 last run (null: the same), $14 a fire that is
-- kept, $15 true: the first one kept is let go, $16 the version up to which all is decided;
-- decisions: $17 schedule (its place in $3), $18 its id, $19 fire_at, $20 last_at, $21 count,
-- $22 reason, $23 task, $24 missed, $25 after_at, $26 version, $27 true: fire_at is a row that is
-- there, and grows or is let go; $28 when the task is due.
WITH instant AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), lease AS MATERIALIZED (
    SELECT true FROM master
    WHERE owner = $1::uuid AND epoch = $2::bigint AND expires_at > clock_timestamp()
    FOR SHARE
), held AS MATERIALIZED (
    SELECT a.*, s.place
    FROM (SELECT generate_series(1, cardinality($3::uuid[])) AS n,
                 unnest($3::uuid[]) AS id, unnest($4::bigint[]) AS seq, unnest($5::text[]) AS status,
                 unnest($6::timestamptz[]) AS next_at, unnest($7::timestamptz[]) AS look_at,
                 unnest($8::timestamptz[]) AS decided_at, unnest($9::bigint[]) AS runs,
                 unnest($10::bigint[]) AS missed, unnest($11::int[]) AS streak,
                 unnest($12::boolean[]) AS judged, unnest($13::uuid[]) AS last_run,
                 unnest($14::timestamptz[]) AS keep, unnest($15::boolean[]) AS let_go,
                 unnest($16::int[]) AS done) AS a
    CROSS JOIN LATERAL (
        SELECT s.ctid AS place FROM schedule s
        WHERE s.id = a.id AND s.seq = a.seq AND EXISTS (SELECT FROM lease)
        FOR UPDATE SKIP LOCKED
    ) AS s
), changed AS (
    UPDATE schedule s
    SET seq = s.seq + 1, status = h.status::schedule_status, next_at = h.next_at,
        look_at = h.look_at, decided_at = h.decided_at, missed = h.missed,
        runs = CASE WHEN h.done IS NOT NULL AND EXISTS (
                             SELECT FROM schedule_version v
                             WHERE v.schedule_id = h.id AND v.version = h.done + 1 AND v.restarts)
                    THEN 0 ELSE h.runs END,
        streak = h.streak, judged = h.judged, last_run = coalesce(h.last_run, s.last_run),
        kept = CASE WHEN h.let_go THEN s.kept[2:] ELSE s.kept END ||
               CASE WHEN h.keep IS NULL THEN ARRAY[]::timestamptz[] ELSE ARRAY[h.keep] END
    FROM held h
    WHERE s.ctid = h.place
    RETURNING h.n, h.id, h.done
), entry AS MATERIALIZED (
    SELECT e.*
    FROM (SELECT unnest($17::int[]) AS n, unnest($18::uuid[]) AS schedule_id,
                 unnest($19::timestamptz[]) AS fire_at, unnest($20::timestamptz[]) AS last_at,
                 unnest($21::bigint[]) AS count, unnest($22::text[])::fire_reason AS reason,
                 unnest($23::uuid[]) AS task_id, unnest($24::bigint[]) AS missed,
                 unnest($25::timestamptz[]) AS after_at, unnest($26::int[]) AS version,
                 unnest($27::boolean[]) AS grows, unnest($28::timestamptz[]) AS run_at) AS e
    WHERE e.n = ANY (ARRAY(SELECT n FROM changed))
), told AS (
    INSERT INTO fire (schedule_id, fire_at, last_at, count, reason, task_id, missed, version,
                      after_at, decided_at)
    SELECT schedule_id, fire_at, last_at, count, reason, task_id, missed, version, after_at,
           (SELECT now FROM instant)
    FROM entry WHERE NOT grows
), grown AS (
    UPDATE fire f
    SET last_at = e.last_at, count = f.count + e.count, decided_at = (SELECT now FROM instant)
    FROM entry e
    WHERE e.grows AND e.reason IS NOT NULL
      AND f.schedule_id = e.schedule_id AND f.fire_at = e.fire_at
), let_go AS (
    UPDATE fire f SET reason = NULL, task_id = e.task_id
    FROM entry e
    WHERE e.grows AND e.reason IS NULL
      AND f.schedule_id = e.schedule_id AND f.fire_at = e.fire_at AND f.reason = 'buffered'
), stored AS (
    INSERT INTO task (id, type, name, queue, priority, run_at, created_at, on_lost, timeout_ms,
                      start_deadline_ms, retry, size, payload, work, tags, schedule_id, fire_at)
    SELECT e.task_id, v.type, v.name, v.queue, v.priority, e.run_at, clock_timestamp(), v.on_lost,
           v.timeout_ms, v.start_deadline_ms, v.retry, v.size, v.payload, v.work, v.tags, e.schedule_id, e.fire_at
    FROM entry e
    CROSS JOIN LATERAL (
        SELECT v.* FROM schedule_version v
        WHERE v.schedule_id = e.schedule_id AND v.version = e.version LIMIT 1
    ) AS v
    WHERE e.task_id IS NOT NULL
    RETURNING id, queue, priority, run_at, start_deadline_ms, tags
), waiting AS (
    INSERT INTO due (task_id, queue, priority, run_at, token, spent, start_by)
    SELECT id, queue, priority, run_at, 0, 0, run_at + start_deadline_ms * interval '1 ms' FROM stored
), tagged AS (
    INSERT INTO task_tag (tag, run_at, task_id)
    SELECT DISTINCT t.tag, s.run_at, s.id
    FROM stored s CROSS JOIN LATERAL jsonb_array_elements_text(s.tags) AS t(tag)
    WHERE s.tags IS NOT NULL
), finished AS (
    DELETE FROM schedule_version v
    USING changed c
    WHERE c.done IS NOT NULL AND v.schedule_id = c.id AND v.version <= c.done
), lane AS MATERIALIZED (
    SELECT queue, priority::int AS priority, min(run_at) AS run_at
    FROM stored GROUP BY queue, priority
)
SELECT EXISTS (SELECT FROM lease) AS held, ARRAY(SELECT n FROM changed) AS changed,
       ARRAY(SELECT queue FROM lane ORDER BY queue, priority) AS queues,
       ARRAY(SELECT priority FROM lane ORDER BY queue, priority) AS priorities,
       ARRAY(SELECT run_at FROM lane ORDER BY queue, priority) AS run_ats,
       clock_timestamp() AS now;
