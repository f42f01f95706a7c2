-- What is known of an OOM kill: an object of the schema docs/schema/oom-kill.json; NULL of other notes.
ALTER TABLE notes ADD COLUMN json TEXT;

-- Workers of our own programs that waited for the peer, at least; NULL where none is seen to wait.
ALTER TABLE peer_seconds ADD COLUMN held_workers INTEGER;

-- Orphans that the kernel allows, and connections that it closed for want of memory or of room for them.
ALTER TABLE host_seconds ADD COLUMN orphan_limit INTEGER;
ALTER TABLE host_seconds ADD COLUMN aborted_on_memory INTEGER;
