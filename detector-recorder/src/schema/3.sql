-- Who held TCP's memory, by the newest look at all sockets of at most ten seconds ago; NULL where nobody looked.
-- Bytes, by holder as in docs/memory.md.
ALTER TABLE host_seconds ADD COLUMN held_stalled_send_bytes INTEGER;
ALTER TABLE host_seconds ADD COLUMN held_send_bytes INTEGER;
ALTER TABLE host_seconds ADD COLUMN held_receive_bytes INTEGER;
ALTER TABLE host_seconds ADD COLUMN held_orphans_bytes INTEGER;
ALTER TABLE host_seconds ADD COLUMN held_unlisted_bytes INTEGER;

-- When it was by the clock that never steps, milliseconds since the host started; NULL in rows of older versions.
ALTER TABLE events ADD COLUMN boot_ms INTEGER;
ALTER TABLE incidents ADD COLUMN began_boot_ms INTEGER;
ALTER TABLE incidents ADD COLUMN ended_boot_ms INTEGER;
