//! Direction: whether we opened a connection, so that a peer that holds it is a tarpit and no
//! client of ours.
//!
//! Records do not carry it. What they carry are ports: a connection that we opened has a local port
//! of the range the kernel takes such ports from, and a remote port of a service. Only the system
//! ports are surely a service's: a client may come from any other, and a service of ours may listen
//! on any. So a tarpit on a port above them is called a slow client.

/// The kernel's default range of ports for connections that a host opens.
pub(crate) const LOCAL_PORTS: (u16, u16) = (32_768, 60_999);

/// The last of the system ports (RFC 6335 section 6).
const LAST_SYSTEM_PORT: u16 = 1_023;

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
    is_local && remote_port <= LAST_SYSTEM_PORT && sharing < LISTENS_FROM
}

#[cfg(test)]
mod tests {
    use super::{LOCAL_PORTS, is_outgoing};

    #[test]
    fn ports_tell_who_opened() {
        assert!(is_outgoing(45_000, 443, 1, LOCAL_PORTS));
        assert!(!is_outgoing(443, 45_000, 1, LOCAL_PORTS));
        assert!(!is_outgoing(50_051, 40_000, 1, LOCAL_PORTS));
        // A service on a high port, with clients on low ones.
        assert!(!is_outgoing(50_051, 4_001, 1, LOCAL_PORTS));
        assert!(!is_outgoing(50_051, 1_023, 3, LOCAL_PORTS));
    }
}
