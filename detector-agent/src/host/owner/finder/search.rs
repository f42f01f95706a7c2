//! Looks into processes: those that held sockets of a port, or all.

use super::{Finder, NamedSocket, Port, Socket};
use crate::host::owner::budget::{CpuBudget, Stopped};
use crate::host::owner::holder::Holder;
use crate::host::owner::proc::Miss;
use crate::host::owner::process::Stat;
use detector_core::engine::Owners;
use std::collections::HashSet;
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

/// What a process was seen to hold.
#[derive(Debug, Default)]
struct Visited {
    /// The wanted sockets among the descriptors that were looked at.
    held: Vec<u64>,
    /// Whether it has more of these.
    has_more: bool,
}

impl Finder {
    /// Looks into the processes that held sockets of this port until its new ones are found.
    pub(super) fn search_port(
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
            let held = self.visit(pid, u32::MAX, budget, report)?.held;
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
    pub(super) fn search_all(
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
        // Of those with more descriptors, first those that hold any of these sockets as far as is known.
        let (mut holders, mut others) = (Vec::new(), Vec::new());
        for pid in pids {
            let visited = self.visit(pid, self.at_first, budget, report)?;
            if visited.has_more {
                let left = if visited.held.is_empty() {
                    &mut others
                } else {
                    &mut holders
                };
                left.push(pid);
            }
        }
        for pid in holders.into_iter().chain(others) {
            self.visit(pid, u32::MAX, budget, report)?;
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

    /// Looks into one process, at so many of its descriptors.
    fn visit(
        &mut self,
        pid: u32,
        at_most: u32,
        budget: &mut CpuBudget,
        report: &mut impl FnMut(&[NamedSocket]),
    ) -> Result<Visited, Stopped> {
        budget.throttle()?;
        let mut visited = Visited::default();
        let holder = match self.look_into(pid, at_most, budget, &mut visited) {
            Ok(holder) => holder?,
            Err(miss) => {
                self.count_miss(miss);
                return Ok(Visited::default());
            }
        };
        if let Some(holder) = holder {
            let named = self.name(&visited.held, &holder);
            if !named.is_empty() {
                report(&named);
            }
        }
        Ok(visited)
    }

    /// Reads which wanted sockets the process holds, and who it is if there are any.
    fn look_into(
        &mut self,
        pid: u32,
        at_most: u32,
        budget: &mut CpuBudget,
        visited: &mut Visited,
    ) -> Result<Result<Option<Holder>, Stopped>, Miss> {
        let process = self.tree.process(pid)?;
        let (sockets, held) = (&self.sockets, &mut visited.held);
        let mut keep = |inode: u64| {
            if sockets.contains_key(&inode) {
                held.push(inode);
            }
        };
        match process.each_socket(at_most, &mut keep, || budget.throttle())? {
            Ok(has_more) => visited.has_more = has_more,
            Err(stopped) => return Ok(Err(stopped)),
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
}
