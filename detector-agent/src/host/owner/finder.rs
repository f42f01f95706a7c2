//! Finds which processes hold wanted sockets.
//!
//! A new socket is first looked for in processes that held others of the same local port; only
//! then, with growing pauses, in all processes. One search finds all wanted sockets it meets.

mod search;

use super::budget::{CpuBudget, Stopped};
use super::calls::{self, CallReader};
use super::cgroup_memory::ControlGroups;
use super::holder::Holders;
use super::proc::{Miss, ProcTree};
use super::process::Identities;
use super::report::LookupCounts;
use detector_core::engine::{OwnerWanted, Owners};
use detector_core::observe::observation::ConnectionId;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::time::Instant;

/// Descriptors of each process that are looked at before those that have more: anybody's process may have a
/// million, and no other is to wait for them.
const AT_FIRST: u32 = 4_096;

/// A socket with its owner.
#[derive(Clone, Debug)]
pub(crate) struct NamedSocket {
    /// The connection it was wanted for.
    pub(crate) connection: ConnectionId,
    /// Inode number of the socket.
    pub(crate) inode: u64,
    /// Its holders, the most plausible first.
    pub(crate) owners: Owners,
    /// The one thread of the first that is known to sleep in a write to it.
    pub(crate) writer: Option<u32>,
}

/// A wanted socket.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) connection: ConnectionId,
    pub(super) is_stalled: bool,
    /// Whether a peer has opened it.
    pub(super) is_of_peer: bool,
    pub(super) holders: Holders,
    searches_failed: u32,
    /// When it is to be looked for in all processes.
    due: Instant,
    /// Number of the round in which it was wanted last.
    wanted_in: u64,
}

impl Socket {
    fn new(wanted: &OwnerWanted, now: Instant, round: u64) -> Self {
        Self {
            connection: wanted.connection,
            is_stalled: wanted.is_stalled,
            is_of_peer: wanted.is_of_peer,
            holders: Holders::default(),
            searches_failed: 0,
            due: now,
            wanted_in: round,
        }
    }

    fn is_named(&self) -> bool {
        self.holders.first().is_some()
    }

    /// As published.
    pub(super) fn named(&self, inode: u64, owners: Owners) -> NamedSocket {
        NamedSocket {
            connection: self.connection,
            inode,
            owners,
            writer: self.holders.writer(),
        }
    }

    fn port(&self) -> Port {
        (self.connection.netns, self.connection.local.port())
    }
}

/// Network namespace and local port.
type Port = (u32, u16);

/// See the module.
#[derive(Debug)]
pub(crate) struct Finder {
    pub(super) tree: ProcTree,
    pub(super) sockets: HashMap<u64, Socket>,
    pub(super) identities: Identities,
    pub(super) counts: LookupCounts,
    pub(super) groups: Option<ControlGroups>,
    pub(super) calls: CallReader,
    /// See [`AT_FIRST`].
    pub(super) at_first: u32,
    /// Whether there may be processes that the tree does not show.
    has_neighbours: bool,
    /// Processes that held sockets of a port, the latest last.
    of_port: HashMap<Port, Vec<u32>>,
    round: u64,
    search: u64,
}

impl Finder {
    /// Looks into `/proc`, or a tree like it.
    pub(crate) fn new(tree: &Path) -> io::Result<Self> {
        Ok(Self {
            tree: ProcTree::open(tree)?,
            sockets: HashMap::new(),
            identities: Identities::default(),
            counts: LookupCounts::default(),
            groups: ControlGroups::find(tree),
            calls: CallReader::new(calls::read),
            at_first: AT_FIRST,
            has_neighbours: false,
            of_port: HashMap::new(),
            round: 0,
            search: 0,
        })
    }

    /// The same where other PID namespaces share the kernel: a socket that no process holds which may
    /// be seen belongs to one that may not.
    pub(crate) fn with_neighbours(mut self, has_neighbours: bool) -> Self {
        self.has_neighbours = has_neighbours;
        self
    }

    /// What was counted so far.
    pub(crate) const fn counts(&self) -> LookupCounts {
        self.counts
    }

    /// Who holds a wanted socket, if that is known.
    pub(crate) fn owner(&self, inode: u64) -> Option<Owners> {
        let socket = self
            .sockets
            .get(&inode)
            .filter(|socket| socket.is_named())?;
        Some(socket.holders.owners())
    }

    /// Whether there is a stalled socket with a known owner.
    pub(crate) fn has_stalled(&self) -> bool {
        self.sockets
            .values()
            .any(|socket| socket.is_stalled && socket.is_named())
    }

    /// Looks for what is wanted, as far as it is due; `report` hears of owners as they are found.
    /// What is no longer wanted is forgotten.
    pub(crate) fn look_up(
        &mut self,
        wanted: &[OwnerWanted],
        now: Instant,
        budget: &mut CpuBudget,
        report: &mut impl FnMut(&[NamedSocket]),
    ) -> Result<(), Stopped> {
        let new = self.update_wanted(wanted, now);
        self.search += 1;
        for port in new {
            self.search_port(port, now, budget, report)?;
        }
        if self.sockets.values().any(|socket| socket.due <= now) {
            self.search_all(now, budget, report)?;
        }
        Ok(())
    }

    /// Takes over what is wanted; the ports of what is new.
    fn update_wanted(&mut self, wanted: &[OwnerWanted], now: Instant) -> HashSet<Port> {
        self.round += 1;
        let mut new = HashSet::new();
        for each in wanted {
            let socket = self
                .sockets
                .entry(each.inode)
                .and_modify(|socket| {
                    // The number of a closed socket was given to another one.
                    if socket.connection != each.connection {
                        *socket = Socket::new(each, now, self.round);
                    }
                })
                .or_insert_with(|| Socket::new(each, now, self.round));
            socket.is_stalled = each.is_stalled;
            socket.is_of_peer = each.is_of_peer;
            socket.wanted_in = self.round;
            if !socket.is_named() && socket.searches_failed == 0 {
                new.insert(socket.port());
            }
        }
        self.sockets
            .retain(|_, socket| socket.wanted_in == self.round);
        new
    }

    pub(super) fn count_miss(&mut self, miss: Miss) {
        match miss {
            Miss::Vanished => self.counts.vanished += 1,
            Miss::Unreadable => self.counts.unreadable += 1,
            Miss::Hangs => self.counts.hung += 1,
        }
    }
}
