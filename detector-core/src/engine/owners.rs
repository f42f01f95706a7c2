//! Which connections want to be named by who holds their socket, and what was found.
//!
//! An owner stays with its connection after the process has closed the socket: an orphan keeps
//! its name.

use super::Engine;
use crate::observe::observation::ConnectionId;
use crate::observe::peer_address::PeerAddress;
use crate::rules::flags::FlagSet;
use crate::tables::connections::{Class, Connection};
use crate::tables::owner::{Owner, Owners};
use crate::tables::peers::Peer;
use crate::time::{MonotonicTime, SECOND_NS};
use detector_api::snapshot::{Process, UnitShare};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Data must be held up for so long before an owner is looked for: honest readers close their
/// window for moments, many times a second.
const OWNER_AFTER_NS: u64 = SECOND_NS;
/// Processes named for one connection or one peer.
const PROCESSES_MAX: usize = 8;

/// A socket whose owner matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerWanted {
    /// The connection, for [`Engine::set_owner`].
    pub connection: ConnectionId,
    /// Inode number of its socket.
    pub inode: u64,
    /// Whether it is stalled now, and not just held up for a while or flagged.
    pub is_stalled: bool,
    /// Whether a peer has opened it, and not we or somebody under an address of this host.
    pub is_of_peer: bool,
}

/// Tasks of programs on this host that wait until a peer takes its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingTasks {
    /// How many.
    pub tasks: u64,
    /// For which connections: each task for one of them, and for which is not known.
    pub connections: Vec<ConnectionId>,
}

impl Engine {
    /// Connections that are held up or flagged and still have a process, named already or not.
    #[must_use]
    pub fn owners_wanted(&self) -> Vec<OwnerWanted> {
        let wanted = |connection: &Connection| {
            let last = &connection.last;
            let inode = last.inode?.get();
            let is_old = |since: MonotonicTime| self.clock.now.since_ns(since) >= OWNER_AFTER_NS;
            let held_up_since = [connection.progress.held_up_since, last.harmful_since];
            let is_held_up = connection.class() != Class::Healthy
                && held_up_since.into_iter().flatten().any(is_old);
            let is_stalled = connection.stall.cause().is_some();
            let is_flagged = connection.flags.standing != FlagSet::default();
            let matters = is_stalled || is_held_up || is_flagged;
            (matters && !last.is_orphan).then(|| OwnerWanted {
                connection: last.id.unpack(),
                inode,
                is_stalled,
                is_of_peer: self.may_press(connection),
            })
        };
        self.connections.iter().filter_map(wanted).collect()
    }

    /// How many connections belong to processes that the agent cannot see.
    #[must_use]
    pub fn connections_of_others(&self) -> u64 {
        let others = self.connections.iter().filter(|each| is_out_of_sight(each));
        others.count() as u64
    }

    /// Names the processes that hold the socket `inode` of a connection, the most plausible
    /// first, and the one thread of that which sleeps in a write to it, if it is known; none where the
    /// agent has looked into all that it can see. Nothing happens if the
    /// connection has left or has another socket by now.
    pub fn set_owner(
        &mut self,
        connection: &ConnectionId,
        inode: u64,
        owner: &Owners,
        writer: Option<u32>,
    ) {
        let Some(slot) = self.connections.find(connection) else {
            return;
        };
        let connection = self.connections.get_mut(slot);
        // No inode: the process has closed the socket meanwhile. It was the owner all the same.
        if connection.last.inode.is_none_or(|now| now.get() == inode) {
            connection.owner = Some(Arc::clone(owner));
            connection.writer = writer;
            let peer = self.peers.get_mut(connection.peer);
            if !owner.is_empty() {
                peer.services.add_owner(owner);
            }
        }
    }

    /// Processes that own stalled connections of a peer; where there are none, those that were named
    /// last for it, also of sockets that are closed.
    pub(super) fn owners_of(&self, peer: &Peer) -> Vec<Process> {
        let stalled = of_stalled(self.connections.of_peer(peer.connections));
        if stalled.is_empty() {
            each_once(peer.services.owners())
        } else {
            stalled
        }
    }
}

impl Engine {
    /// Takes which tasks wait for which connections. Where a task may wait for several peers, it is counted
    /// for none of them unless the others cannot keep it busy.
    pub fn set_held_workers(&mut self, waiting: &[WaitingTasks]) {
        let mut held = BTreeMap::new();
        for each in waiting {
            let mut of_peer: BTreeMap<PeerAddress, u64> = BTreeMap::new();
            for connection in &each.connections {
                if let Some(slot) = self.connections.find(connection) {
                    let peer = self.peers.get(self.connections.get(slot).peer);
                    *of_peer.entry(peer.address).or_default() += 1;
                }
            }
            let all = each.connections.len() as u64;
            for (peer, connections) in of_peer {
                let at_least = each.tasks.saturating_sub(all - connections);
                if at_least > 0 {
                    *held.entry(peer).or_default() += at_least;
                }
            }
        }
        if self.surroundings.held_workers != held {
            self.surroundings.held_workers = held;
            self.schedule_scan();
        }
    }

