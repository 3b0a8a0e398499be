-- What a dispatch locks of an executor: a row that is there as long as its node lives, and is never
-- updated. The node's own row gets a new version with each heartbeat; versions that were locked while
-- they were replaced carry a multixact each, and under an old snapshot, which keeps all of them, every
-- dispatch looked up the members of each one.
CREATE TABLE node_guard (id uuid PRIMARY KEY);
INSERT INTO node_guard SELECT id FROM node WHERE dead_at IS NULL;
