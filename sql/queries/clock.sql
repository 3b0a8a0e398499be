-- What the database's clock says.
SELECT clock_timestamp() AS now;
