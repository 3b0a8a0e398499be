-- Which migrations have been applied, in order.
SELECT version, name, checksum FROM schema_migration ORDER BY version;
