-- Wakes who sleeps on the channels $1. A transaction of its own: it writes nothing and so is not
-- held up by the disk, and the lock that all notifying commits share is not held through a flush.
SELECT pg_notify(c, $2::text) FROM unnest($1::text[]) AS c;
