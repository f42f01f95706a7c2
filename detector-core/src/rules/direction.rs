//! Direction: whether we opened a connection, so that a peer that stalls it is a tarpit and no
//! client of ours.
//!
//! Records do not carry it. What they carry are ports: a connection that we opened has a local port
//! of the range the kernel takes such ports from, which it shares with few others, and a remote
//! port below that range, where services are. One of the system ports is surely a service's; a
//! client behind a NAT may come from any other, but not several times to several local ports. So a
//! backend on 8080 or 5432 is known for one from three connections on. The remote end chooses its
//! own port only: no client of a service below the range passes for a tarpit. A service of another
//! host inside the range cannot be told from a client of ours.

/// The kernel's default range of ports for connections that a host opens.
pub(crate) const LOCAL_PORTS: (u16, u16) = (32_768, 60_999);

/// The last of the system ports (RFC 6335 section 6).
const LAST_SYSTEM_PORT: u16 = 1_023;

/// Tracked connections that share a port from which it is a service's: a local one ours, a remote
/// one the peer's.
const SERVES_FROM: u32 = 3;

/// A port, and how many tracked connections share it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port {
    pub(crate) number: u16,
    pub(crate) sharing: u32,
}

/// Whether the ports are those of a connection that we opened. A remote port is shared among the
/// connections of its peer; `range` is the first and last of the ports for connections that we open.
pub(crate) fn is_outgoing(local: Port, remote: Port, range: (u16, u16)) -> bool {
    let (first, last) = range;
    let is_local = first <= local.number && local.number <= last && local.sharing < SERVES_FROM;
    let is_service = remote.number <= LAST_SYSTEM_PORT
        || (remote.number < first && remote.sharing >= SERVES_FROM);
    is_local && is_service
}

#[cfg(test)]
mod tests {
    use super::{LOCAL_PORTS, Port, is_outgoing};

    #[test]
    fn ports_tell_who_opened() {
        let is_ours = |local: (u16, u32), remote: (u16, u32)| {
            let port = |(number, sharing)| Port { number, sharing };
            is_outgoing(port(local), port(remote), LOCAL_PORTS)
        };
        assert!(is_ours((45_000, 1), (443, 1)));
        assert!(!is_ours((443, 1), (45_000, 1)));
        assert!(!is_ours((50_051, 1), (40_000, 1)));
        // A backend, and a client behind a NAT.
        assert!(is_ours((45_000, 1), (8_080, 3)));
        assert!(!is_ours((45_000, 1), (8_080, 2)));
        assert!(!is_ours((8_080, 30), (4_001, 3)));
        assert!(!is_ours((50_051, 1), (40_000, 30)));
        // A service on a high port, with clients on low ones.
        assert!(!is_ours((50_051, 1), (4_001, 1)));
        assert!(!is_ours((50_051, 3), (1_023, 1)));
    }
}
