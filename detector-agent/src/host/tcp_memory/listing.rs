//! One listing of all sockets of all network namespaces, summed by who holds what.
//!
//! In: sockets, as `sock_diag(7)` lists them. Out: sums, and the longest receive queues with the
//! socket by which their program is found.

use crate::namespace;
use crate::netlink::sock_diag::{Diagnosis, Listed};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::io;

/// Receive queues kept: together they hold nearly all where something holds much.
const QUEUES_MAX: usize = 1_024;
/// A queue below a page is none that anybody waits for.
const QUEUE_BYTES_MIN: u64 = 4_096;

/// States as in `net/tcp_states.h`.
const ESTABLISHED: u8 = 1;
const CLOSE_WAIT: u8 = 8;
const LISTEN: u8 = 10;
/// After our side has closed: `FIN_WAIT1`, `FIN_WAIT2`, `LAST_ACK`, `CLOSING`.
const CLOSED_BY_US: [u8; 4] = [4, 5, 9, 11];

/// A receive queue that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Queue {
    /// Of the socket, or of the listener it waits at; 0 where there is neither.
    pub(crate) inode: u32,
    /// Whether a process has accepted it, or made it.
    pub(crate) is_accepted: bool,
    /// Network namespace and port: where its program is looked for first.
    pub(crate) netns: u32,
    pub(crate) port: u16,
    pub(crate) bytes: u64,
}

/// Sums over all sockets that were listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) sockets: u64,
    /// Send queues of sockets that a process holds.
    pub(crate) send_bytes: u64,
    /// Receive queues, those of sockets not accepted yet included.
    pub(crate) receive_bytes: u64,
    /// All that orphans hold.
    pub(crate) orphan_bytes: u64,
    /// The longest receive queues, longest first.
    pub(crate) queues: Vec<Queue>,
    pub(crate) namespaces_missed: u64,
}

impl Listing {
    /// Lists all sockets. Leaves this thread in another network namespace: for a thread of its own.
    pub(super) fn take() -> io::Result<Self> {
        let mut listing = Self::default();
        let own = namespace::current();
        for namespace in namespace::find_all() {
            let listed = namespace::enter(&namespace).and_then(|()| {
                if namespace::has_sockets() {
                    listing.add_namespace(namespace.inode)
                } else {
                    Ok(())
                }
            });
            match listed {
                Ok(()) => {}
                // Then no other can be listed either: the kernel cannot do it.
                Err(error) if own.as_ref().is_some_and(|own| own.inode == namespace.inode) => {
                    return Err(error);
                }
                // It may not be entered, or has gone away since it was found.
                Err(_) => listing.namespaces_missed += 1,
            }
        }
        listing.keep_longest(QUEUES_MAX);
        Ok(listing)
    }

    fn add_namespace(&mut self, netns: u32) -> io::Result<()> {
        let mut listeners = HashMap::new();
        Diagnosis::open()?.each_socket(&mut |socket| self.add(netns, &socket, &mut listeners))
    }

    fn add(&mut self, netns: u32, socket: &Listed, listeners: &mut HashMap<u16, u32>) {
        let port = socket.local.port();
        self.sockets += 1;
        if socket.state == LISTEN {
            listeners.insert(port, socket.inode);
            return;
        }
        let is_held = socket.inode != 0;
        let (mut send, mut receive) = (socket.send_bytes, socket.receive_bytes);
        if send > receive {
            send += socket.spare_bytes;
        } else {
            receive += socket.spare_bytes;
        }
        if !is_held && CLOSED_BY_US.contains(&socket.state) {
            self.orphan_bytes += send + receive;
            return;
        }
        self.send_bytes += send;
        self.receive_bytes += receive;
        if socket.receive_bytes < QUEUE_BYTES_MIN {
            return;
        }
        let is_waiting = !is_held && matches!(socket.state, ESTABLISHED | CLOSE_WAIT);
        let inode = if is_waiting {
            listeners.get(&port).copied().unwrap_or(0)
        } else {
            socket.inode
        };
        self.queues.push(Queue {
            inode,
            is_accepted: !is_waiting,
            netns,
            port,
            bytes: receive,
        });
        if self.queues.len() >= 2 * QUEUES_MAX {
            self.keep_longest(QUEUES_MAX);
        }
    }

    fn keep_longest(&mut self, count: usize) {
        self.queues
            .sort_unstable_by_key(|queue| Reverse(queue.bytes));
        self.queues.truncate(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(state: u8, inode: u32, [receive_bytes, send_bytes, spare_bytes]: [u64; 3]) -> Listed {
        Listed {
            local: "192.0.2.1:80".parse().unwrap(),
            state,
            inode,
            receive_bytes,
            send_bytes,
            spare_bytes,
        }
    }

    fn listing(sockets: &[Listed]) -> Listing {
        let (mut listing, mut listeners) = (Listing::default(), HashMap::new());
        for socket in sockets {
            listing.add(7, socket, &mut listeners);
        }
        listing.keep_longest(QUEUES_MAX);
        listing
    }

    #[test]
    fn each_byte_has_one_holder() {
        let listing = listing(&[
            socket(ESTABLISHED, 1, [10_000, 500, 4_000]),
            socket(ESTABLISHED, 2, [0, 70_000, 3_000]),
            socket(4, 0, [100, 2_000, 30]),
            // Closed by us, and still held: `shutdown(2)`.
            socket(4, 3, [0, 9, 0]),
        ]);
        assert_eq!(listing.receive_bytes, 14_000);
        assert_eq!(listing.send_bytes, 73_509);
        assert_eq!(listing.orphan_bytes, 2_130);
        assert_eq!(listing.sockets, 4);
        let inodes: Vec<_> = listing.queues.iter().map(|queue| queue.inode).collect();
        assert_eq!(inodes, [1]);
    }

    #[test]
    fn what_was_not_accepted_is_its_listeners() {
        let waiting = socket(CLOSE_WAIT, 0, [8_192, 0, 0]);
        let found = listing(&[socket(LISTEN, 5, [0; 3]), waiting]);
        let queue = found.queues[0];
        assert_eq!((queue.inode, queue.is_accepted), (5, false));
        assert_eq!(found.orphan_bytes, 0);
        // Its listener has gone, or is out of sight.
        assert_eq!(listing(&[waiting]).queues[0].inode, 0);
    }

    #[test]
    fn only_the_longest_queues_are_kept_and_all_are_summed() {
        let many: Vec<_> = (1..=5_000_u32)
            .map(|inode| socket(ESTABLISHED, inode, [4_096 + u64::from(inode), 0, 0]))
            .collect();
        let listing = listing(&many);
        assert_eq!(listing.queues.len(), QUEUES_MAX);
        assert_eq!(listing.queues[0].inode, 5_000);
        assert_eq!(listing.queues[QUEUES_MAX - 1].inode, 5_001 - 1_024);
        assert_eq!(listing.receive_bytes, 5_000 * 4_096 + 5_000 * 5_001 / 2);
    }

    #[test]
    fn our_own_sockets_are_listed() {
        let _listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = std::thread::spawn(Listing::take).join().unwrap().unwrap();
        assert!(taken.sockets > 0);
    }
}
