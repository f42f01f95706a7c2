//! The thread that finds the owners of stalled connections: asks the engine which are wanted and
//! reports what it finds.

use crate::host::owner::{CpuBudget, Finder, Held, NamedSocket, Share, Stopped};
use crate::host::pid_namespace;
use crate::netlink::sock_diag::{Diagnosis, Ends};
use crate::priority::set_niceness;
use crate::privilege::outside;
use crate::state::AgentState;
use detector_api::snapshot::HeldWorkers;
use detector_api::status::Saving;
use detector_core::engine::{Engine, OwnerWanted};
use detector_core::observe::observation::ConnectionId;
use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// Time between two searches, while there is anything to search for.
const ROUND: Duration = Duration::from_secs(1);
/// Time between two counts of held tasks, at least.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// A count may take one part in this many of the time.
const COUNT_SHARE: u32 = 200;

/// The running thread; it ends when this is dropped.
pub(super) struct Owners {
    _stop: Sender<Infallible>,
}

/// Starts the thread.
pub(super) fn start(state: Arc<AgentState>, nice: i32) -> io::Result<Owners> {
    let (stop, stopped) = channel();
    let finder = Finder::new(Path::new("/proc"))?.with_neighbours(!pid_namespace::is_first());
    outside::spawn("owners", move || {
        if let Err(error) = set_niceness(nice) {
            tracing::debug!("cannot set the niceness of the search for owners: {error}");
        }
        // It ends in one way only: when the agent stops.
        let Err(Stopped) = name_owners(&state, finder, CpuBudget::new(stopped, Share::OWNERS));
    })?;
    Ok(Owners { _stop: stop })
}

fn name_owners(
    state: &AgentState,
    mut finder: Finder,
    mut budget: CpuBudget,
) -> Result<Infallible, Stopped> {
    let mut report = |named: &[NamedSocket]| {
        let mut engine = state.engine();
        for each in named {
            engine.set_owner(&each.connection, each.inode, &each.processes);
        }
    };
    let mut count_at = Instant::now();
    loop {
        let roused = state.doze.times_roused();
        find_within_host(state, &mut budget)?;
        if state.governor.saves(Saving::Owners) {
            budget.wait(ROUND)?;
            continue;
        }
        let mut wanted = state.with_engine(|engine| engine.owners_wanted());
        let is_idle = state.engine().connections_tracked() == 0;
        let readers = add_readers(&mut wanted, state.host.tcp_memory.owners_wanted());
        let has_readers = !readers.is_empty();
        let now = Instant::now();
        finder.look_up(&wanted, now, &mut budget, &mut report)?;
        let owner = |inode: u32| Some((inode, finder.owner(u64::from(inode))?));
        let owners = readers.into_iter().filter_map(owner);
        state.host.tcp_memory.set_owners(owners.collect());
        if !finder.has_stalled() {
            state.owners.update(|report| report.held_workers.clear());
            let mut engine = state.engine();
            engine.set_unit_limits(BTreeMap::new());
            engine.set_held_workers(&[]);
        } else if now >= count_at {
            let used_before = budget.used();
            let Held {
                mut services,
                waiting,
            } = finder.count_held(&mut budget, &mut report)?;
            state.with_engine(|engine| {
                engine.set_held_workers(&waiting);
                tell_limits(engine, &mut services);
            });
            state.owners.update(|report| report.held_workers = services);
            let cost = budget.used().saturating_sub(used_before);
            count_at = Instant::now() + COUNT_EVERY.max(cost * COUNT_SHARE);
        }
        state.owners.update(|report| {
            report.counts = finder.counts();
            report.used = budget.used();
        });
        if is_idle && !has_readers {
            state.doze.sleep_since(roused);
        }
        budget.wait(ROUND)?;
    }
}

/// Tells the engine how much memory the units may have that own stalled connections, and the units
/// what those pin.
fn tell_limits(engine: &mut Engine, services: &mut [HeldWorkers]) {
    let limits = services
        .iter()
        .filter_map(|each| Some((each.service.clone(), each.memory?.limit_bytes)));
    engine.set_unit_limits(limits.collect());
    let pinned = engine.pinned_of_units();
    for each in services {
        if let Some(memory) = &mut each.memory {
            memory.pinned_bytes = pinned.get(&each.service).copied().unwrap_or(0);
        }
    }
}

/// Looks up whether connections to addresses of ours end at a socket of this host.
fn find_within_host(state: &AgentState, budget: &mut CpuBudget) -> Result<(), Stopped> {
    let candidates = state.with_engine(|engine| engine.maybe_within_host());
    if candidates.is_empty() {
        return Ok(());
    }
    let mut diagnosis = match Diagnosis::open() {
        Ok(diagnosis) => diagnosis,
        Err(error) => {
            tracing::debug!("cannot ask for the other ends of connections: {error}");
            return Ok(());
        }
    };
    for candidate in candidates {
        budget.throttle()?;
        let other_end = Ends {
            local: candidate.remote,
            remote: candidate.local,
        };
        match diagnosis.find(other_end) {
            Ok(found) => state.engine().set_within_host(&candidate, found.is_some()),
            Err(error) => tracing::debug!("cannot ask for the socket of {other_end:?}: {error}"),
        }
    }
    Ok(())
}

/// Adds sockets whose programs do not read, unless they are wanted already; returns their inodes.
fn add_readers(wanted: &mut Vec<OwnerWanted>, readers: Vec<(u32, u16, u32)>) -> Vec<u32> {
    let known: HashSet<u64> = wanted.iter().map(|each| each.inode).collect();
    let nowhere = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let mut inodes = Vec::new();
    for (netns, port, inode) in readers {
        inodes.push(inode);
        if known.contains(&u64::from(inode)) {
            continue;
        }
        wanted.push(OwnerWanted {
            // Only namespace and port help to find it; no connection of the engine is like that.
            connection: ConnectionId {
                socket: 0,
                local: nowhere(port),
                remote: nowhere(0),
                netns,
            },
            inode: u64::from(inode),
            is_stalled: false,
        });
    }
    inodes
}
