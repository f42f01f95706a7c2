-- As in 2.sql.
PRAGMA writable_schema = ON;

-- Who held TCP's memory, by the newest look at all sockets; NULL where nobody has looked lately. Bytes, by holder as in
-- docs/memory.md.
UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ', held_stalled_send_bytes INTEGER, held_send_bytes INTEGER, held_receive_bytes INTEGER, held_orphans_bytes INTEGER, held_unlisted_bytes INTEGER) STRICT')
WHERE name = 'host_seconds';

-- When it was by the clock that never steps, milliseconds since the host started; NULL in rows of older versions.
UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ', boot_ms INTEGER) STRICT') WHERE name = 'events';
UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ', began_boot_ms INTEGER, ended_boot_ms INTEGER) STRICT')
WHERE name = 'incidents';

PRAGMA writable_schema = RESET;
