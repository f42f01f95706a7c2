//! Counts how many tasks of each service wait for peers that do not take their data.
//!
//! A task is held if it sleeps in a write to a stalled socket. One that waits for exactly one
//! descriptor, as servers do that give a write a time limit, is taken to wait for a stalled
//! socket of its process as long as there are such sockets without a task; which one is not known.
//! Which tasks wait for which sockets is told too, as far as that is known.
//! A service of which no task is seen to wait may serve its connections by an event loop or by
//! goroutines, and what of its work waits does not show: so nothing is said, and not that none is held.
//! Where calls may not be read, the only task of a process that owns a stalled socket is taken to
//! be held, unless it sleeps in an event loop.

use super::budget::{CpuBudget, Stopped};
use super::calls::Line;
use super::cgroup_memory::GroupMemory;
use super::finder::{Finder, NamedSocket};
use super::holder::Task;
use super::proc::{Miss, ProcessFolder};
use super::process::Stat;
use super::syscall::Waiting;
use detector_api::snapshot::{HeldWorkers, UnitMemory};
use detector_core::engine::WaitingTasks;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Threads whose calls are read at one go.
const THREADS_AT_ONCE: usize = 256;
const WCHAN_BYTES: usize = 64;
/// Services reported; more do not fit a page.
const SERVICES_MAX: usize = 1_000;

/// What was counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// The services that own stalled connections, most held tasks first.
    pub(crate) services: Vec<HeldWorkers>,
    /// Of each service the tasks that wait for connections that peers have opened, at least.
    pub(crate) for_peers: HashMap<String, u64>,
    /// Which tasks wait for which connections.
    pub(crate) waiting: Vec<WaitingTasks>,
}

/// Tasks of one process that are held.
#[derive(Debug, Default)]
struct HeldTasks {
    /// Thread and the socket it writes to.
    writers: Vec<(u32, u64)>,
    /// Tasks that wait for one descriptor.
    of_one_descriptor: u64,
    /// Tasks whose calls may not be read, and that are not known to be in an event loop.
    unreadable: u64,
}

/// Who of one process waits for what.
#[derive(Debug, Default)]
struct Waiters {
    /// Thread and the socket it writes to.
    writers: Vec<(u32, u64)>,
    /// Tasks that wait for one socket each,
    others: u64,
    /// of these.
    without_task: Vec<u64>,
}

#[derive(Debug, Default)]
struct Service {
    memory: Option<GroupMemory>,
    held: u64,
    held_for_peers: u64,
    total: u64,
    stalled_connections: u64,
}

impl Finder {
    /// The services that own stalled connections, and which tasks wait for which; `report` hears which
    /// thread writes to which.
    pub(crate) fn count_held(
        &mut self,
        budget: &mut CpuBudget,
        report: &mut impl FnMut(&[NamedSocket]),
    ) -> Result<Held, Stopped> {
        let mut services: HashMap<Arc<str>, Service> = HashMap::new();
        // Of each process that holds a stalled socket, those that it is the first to own.
        let mut stalled_of: HashMap<u32, Vec<u64>> = HashMap::new();
        let stalled = self.sockets.iter();
        for (&inode, socket) in stalled.filter(|(_, socket)| socket.is_stalled) {
            let Some(first) = socket.holders.first() else {
                continue;
            };
            let service = services
                .entry(Arc::clone(&first.identity.owner.service))
                .or_default();
            if service.stalled_connections == 0 {
                let groups = self.groups.as_ref().zip(first.identity.group.as_deref());
                service.memory =
                    groups.and_then(|(groups, path)| groups.memory(&groups.seen(path)?));
            }
            service.stalled_connections += 1;
            stalled_of.entry(first.pid).or_default().push(inode);
            for holder in socket.holders.iter() {
                stalled_of.entry(holder.pid).or_default();
                services
                    .entry(Arc::clone(&holder.identity.owner.service))
                    .or_default();
            }
        }
        self.calls.begin_count();
        let with_hash = |(name, service): (Arc<str>, Service)| {
            (self.identities.hash_of(&name), (name, service))
        };
        let mut services: HashMap<_, _> = services.into_iter().map(with_hash).collect();
        let mut writers: HashMap<u64, Vec<Task>> = HashMap::new();
        let mut waiting = Vec::new();
        for pid in self.tree.pids().unwrap_or_default() {
            budget.throttle()?;
            let stalled = stalled_of.get(&pid).map(Vec::as_slice);
            match self.count_process(pid, stalled, &mut services, budget) {
                Ok(held) => {
                    let held = held?;
                    waiting.extend(self.waiting(held.others, &held.without_task));
                    for (thread, inode) in held.writers {
                        waiting.extend(self.waiting(1, &[inode]));
                        writers.entry(inode).or_default().push(Task { pid, thread });
                    }
                }
                Err(miss) => self.count_miss(miss),
            }
        }
        self.name_writers(&writers, report);
        let services: HashMap<Arc<str>, Service> = services.into_values().collect();
        let for_peers = services.iter().filter(|(_, each)| each.held_for_peers > 0);
        let for_peers = for_peers.map(|(name, each)| (name.to_string(), each.held_for_peers));
        Ok(Held {
            for_peers: for_peers.collect(),
            services: publish(services),
            waiting,
        })
    }

