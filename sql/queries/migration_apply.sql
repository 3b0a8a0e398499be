-- Applies one migration unless its row is there. The message is one transaction: of two programs at
-- once the second one waits for the lock, sees the row of the first and leaves the script alone.
-- Sent as a script; @version@, @name@, @checksum@ and @script@ are put in by common/migrate.c.
SELECT set_config('statement_timeout', '0', true);
DO $rota_apply$
BEGIN
    PERFORM pg_advisory_xact_lock(7237106);
    IF NOT EXISTS (SELECT FROM schema_migration WHERE version = @version@) THEN
        INSERT INTO schema_migration (version, name, checksum)
        VALUES (@version@, '@name@', '@checksum@');
        EXECUTE $rota_script$@script@$rota_script$;
    END IF;
END
$rota_apply$;
