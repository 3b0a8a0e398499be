-- Changes a schedule from now on: put (another definition; a paused one stays paused), pause,
-- resume, delete. What was due before is decided by the definition that held then: its row is
-- closed, not overwritten. Fires later than now that are tasks already are taken back, unless
-- dispatch was quicker. Settles: every other change and the master's decisions (seq must be as it
-- was read; what was written up to then is seen).
-- $1 id, $2 seq, $3 action, $4 topic, $5 partition, $6 offset, $23 Kafka's cluster of the command; $7 reason, $8 until
-- of a pause; $9 of a resume: fires of the pause count as missed; of a put: $10 definition, $11-$22
-- what a run is made of: type, name, queue, priority, on_lost, timeout_ms,
-- start_deadline_ms, retry, size, payload, work, tags.
WITH instant AS MATERIALIZED (
    SELECT clock_timestamp() AS now
), held AS MATERIALIZED (
    SELECT s.* FROM schedule s
    WHERE s.id = $1::uuid AND s.seq = $2::bigint AND s.deleted_at IS NULL
    FOR UPDATE
), old AS MATERIALIZED (
    SELECT v.*
    FROM held h
    CROSS JOIN LATERAL (
        SELECT v.* FROM schedule_version v
        WHERE v.schedule_id = h.id AND v.version = h.version LIMIT 1
    ) AS v
), ahead AS MATERIALIZED (
    SELECT f.fire_at, f.task_id
    FROM held h CROSS JOIN instant i
    CROSS JOIN LATERAL (
        SELECT f.* FROM fire f
        WHERE f.schedule_id = h.id AND f.fire_at > i.now AND f.task_id IS NOT NULL
    ) AS f
), back AS (
    DELETE FROM due WHERE task_id = ANY (ARRAY(SELECT task_id FROM ahead)) RETURNING task_id
), forgotten AS (
    DELETE FROM fire
    WHERE schedule_id = $1::uuid
      AND fire_at = ANY (ARRAY(SELECT a.fire_at FROM ahead a
                               WHERE a.task_id = ANY (ARRAY(SELECT task_id FROM back))))
    RETURNING fire_at, after_at
), untagged AS (
    DELETE FROM task_tag x USING (
        SELECT t.id, t.run_at, g.tag
        FROM back b
        CROSS JOIN LATERAL (SELECT * FROM task t WHERE t.id = b.task_id LIMIT 1) AS t
        CROSS JOIN LATERAL jsonb_array_elements_text(coalesce(t.tags, '[]')) AS g(tag)
    ) AS g
    WHERE x.tag = g.tag AND x.run_at = g.run_at AND x.task_id = g.id
), unasked AS (
    DELETE FROM task_action WHERE task_id = ANY (ARRAY(SELECT task_id FROM back))
), unmade AS (
    DELETE FROM task WHERE id = ANY (ARRAY(SELECT task_id FROM back))
), closed AS (
    UPDATE schedule_version v
    SET until_at = i.now, catch_up = v.paused AND coalesce($9::boolean, false)
    FROM old o, instant i
    WHERE v.schedule_id = o.schedule_id AND v.version = o.version
), defined AS (
    INSERT INTO schedule_version (schedule_id, version, from_at, paused, restarts, definition, type,
                                  name, queue, priority, on_lost, timeout_ms, start_deadline_ms,
                                  retry, size, payload, work, tags)
    SELECT o.schedule_id, o.version + 1, i.now,
           CASE $3::text WHEN 'put' THEN o.paused ELSE $3::text = 'pause' END, $3::text = 'put',
           n.definition, n.type, n.name, n.queue, n.priority, n.on_lost, n.timeout_ms,
           n.start_deadline_ms, n.retry, n.size, n.payload, n.work, n.tags
    FROM old o
    CROSS JOIN instant i
    CROSS JOIN LATERAL (
        SELECT $10::text::jsonb AS definition, $11::text AS type, $12::text AS name, $13::text AS queue,
               $14::smallint AS priority, $15::text AS on_lost, $16::bigint AS timeout_ms,
               $17::bigint AS start_deadline_ms, $18::text::jsonb AS retry, $19::int AS size, $20::text::jsonb AS payload, $21::text::jsonb AS work,
               $22::text::jsonb AS tags
        WHERE $3::text = 'put'
        UNION ALL
        SELECT o.definition, o.type, o.name, o.queue, o.priority, o.on_lost, o.timeout_ms,
               o.start_deadline_ms, o.retry, o.size, o.payload, o.work, o.tags
        WHERE $3::text <> 'put'
    ) AS n
    WHERE $3::text <> 'delete'
), given_up AS (
    UPDATE fire f SET reason = 'overlap'
    FROM held h
    WHERE $3::text = 'delete' AND f.schedule_id = h.id AND f.fire_at = ANY (h.kept)
)
UPDATE schedule s
SET seq = s.seq + 1, updated_at = i.now, next_at = NULL, look_at = i.now,
    version = s.version + ($3::text <> 'delete')::int,
    decided_at = coalesce((SELECT min(after_at) FROM forgotten), s.decided_at),
    runs = s.runs - (SELECT count(*) FROM forgotten),
    last_run = CASE WHEN EXISTS (SELECT FROM forgotten) THEN (
                        SELECT f.task_id FROM fire f
                        WHERE f.schedule_id = s.id AND f.task_id IS NOT NULL
                          AND f.fire_at < (SELECT min(fire_at) FROM forgotten)
                        ORDER BY f.fire_at DESC LIMIT 1)
                    ELSE s.last_run END,
    status = CASE WHEN $3::text = 'pause' OR ($3::text = 'put' AND s.status = 'paused')
                  THEN 'paused' ELSE 'active' END::schedule_status,
    pause_reason = CASE $3::text WHEN 'put' THEN s.pause_reason WHEN 'pause' THEN $7::text END,
    paused_at = CASE $3::text WHEN 'put' THEN s.paused_at WHEN 'pause' THEN i.now END,
    paused_until = CASE $3::text WHEN 'put' THEN s.paused_until
                                 WHEN 'pause' THEN $8::timestamptz END,
    streak = CASE $3::text WHEN 'put' THEN s.streak ELSE 0 END,
    judged = s.judged OR $3::text <> 'put',
    kept = CASE $3::text WHEN 'delete' THEN ARRAY[]::timestamptz[] ELSE s.kept END,
    deleted_at = CASE $3::text WHEN 'delete' THEN i.now END,
    topic = coalesce($4::text, s.topic), partition = coalesce($5::int, s.partition),
    position = coalesce($6::bigint, s.position), cluster_id = coalesce($23::text, s.cluster_id)
FROM held h, instant i
WHERE s.id = h.id
RETURNING s.version;
