//! Finds which processes hold wanted sockets.
//!
//! A new socket is first looked for in processes that held others of the same local port; only
//! then, with growing pauses, in all processes. One search finds all wanted sockets it meets.

use super::budget::{CpuBudget, Stopped};
use super::calls::{self, CallReader};
use super::cgroup_memory::ControlGroups;
use super::holder::{Holder, Holders};
use super::proc::{Miss, ProcTree};
use super::process::{Identities, Stat};
use super::report::LookupCounts;
use detector_core::engine::{OwnerWanted, Owners};
use detector_core::observe::observation::ConnectionId;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// First pause after a search that did not find a socket; each further one is twice as long.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_DOUBLINGS_MAX: u32 = 6;
/// When a socket that was found the short way is looked for in all processes: it may have more
/// holders.
const COMPLETE_AFTER: Duration = Duration::from_secs(10);
/// When a named socket is looked for again: it may have been handed on.
const RENEW_AFTER: Duration = Duration::from_secs(300);
/// Processes remembered for one port.
const PER_PORT_MAX: usize = 256;
const PORTS_MAX: usize = 1_024;

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

    /// Looks into the processes that held sockets of this port until its new ones are found.
    fn search_port(
        &mut self,
        port: Port,
        now: Instant,
        budget: &mut CpuBudget,
        report: &mut impl FnMut(&[NamedSocket]),
    ) -> Result<(), Stopped> {
        let known = self.of_port.get(&port).cloned().unwrap_or_default();
        let mut has_more = true;
        for pid in known.into_iter().rev() {
            if !has_more {
                break;
            }
            let held = self.visit(pid, budget, report)?;
            if !held.is_empty() {
                let is_wanted = |socket: &Socket| socket.port() == port && !socket.is_named();
                has_more = self.sockets.values().any(is_wanted);
            }
            for inode in held {
                if let Some(socket) = self.sockets.get_mut(&inode).filter(|each| each.due <= now) {
                    socket.due = now + COMPLETE_AFTER;
                }
            }
        }
        Ok(())
    }

    /// Looks into all processes.
    fn search_all(
        &mut self,
        now: Instant,
        budget: &mut CpuBudget,
        report: &mut impl FnMut(&[NamedSocket]),
    ) -> Result<(), Stopped> {
        self.search += 1;
        let unreadable_before = self.counts.unreadable;
        let pids = match self.tree.pids() {
            Ok(pids) => pids,
            Err(miss) => {
                self.count_miss(miss);
                Vec::new()
            }
        };
        for pid in pids {
            self.visit(pid, budget, report)?;
        }
        let has_seen_all = self.counts.unreadable == unreadable_before;
        let named = self.end_search(now, has_seen_all);
        if !named.is_empty() {
            report(&named);
        }
        Ok(())
    }

    /// After all processes were looked into: when to look for each socket again; those that have
    /// fewer holders now, and those that are a neighbour's.
    fn end_search(&mut self, now: Instant, has_seen_all: bool) -> Vec<NamedSocket> {
        let mut named = Vec::new();
        for (&inode, socket) in &mut self.sockets {
            let is_neighbours = self.has_neighbours
                && has_seen_all
                && !socket.is_named()
                && socket.searches_failed == 0;
            if socket.holders.end_search(self.search) || is_neighbours {
                named.push(socket.named(inode, socket.holders.owners()));
            }
            if socket.is_named() {
                socket.due = now + RENEW_AFTER;
            } else {
                self.counts.not_found += 1;
                let doublings = socket.searches_failed.min(RETRY_DOUBLINGS_MAX);
                socket.searches_failed = socket.searches_failed.saturating_add(1);
                socket.due = now + RETRY * (1 << doublings);
            }
        }
        named
    }

    /// Looks into one process; the wanted sockets it holds.
    fn visit(
        &mut self,
        pid: u32,
        budget: &mut CpuBudget,
        report: &mut impl FnMut(&[NamedSocket]),
    ) -> Result<Vec<u64>, Stopped> {
        budget.throttle()?;
        let mut held = Vec::new();
        let holder = match self.look_into(pid, budget, &mut held) {
            Ok(holder) => holder?,
            Err(miss) => {
                self.count_miss(miss);
                return Ok(Vec::new());
            }
        };
        let Some(holder) = holder else {
            return Ok(held);
        };
        let named = self.name(&held, &holder);
        if !named.is_empty() {
            report(&named);
        }
        Ok(held)
    }

    /// Reads which wanted sockets the process holds, and who it is if there are any.
    fn look_into(
        &mut self,
        pid: u32,
        budget: &mut CpuBudget,
        held: &mut Vec<u64>,
    ) -> Result<Result<Option<Holder>, Stopped>, Miss> {
        let process = self.tree.process(pid)?;
        let sockets = &self.sockets;
        let mut keep = |inode: u64| {
            if sockets.contains_key(&inode) {
                held.push(inode);
            }
        };
        if let Err(stopped) = process.each_socket(&mut keep, || budget.throttle())? {
            return Ok(Err(stopped));
        }
        if held.is_empty() {
            return Ok(Ok(None));
        }
        held.sort_unstable();
        held.dedup();
        let stat = Stat::read(&process)?;
        let identity = self.identities.of_holder(&process, &stat);
        let identity = identity.ok_or(Miss::Unreadable)?;
        Ok(Ok(Some(Holder::new(pid, &stat, identity, self.search))))
    }

    /// Adds a holder to the sockets it holds; those whose owners are news.
    fn name(&mut self, held: &[u64], holder: &Holder) -> Vec<NamedSocket> {
        let mut only_this: Option<Owners> = None;
        let mut named = Vec::new();
        let mut ports = HashSet::new();
        for inode in held {
            let Some(socket) = self.sockets.get_mut(inode) else {
                continue;
            };
            ports.insert(socket.port());
            let was_named = socket.is_named();
            let before = was_named.then(|| socket.holders.owners());
            socket.holders.add(holder.clone());
            // Sockets of the same single process share its name: there may be thousands.
            let owners = if was_named {
                socket.holders.owners()
            } else {
                self.counts.found += 1;
                Arc::clone(only_this.get_or_insert_with(|| socket.holders.owners()))
            };
            if before.as_ref() != Some(&owners) {
                named.push(socket.named(*inode, owners));
            }
        }
        for port in ports {
            self.remember(port, holder.pid);
        }
        named
    }

    fn remember(&mut self, port: Port, pid: u32) {
        if self.of_port.len() >= PORTS_MAX && !self.of_port.contains_key(&port) {
            self.of_port.clear();
        }
        let pids = self.of_port.entry(port).or_default();
        pids.retain(|&known| known != pid);
        if pids.len() >= PER_PORT_MAX {
            pids.remove(0);
        }
        pids.push(pid);
    }

    pub(super) fn count_miss(&mut self, miss: Miss) {
        match miss {
            Miss::Vanished => self.counts.vanished += 1,
            Miss::Unreadable => self.counts.unreadable += 1,
            Miss::Hangs => self.counts.hung += 1,
        }
    }
}