    /// So many tasks wait for these sockets.
    fn waiting(&self, tasks: u64, inodes: &[u64]) -> Option<WaitingTasks> {
        let sockets = inodes.iter().filter_map(|inode| self.sockets.get(inode));
        let connections: Vec<_> = sockets.map(|socket| socket.connection).collect();
        let is_any = tasks > 0 && !connections.is_empty();
        is_any.then_some(WaitingTasks { tasks, connections })
    }

    /// Adds one process to its service, if that owns stalled connections; returns who of it waits for what.
    ///
    /// `stalled`: sockets that it is the first to own, if it holds any stalled one; `services`: by the hashes of their
    /// names.
    fn count_process(
        &mut self,
        pid: u32,
        stalled: Option<&[u64]>,
        services: &mut HashMap<u64, (Arc<str>, Service)>,
        budget: &mut CpuBudget,
    ) -> Result<Result<Waiters, Stopped>, Miss> {
        let process = Arc::new(self.tree.process(pid)?);
        let stat = Stat::read(&process)?;
        let hash = self.identities.service_of(&process, &stat);
        let Some((_, service)) = services.get_mut(&hash) else {
            return Ok(Ok(Waiters::default()));
        };
        service.total += u64::from(stat.threads);
        let Some(stalled) = stalled else {
            return Ok(Ok(Waiters::default()));
        };
        let held = match self.held_tasks(&process, stat.started_ticks, budget)? {
            Ok(held) => held,
            Err(stopped) => return Ok(Err(stopped)),
        };
        let waiters = held.waiters(stalled, stat.threads);
        service.held += waiters.writers.len() as u64 + waiters.others;
        let is_of_peer = |inode: &u64| self.sockets.get(inode).is_some_and(|each| each.is_of_peer);
        service.held_for_peers += waiters.for_peers(is_of_peer);
        Ok(Ok(waiters))
    }

    fn held_tasks(
        &mut self,
        process: &Arc<ProcessFolder>,
        started_ticks: u64,
        budget: &mut CpuBudget,
    ) -> Result<Result<HeldTasks, Stopped>, Miss> {
        let mut held = HeldTasks::default();
        for threads in process.threads()?.chunks(THREADS_AT_ONCE) {
            if let Err(stopped) = budget.throttle() {
                return Ok(Err(stopped));
            }
            let (lines, used) = self.calls.lines(process, started_ticks, threads)?;
            budget.book_of_another(used);
            for (&thread, line) in threads.iter().zip(lines) {
                self.add_task(process, thread, line, &mut held);
            }
        }
        Ok(Ok(held))
    }