    /// Workers that wait for this peer, at least; `None` where none is seen to.
    pub(super) fn held_workers_of(&self, peer: &Peer) -> Option<u64> {
        let held = self.surroundings.held_workers.get(&peer.address).copied();
        // They are counted less often than connections are.
        held.filter(|_| peer.account.usage().stalled_connections > 0)
    }

    /// Takes how much memory units and containers may have, those that have a limit and own stalled
    /// connections.
    pub fn set_unit_limits(&mut self, limits: BTreeMap<String, u64>) {
        self.surroundings.unit_limits = limits;
    }

    /// What stalled connections pin of the memory of each unit that has a limit.
    #[must_use]
    pub fn pinned_of_units(&self) -> BTreeMap<String, u64> {
        self.pinned_by_unit(self.connections.iter())
    }

    /// The same of connections that peers have opened.
    #[must_use]
    pub fn pinned_of_units_by_peers(&self) -> BTreeMap<String, u64> {
        let of_peers = self.connections.iter().filter(|each| self.may_press(each));
        self.pinned_by_unit(of_peers)
    }

    /// The same of one peer's connections, the most first.
    pub(super) fn unit_shares<'a>(
        &self,
        connections: impl Iterator<Item = &'a Connection>,
    ) -> Vec<UnitShare> {
        let pinned = self.pinned_by_unit(connections).into_iter();
        let mut shares: Vec<_> = pinned
            .filter_map(|(unit, pinned_bytes)| {
                let limit_bytes = *self.surroundings.unit_limits.get(&unit)?;
                Some(UnitShare {
                    unit,
                    pinned_bytes,
                    limit_bytes,
                })
            })
            .collect();
        shares.sort_by_key(|share| Reverse(share.pinned_bytes));
        shares
    }

    fn pinned_by_unit<'a>(
        &self,
        connections: impl Iterator<Item = &'a Connection>,
    ) -> BTreeMap<String, u64> {
        let mut pinned = BTreeMap::new();
        if self.surroundings.unit_limits.is_empty() {
            return pinned;
        }
        for connection in connections.filter(|each| each.stall.cause().is_some()) {
            let owner = connection.owner.as_deref().and_then(<[_]>::first);
            let unit = owner.and_then(|owner| owner.process.unit.as_ref());
            if let Some(unit) =
                unit.filter(|unit| self.surroundings.unit_limits.contains_key(*unit))
            {
                *pinned.entry(unit.clone()).or_default() += connection.last.pinned_bytes();
            }
        }
        pinned
    }
}

/// Processes that own any of the stalled ones among `connections`, each once, boundedly many.
pub(super) fn of_stalled<'a>(connections: impl Iterator<Item = &'a Connection>) -> Vec<Process> {
    let stalled = connections.filter(|connection| connection.stall.cause().is_some());
    each_once(stalled.filter_map(|connection| connection.owner.as_ref()))
}

/// The processes of these owners, each once, boundedly many.
fn each_once<'a>(owners: impl Iterator<Item = &'a Owners>) -> Vec<Process> {
    let mut processes: Vec<Process> = Vec::new();
    let mut seen: Option<&Owners> = None;
    for owner in owners {
        // Connections of one process share what names it.
        if seen.is_some_and(|seen| Arc::ptr_eq(seen, owner)) {
            continue;
        }
        seen = Some(owner);
        for Owner { process, .. } in owner.iter().map(AsRef::as_ref) {
            if processes.len() == PROCESSES_MAX {
                return processes;
            }
            if !processes.iter().any(|known| known.pid == process.pid) {
                processes.push(process.clone());
            }
        }
    }
    processes
}

/// Whether no process that the agent can see holds the socket.
pub(super) fn is_out_of_sight(connection: &Connection) -> bool {
    connection.owner.as_deref().is_some_and(<[_]>::is_empty)
}

/// What is published of a connection's owner.
pub(super) fn of_connection(connection: &Connection) -> Vec<Process> {
    let owners = connection.owner.as_deref().unwrap_or_default();
    let processes = owners.iter().map(|owner| owner.process.clone());
    let mut processes: Vec<Process> = processes.take(PROCESSES_MAX).collect();
    if let Some(first) = processes.first_mut() {
        first.thread = connection.writer;
    }
    processes
}
