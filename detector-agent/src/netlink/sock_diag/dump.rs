//! All connections of some addresses, in one pass of the kernel's.

use super::{AF_INET, AF_INET6, Diagnosis, Ends, INFO, IPPROTO_TCP};
use super::{SOCK_DIAG_BY_FAMILY, read};
use crate::netlink::{Object, Payload, Request, flag};
use detector_core::observe::peer_address::PeerAddress;
use std::io;
use std::net::IpAddr;

/// States of a connection that is there: ESTABLISHED, FIN-WAIT-1 and -2, CLOSE-WAIT, LAST-ACK,
/// CLOSING, each the bit of its number in `net/tcp_states.h`.
const STATES: u32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11;

/// `INET_DIAG_REQ_BYTECODE`.
const BYTECODE: u16 = 1;
/// `INET_DIAG_BC_JMP`, `INET_DIAG_BC_D_COND`.
const JUMP: u8 = 1;
const REMOTE: u8 = 8;
/// `struct inet_diag_bc_op`.
const OPERATION_BYTES: usize = 4;

/// So many addresses are looked for one by one in the kernel; of more, all sockets are asked for:
/// comparing each with each would cost more than handing them over.
const FILTERED: usize = 16;

/// A connection as a look shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) ends: Ends,
    pub(crate) cookie: [u8; 8],
    /// Written and not acknowledged.
    pub(crate) queued_bytes: u32,
    /// Acknowledged since the connection began.
    pub(crate) bytes_acked: u64,
    /// Received since then.
    pub(crate) bytes_received: u64,
    /// In how many segments.
    pub(crate) segments_received: u32,
    /// Acknowledged or still taken: where the peer's window ends, counted as `bytes_acked` is. It
    /// moves as the peer reads. `None` if this kernel does not say.
    pub(crate) edge: Option<u64>,
}

impl Diagnosis {
    /// Hands each connection of these peers to `take`, and of others some where peers are many.
    pub(crate) fn look(
        &mut self,
        peers: &[PeerAddress],
        mut take: impl FnMut(Seen),
    ) -> io::Result<()> {
        // A socket of IPv6 may have a peer of IPv4.
        let has_v4 = peers.iter().any(|peer| peer.address().is_ipv4());
        for family in [AF_INET, AF_INET6] {
            if family == AF_INET && !has_v4 {
                continue;
            }
            let request = Request {
                kind: SOCK_DIAG_BY_FAMILY,
                flags: flag::DUMP,
                payload: question(family, peers),
            };
            self.0.ask_each(&request, &mut |object: Object<&[u8]>| {
                if let Some(seen) = (object.kind == SOCK_DIAG_BY_FAMILY)
                    .then(|| seen(object.payload))
                    .flatten()
                {
                    take(seen);
                }
            })?;
        }
        Ok(())
    }
}

fn seen(payload: &[u8]) -> Option<Seen> {
    let (ends, found) = read(payload)?;
    let bytes_acked = found.bytes_acked?;
    let window = found.window.map(u64::from);
    let (bytes_received, segments_received) = found.received.unwrap_or_default();
    Some(Seen {
        ends,
        cookie: found.cookie,
        queued_bytes: found.queued_bytes,
        bytes_acked,
        bytes_received,
        segments_received,
        edge: window.and_then(|window| bytes_acked.checked_add(window)),
    })
}

/// `struct inet_diag_req_v2` for all connections, with a filter.
fn question(family: u8, peers: &[PeerAddress]) -> Payload {
    let wanted = 1_u8 << (INFO - 1);
    let anything = [0_u8; 48];
    let head = [
        &[family, IPPROTO_TCP, wanted, 0][..],
        &STATES.to_ne_bytes(),
        &anything,
    ];
    let payload = Payload::new(&head.concat());
    if peers.len() > FILTERED {
        return payload;
    }
    payload.with(BYTECODE, &filter(peers))
}

