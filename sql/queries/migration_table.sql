-- Makes the table of migrations. Settles: two programs that start on an empty database at once; the
-- lock is the one that every migration takes.
DO $body$
BEGIN
    PERFORM pg_advisory_xact_lock(7237106);
    CREATE TABLE IF NOT EXISTS schema_migration (
        version    integer PRIMARY KEY,
        name       text NOT NULL,
        checksum   text NOT NULL,          -- SHA-256 of the script
        applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
END
$body$;
