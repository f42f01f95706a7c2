//! Counts how many tasks of each service wait for peers that do not take their data.
//!
//! A task is held if it sleeps in a write to a stalled socket. One that waits for exactly one
//! descriptor, as servers do that give a write a time limit, is taken to wait for a stalled
//! socket of its process as long as there are such sockets without a task; which one is not known.
//! A service of which no task is seen to wait may serve its connections by an event loop or by
//! goroutines, and what of its work waits does not show: so nothing is said, and not that none is held.
//! Where calls may not be read, the only task of a process that owns a stalled socket is taken to
//! be held, unless it sleeps in an event loop.

use super::budget::{CpuBudget, Stopped};
use super::cgroup_memory::GroupMemory;
use super::finder::{Finder, NamedSocket};
use super::holder::Task;
use super::proc::{Miss, ProcessFolder};
use super::process::Stat;
use super::syscall::Waiting;
use detector_api::snapshot::{HeldWorkers, UnitMemory};
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

const SYSCALL_BYTES: usize = 256;
const WCHAN_BYTES: usize = 64;
/// Services reported; more do not fit a page.
const SERVICES_MAX: usize = 1_000;

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

#[derive(Debug, Default)]
struct Service {
    memory: Option<GroupMemory>,
    held: u64,
    total: u64,
    stalled_connections: u64,
}

impl Finder {
    /// The services that own stalled connections; `report` hears which thread writes to which.
    pub(crate) fn count_held(
        &mut self,
        budget: &mut CpuBudget,
        report: &mut impl FnMut(&[NamedSocket]),
    ) -> Result<Vec<HeldWorkers>, Stopped> {
        let mut services: HashMap<Arc<str>, Service> = HashMap::new();
        // Of each process that holds a stalled socket, how many it is the first to own.
        let mut stalled_of: HashMap<u32, u64> = HashMap::new();
        for socket in self.sockets.values().filter(|socket| socket.is_stalled) {
            let Some(first) = socket.holders.first() else {
                continue;
            };
            let service = services
                .entry(Arc::clone(&first.identity.service))
                .or_default();
            if service.stalled_connections == 0 {
                let groups = self.groups.as_ref().zip(first.identity.group.as_deref());
                service.memory = groups.and_then(|(groups, path)| groups.memory(path));
            }
            service.stalled_connections += 1;
            *stalled_of.entry(first.pid).or_default() += 1;
            for holder in socket.holders.iter() {
                stalled_of.entry(holder.pid).or_default();
                services
                    .entry(Arc::clone(&holder.identity.service))
                    .or_default();
            }
        }
        let mut writers: HashMap<u64, Vec<Task>> = HashMap::new();
        for pid in self.tree.pids().unwrap_or_default() {
            budget.throttle()?;
            let stalled = stalled_of.get(&pid).copied();
            match self.count_process(pid, stalled, &mut services, budget) {
                Ok(held) => {
                    for (thread, inode) in held? {
                        writers.entry(inode).or_default().push(Task { pid, thread });
                    }
                }
                Err(miss) => self.count_miss(miss),
            }
        }
        self.name_writers(&writers, report);
        Ok(publish(services))
    }

    /// Adds one process to its service, if that owns stalled connections; returns its writers.
    ///
    /// `stalled`: sockets that it is the first to own, if it holds any stalled one.
    fn count_process(
        &mut self,
        pid: u32,
        stalled: Option<u64>,
        services: &mut HashMap<Arc<str>, Service>,
        budget: &mut CpuBudget,
    ) -> Result<Result<Vec<(u32, u64)>, Stopped>, Miss> {
        let process = self.tree.process(pid)?;
        let stat = Stat::read(&process)?;
        let identity = self.identities.of(&process, &stat);
        let Some(service) = services.get_mut(&identity.service) else {
            return Ok(Ok(Vec::new()));
        };
        service.total += u64::from(stat.threads);
        let Some(stalled) = stalled else {
            return Ok(Ok(Vec::new()));
        };
        let held = match self.held_tasks(&process, budget)? {
            Ok(held) => held,
            Err(stopped) => return Ok(Err(stopped)),
        };
        service.held += held.count(stalled, stat.threads);
        Ok(Ok(held.writers))
    }

    fn held_tasks(
        &self,
        process: &ProcessFolder,
        budget: &mut CpuBudget,
    ) -> Result<Result<HeldTasks, Stopped>, Miss> {
        let mut held = HeldTasks::default();
        for thread in process.threads()? {
            if let Err(stopped) = budget.throttle() {
                return Ok(Err(stopped));
            }
            let line = process.read(&format!("task/{thread}/syscall"), SYSCALL_BYTES);
            match line.map(|line| Waiting::parse(&line)) {
                Ok(Some(Waiting::Write(descriptor))) => {
                    let inode = process.socket(descriptor);
                    let is_stalled = |inode: &u64| {
                        self.sockets
                            .get(inode)
                            .is_some_and(|socket| socket.is_stalled)
                    };
                    held.writers
                        .extend(inode.filter(is_stalled).map(|inode| (thread, inode)));
                }
                Ok(Some(Waiting::OneDescriptor)) => held.of_one_descriptor += 1,
                Ok(Some(Waiting::Other)) | Err(Miss::Vanished) => {}
                Ok(None) | Err(Miss::Unreadable) => {
                    held.unreadable += u64::from(!is_in_event_loop(process, thread));
                }
            }
        }
        Ok(Ok(held))
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
                let processes = socket.holders.processes();
                named.push(NamedSocket {
                    connection: socket.connection,
                    inode,
                    processes,
                });
            }
        }
        if !named.is_empty() {
            report(&named);
        }
    }
}

impl HeldTasks {
    /// `stalled`: sockets that this process is the first to own; `threads`: all its tasks.
    fn count(&self, stalled: u64, threads: u32) -> u64 {
        let written: HashSet<u64> = self.writers.iter().map(|(_, inode)| *inode).collect();
        let without_task = stalled.saturating_sub(written.len() as u64);
        let unreadable = if threads == 1 { self.unreadable } else { 0 };
        self.writers.len() as u64 + without_task.min(self.of_one_descriptor + unreadable)
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
