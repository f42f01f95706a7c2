-- Columns are added to the text of their tables, as SQLite documents it for changes that touch no row: `ALTER TABLE`
-- does the same to it, and reads all of a STRICT table for each column.
PRAGMA writable_schema = ON;

-- What is known of an OOM kill: an object of the schema docs/schema/oom-kill.json; NULL of other notes.
UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ', json TEXT) STRICT') WHERE name = 'notes';

-- Workers of our own programs that waited for the peer, at least; NULL where none is seen to wait.
UPDATE sqlite_schema SET sql = replace(sql, ',
    PRIMARY KEY', ', held_workers INTEGER,
    PRIMARY KEY') WHERE name = 'peer_seconds';

-- Orphans that the kernel allows, and connections that it closed for want of memory or of room for them.
UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ', orphan_limit INTEGER, aborted_on_memory INTEGER) STRICT')
WHERE name = 'host_seconds';

PRAGMA writable_schema = RESET;
