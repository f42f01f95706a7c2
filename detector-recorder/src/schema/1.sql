-- Times: `time_ms` Unix milliseconds of the wall clock, `boot_ms` milliseconds since the host started.
-- `json` is the object that the control socket shows, by the schemas in docs/schemas.

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Runs of the agent. `end` is NULL while it runs, and for ever if it was killed.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    host TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    version TEXT NOT NULL,
    began_ms INTEGER NOT NULL,
    began_boot_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    last_boot_ms INTEGER NOT NULL,
    end TEXT
) STRICT;

CREATE TABLE gaps (
    id INTEGER PRIMARY KEY,
    from_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT;

-- The host. `span` is how many seconds the row stands for: 1 when it is new, then 10, then 60; of the
-- seconds it stands for, it is the one in which the host was pressed hardest.
CREATE TABLE host_seconds (
    id INTEGER PRIMARY KEY,
    span INTEGER NOT NULL,
    run INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    boot_ms INTEGER NOT NULL,
    load_one REAL,
    cpu_some_percent REAL,
    memory_some_percent REAL,
    memory_full_percent REAL,
    io_some_percent REAL,
    io_full_percent REAL,
    memory_total_bytes INTEGER,
    memory_available_bytes INTEGER,
    tcp_memory_bytes INTEGER,
    tcp_memory_pressure_bytes INTEGER,
    tcp_memory_limit_bytes INTEGER,
    tcp_sockets INTEGER,
    orphans INTEGER,
    time_wait INTEGER,
    listen_overflows INTEGER,
    listen_drops INTEGER,
    interface_errors INTEGER,
    interface_drops INTEGER,
    oom_kills INTEGER,
    stalled_connections INTEGER,
    pinned_bytes INTEGER,
    held_workers INTEGER,
    peers INTEGER,
    zero_window_episodes INTEGER,
    window_shrinks_polite INTEGER,
    window_shrinks_below_flight INTEGER,
    window_shrinks_treason INTEGER,
    retransmits_loss INTEGER,
    retransmits_tail_probe INTEGER,
    retransmits_window_probe INTEGER,
    records_lost INTEGER,
    agent_cpu_share REAL,
    agent_resident_bytes INTEGER
) STRICT;
CREATE INDEX host_seconds_time ON host_seconds (time_ms);
CREATE INDEX host_seconds_span ON host_seconds (span, time_ms);

-- The peers that cost most in that second.
CREATE TABLE peer_seconds (
    second INTEGER NOT NULL REFERENCES host_seconds (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    peer TEXT NOT NULL,
    verdict TEXT,
    severity TEXT,
    stalled_connections INTEGER NOT NULL,
    pinned_bytes INTEGER NOT NULL,
    zero_window_episodes INTEGER NOT NULL,
    window_shrinks_polite INTEGER NOT NULL,
    window_shrinks_below_flight INTEGER NOT NULL,
    window_shrinks_treason INTEGER NOT NULL,
    bytes_acked_per_second INTEGER NOT NULL,
    PRIMARY KEY (second, place)
) STRICT, WITHOUT ROWID;

-- Flags raised, flags cleared, zero-window episodes. `id` goes on across runs.
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    peer TEXT NOT NULL,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX events_time ON events (time_ms);
CREATE INDEX events_peer ON events (peer, id);

-- What else happened: `verdict`, `action`, `configuration`, `kernel`, `oom-kill`.
CREATE TABLE notes (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    boot_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    peer TEXT,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX notes_time ON notes (time_ms);

-- `ended_ms` is NULL while the incident goes on.
CREATE TABLE incidents (
    id TEXT PRIMARY KEY,
    run INTEGER NOT NULL,
    began_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX incidents_time ON incidents (began_ms);

-- The newest of what was known of a peer: the object of /v1/peers/PEER without its events.
CREATE TABLE cards (
    peer TEXT PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    boot_ms INTEGER NOT NULL,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX cards_time ON cards (time_ms);

-- How the window of a suspect's connection moved, from before the flag. Sequence numbers modulo 2^32.
CREATE TABLE windows (
    id INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    boot_ms INTEGER NOT NULL,
    peer TEXT NOT NULL,
    local TEXT NOT NULL,
    remote TEXT NOT NULL,
    snd_una INTEGER NOT NULL,
    snd_nxt INTEGER NOT NULL,
    edge INTEGER NOT NULL,
    edge_max INTEGER NOT NULL,
    window_bytes INTEGER NOT NULL,
    queued_bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX windows_time ON windows (time_ms);
CREATE INDEX windows_peer ON windows (peer, time_ms);