    /// Adds what one thread sleeps in.
    fn add_task(&self, process: &ProcessFolder, thread: u32, line: Line, held: &mut HeldTasks) {
        match line.map(|line| Waiting::parse(&line)) {
            Ok(Some(Waiting::Write(descriptor))) => {
                let inode = process.socket(descriptor);
                let is_stalled = |inode: &u64| {
                    let socket = self.sockets.get(inode);
                    socket.is_some_and(|socket| socket.is_stalled)
                };
                held.writers
                    .extend(inode.filter(is_stalled).map(|inode| (thread, inode)));
            }
            Ok(Some(Waiting::OneDescriptor)) => held.of_one_descriptor += 1,
            Ok(Some(Waiting::Other)) | Err(Miss::Vanished) => {}
            Ok(None) | Err(Miss::Unreadable | Miss::Hangs) => {
                held.unreadable += u64::from(!is_in_event_loop(process, thread));
            }
        }
    }

    /// Tells of each socket the one thread that writes to it, where that is news.
    fn name_writers(
        &mut self,
        writers: &HashMap<u64, Vec<Task>>,
        report: &mut impl FnMut(&[NamedSocket]),
    ) {
        let mut named = Vec::new();
        for (&inode, socket) in &mut self.sockets {
            let writer = match writers.get(&inode).map(Vec::as_slice) {
                Some([only]) => Some(*only),
                _ => None,
            };
            if socket.holders.set_writer(writer) {
                named.push(socket.named(inode, socket.holders.owners()));
            }
        }
        if !named.is_empty() {
            report(&named);
        }
    }
}

impl HeldTasks {
    /// `stalled`: sockets that this process is the first to own; `threads`: all its tasks.
    fn waiters(self, stalled: &[u64], threads: u32) -> Waiters {
        let written: HashSet<u64> = self.writers.iter().map(|(_, inode)| *inode).collect();
        let left = (stalled.len() as u64).saturating_sub(written.len() as u64);
        let unreadable = if threads == 1 { self.unreadable } else { 0 };
        let is_left = |inode: &&u64| !written.contains(inode);
        Waiters {
            others: left.min(self.of_one_descriptor + unreadable),
            without_task: stalled.iter().filter(is_left).copied().collect(),
            writers: self.writers,
        }
    }
}

impl Waiters {
    /// Those that wait for a peer even if each socket that is none's keeps one of the others busy.
    fn for_peers(&self, is_of_peer: impl Fn(&u64) -> bool) -> u64 {
        let writers = self.writers.iter().filter(|(_, inode)| is_of_peer(inode));
        let none_s = self.without_task.iter().filter(|inode| !is_of_peer(inode));
        writers.count() as u64 + self.others.saturating_sub(none_s.count() as u64)
    }
}

/// Whether the kernel function the task sleeps in is that of `epoll_wait`.
fn is_in_event_loop(process: &ProcessFolder, thread: u32) -> bool {
    process
        .read(&format!("task/{thread}/wchan"), WCHAN_BYTES)
        .is_ok_and(|function| function.starts_with(b"ep_") || function.starts_with(b"do_epoll"))
}

fn publish(services: HashMap<Arc<str>, Service>) -> Vec<HeldWorkers> {
    let mut workers: Vec<HeldWorkers> = services
        .into_iter()
        // Those that merely inherited sockets of others.
        .filter(|(_, service)| service.held + service.stalled_connections > 0)
        .map(|(name, service)| HeldWorkers {
            service: name.to_string(),
            held: Some(service.held).filter(|held| *held > 0),
            total: service.total.max(service.held),
            stalled_connections: service.stalled_connections,
            memory: service.memory.map(|memory| UnitMemory {
                limit_bytes: memory.limit_bytes,
                used_bytes: memory.used_bytes,
                socket_bytes: memory.socket_bytes,
                pinned_bytes: 0,
            }),
        })
        .collect();
    workers.sort_by(|a, b| {
        let cost = |each: &HeldWorkers| Reverse((each.held, each.stalled_connections));
        cost(a)
            .cmp(&cost(b))
            .then_with(|| a.service.cmp(&b.service))
    });
    workers.truncate(SERVICES_MAX);
    workers
}