/// Accepts a socket whose remote address is one of these. A program of the kernel's accepts by
/// coming to its very end, and refuses by leaving it.
fn filter(peers: &[PeerAddress]) -> Vec<u8> {
    let conditions: Vec<_> = peers.iter().map(condition).collect();
    let mut left: usize = conditions.iter().map(Vec::len).sum();
    left += OPERATION_BYTES * conditions.len().saturating_sub(1);
    let mut program = Vec::with_capacity(left);
    for (number, condition) in conditions.iter().enumerate() {
        let length = condition.len();
        let is_last = number + 1 == conditions.len();
        // Where there is another one, a match jumps over all that follow.
        program.extend(operation(REMOTE, length, length + OPERATION_BYTES));
        program.extend(&condition[OPERATION_BYTES..]);
        left -= length;
        if !is_last {
            program.extend(operation(JUMP, OPERATION_BYTES, left));
            left -= OPERATION_BYTES;
        }
    }
    program
}

/// An operation with room for itself, then `struct inet_diag_hostcond`: any port, this network.
fn condition(peer: &PeerAddress) -> Vec<u8> {
    let any_port = (-1_i32).to_ne_bytes();
    let (family, address) = match peer.address() {
        IpAddr::V4(v4) => (AF_INET, v4.octets().to_vec()),
        IpAddr::V6(v6) => (AF_INET6, v6.octets().to_vec()),
    };
    let mut bytes = vec![0; OPERATION_BYTES];
    bytes.extend([family, peer.prefix_length(), 0, 0]);
    bytes.extend(any_port);
    bytes.extend(address);
    bytes
}

/// Distances are those to the operations that follow if it holds, and if not.
fn operation(code: u8, yes: usize, no: usize) -> [u8; OPERATION_BYTES] {
    let yes = u8::try_from(yes).unwrap_or(u8::MAX);
    let no = u16::try_from(no).unwrap_or(u16::MAX);
    let [low, high] = no.to_ne_bytes();
    [code, yes, low, high]
}

#[cfg(test)]
mod tests {
    use super::{Diagnosis, FILTERED};
    use detector_core::observe::peer_address::PeerAddress;
    use std::io::{Read as _, Write as _};
    use std::net::{IpAddr, TcpListener, TcpStream};

    /// Ends of connections of `peers` that are seen, of those to `port`.
    fn seen(peers: &[PeerAddress], port: u16) -> usize {
        let mut count = 0;
        let mut diagnosis = Diagnosis::open().unwrap();
        let mut take = |seen: super::Seen| {
            count += usize::from(seen.ends.local.port() == port);
        };
        diagnosis.look(peers, &mut take).unwrap();
        count
    }

    #[test]
    fn what_was_received_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(local).unwrap();
        let (mut served, _) = listener.accept().unwrap();
        for _ in 0..3 {
            client.write_all(&[7; 100]).unwrap();
            served.read_exact(&mut [0; 100]).unwrap();
        }
        let peer = PeerAddress::of(local.ip(), 64);
        let mut found = None;
        let mut take = |seen: super::Seen| {
            if seen.ends.local == local {
                found = Some((seen.bytes_received, seen.segments_received));
            }
        };
        Diagnosis::open().unwrap().look(&[peer], &mut take).unwrap();
        assert_eq!(found, Some((300, 3)));
    }

    #[test]
    fn the_connections_of_the_peers_are_seen_and_no_others() {
        for (listen, connect) in [
            ("127.0.0.1:0", "127.0.0.1"),
            ("[::1]:0", "::1"),
            ("[::]:0", "127.0.0.1"),
        ] {
            let listener = TcpListener::bind(listen).unwrap();
            let port = listener.local_addr().unwrap().port();
            let address: IpAddr = connect.parse().unwrap();
            let _clients: Vec<_> = (0..3)
                .map(|_| TcpStream::connect((address, port)).unwrap())
                .collect();
            let _served: Vec<_> = (0..3).map(|_| listener.accept().unwrap()).collect();
            let peer = PeerAddress::of(address, 64);
            let other = |number: u8| PeerAddress::of([192, 0, 2, number].into(), 64);
            assert_eq!(seen(&[peer], port), 3, "{listen}");
            assert_eq!(seen(&[other(1)], port), 0);
            assert_eq!(seen(&[other(1), other(2)], port), 0);
            assert_eq!(seen(&[other(1), peer, other(2)], port), 3);
            assert_eq!(seen(&[peer, other(1)], port), 3);
            assert_eq!(seen(&[other(1), peer], port), 3);
            let many: Vec<_> = (0..u8::try_from(FILTERED).unwrap())
                .map(other)
                .chain([peer])
                .collect();
            assert_eq!(seen(&many, port), 3);
        }
    }
}
