-- A process registers under its fresh identity.
-- $1 id, $2 role, $3 name, $4 version, $5 pid, $6 queues, $7 types, $8 slots.
WITH joined AS (
    INSERT INTO node (id, role, name, version, pid, queues, types, slots)
    VALUES ($1::uuid, ($2::text)::node_role, $3::text, $4::text, $5::int, $6::text[], $7::text[],
            $8::int)
    ON CONFLICT (id) DO NOTHING
    RETURNING id
), guarded AS (
    INSERT INTO node_guard (id) SELECT id FROM joined
)
SELECT clock_timestamp() AS now FROM joined;
