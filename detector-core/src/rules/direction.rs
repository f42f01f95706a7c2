//! Direction: whether we opened a connection, so that a peer that holds it is a tarpit and no
//! client of ours.
//!
//! Records do not carry it. What they carry are ports: a connection that we opened has a local port
//! of the range the kernel takes such ports from, which it shares with few others, and a remote
//! port below that range, where services are (443, but also 5432, 8080 or 9000 of a backend). The
//! remote end chooses its own port only, so no client of a service below the range passes for a
//! tarpit. A service of another host inside the range is not told from a client of ours.

/// The kernel's default range of ports for connections that a host opens.
pub(crate) const LOCAL_PORTS: (u16, u16) = (32_768, 60_999);

/// Tracked connections that share a local port from which it is a service of ours.
const LISTENS_FROM: u32 = 3;

/// Whether the ports are those of a connection that we opened. `sharing` is the number of tracked
/// connections with this local port, `local_ports` the first and last port of the range.
pub(crate) fn is_outgoing(
    local_port: u16,
    remote_port: u16,
    sharing: u32,
    local_ports: (u16, u16),
) -> bool {
    let (first, last) = local_ports;
    let is_local = first <= local_port && local_port <= last;
    is_local && remote_port < first && sharing < LISTENS_FROM
}

#[cfg(test)]
mod tests {
    use super::{LOCAL_PORTS, is_outgoing};

    #[test]
    fn ports_tell_who_opened() {
        assert!(is_outgoing(45_000, 443, 1, LOCAL_PORTS));
        assert!(is_outgoing(45_000, 8_080, 1, LOCAL_PORTS));
        assert!(!is_outgoing(443, 45_000, 1, LOCAL_PORTS));
        assert!(!is_outgoing(50_051, 40_000, 1, LOCAL_PORTS));
        assert!(!is_outgoing(8_080, 4_001, 1, LOCAL_PORTS));
        // A service on a high port, with clients on low ones.
        assert!(!is_outgoing(50_051, 4_001, 3, LOCAL_PORTS));
        assert!(!is_outgoing(50_051, 1_023, 3, LOCAL_PORTS));
    }
}
