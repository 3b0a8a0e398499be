-- Is there a table of migrations yet? Asked first, because a statement that names a missing table is
-- an error.
SELECT to_regclass('schema_migration') IS NOT NULL AS there;
