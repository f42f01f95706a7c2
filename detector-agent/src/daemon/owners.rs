//! The thread that finds the owners of stalled connections: asks the engine which are wanted and
//! reports what it finds.

use crate::config::GuardMode;
use crate::host::owner::{CpuBudget, Finder, Held, NamedSocket, Share, Stopped};
use crate::namespace::pid;
use crate::netlink::sock_diag::{Diagnosis, Ends};
use crate::priority::set_niceness;
use crate::privilege::outside;
use crate::state::AgentState;
use detector_api::budget::Saving;
use detector_api::snapshot::HeldWorkers;
use detector_core::engine::OwnerWanted;
use detector_core::guard::Workers;
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
/// A count may take one part in this many of the time,
const COUNT_SHARE: u32 = 200;
/// but while the guard is on none is further from the last than this: its bounds need new ones.
const COUNT_EVERY_GUARDED: Duration = Duration::from_secs(15);

/// The running thread; it ends when this is dropped.
pub(super) struct Owners {
    _stop: Sender<Infallible>,
}

/// Starts the thread.
pub(super) fn start(state: Arc<AgentState>, nice: i32) -> io::Result<Owners> {
    let (stop, stopped) = channel();
    // Control groups of the host may be mounted where Landlock lets nobody look.
    let finder = outside::run("owners", || Finder::new(Path::new("/proc")))??;
    let finder = finder.with_neighbours(!pid::is_first());
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
            engine.set_owner(&each.connection, each.inode, &each.owners, each.writer);
        }
    };
    let mut count_at = Instant::now();
    loop {
        let roused = state.doze.times_roused();
        find_within_host(state, &mut budget)?;
        if state.governor.saves(Saving::Owners) {
            forget_count(state, false);
            budget.wait(ROUND)?;
            continue;
        }
        let (mut wanted, has_nobody) = state.with_engine(|engine| {
            let wanted = engine.owners_wanted();
            let has_nobody = has_nobody(engine.totals().ledger.stalled_connections, &wanted);
            (wanted, has_nobody)
        });
        let is_idle = state.engine().connections_tracked() == 0;
        let readers = add_readers(&mut wanted, state.host.tcp_memory.owners_wanted());
        let has_readers = !readers.is_empty();
        let now = Instant::now();
        finder.look_up(&wanted, now, &mut budget, &mut report)?;
        let owner = |inode: u32| Some((inode, finder.owner(u64::from(inode))?));
        let owners = readers.into_iter().filter_map(owner);
        state.host.tcp_memory.set_owners(owners.collect());
        if !finder.has_stalled() {
            forget_count(state, has_nobody);
        } else if now >= count_at {
            let used_before = budget.used();
            // What was looked up before may have taken a minute.
            let now = Instant::now();
            let held = finder.count_held(&mut budget, &mut report)?;
            take_count(state, held, now);
            let cost = budget.used().saturating_sub(used_before);
            count_at = Instant::now() + pause(cost, state.guard.config().mode);
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

/// Until the next count. The guard acts on none that is old.
fn pause(cost: Duration, mode: GuardMode) -> Duration {
    let pause = COUNT_EVERY.max(cost * COUNT_SHARE);
    match mode {
        GuardMode::Off => pause,
        GuardMode::DryRun | GuardMode::Enforce => pause.min(COUNT_EVERY_GUARDED),
    }
}

/// Whether there are stalled connections and no process has any of them: all of them are orphans.
fn has_nobody(stalled_connections: u64, wanted: &[OwnerWanted]) -> bool {
    stalled_connections > 0 && !wanted.iter().any(|each| each.is_stalled)
}

/// Where nobody counts, nothing is known, unless there is nobody to be counted.
fn forget_count(state: &AgentState, has_nobody: bool) {
    state.owners.forget_count(has_nobody);
    let mut engine = state.engine();
    engine.set_unit_limits(BTreeMap::new());
    engine.set_held_workers(&[]);
}

/// Tells the engine who waits, and how much memory the units may have that own stalled connections; all
/// others what those pin.
fn take_count(state: &AgentState, held: Held, began: Instant) {
    let Held {
        mut services,
        for_peers,
        waiting,
    } = held;
    let limits = services
        .iter()
        .filter_map(|each| Some((each.service.clone(), each.memory?.limit_bytes)));
    let limits = limits.collect();
    let (pinned, pinned_by_peers) = state.with_engine(|engine| {
        engine.set_held_workers(&waiting);
        engine.set_unit_limits(limits);
        (engine.pinned_of_units(), engine.pinned_of_units_by_peers())
    });
    let of = |amounts: &BTreeMap<String, u64>, each: &HeldWorkers| {
        amounts.get(&each.service).copied().unwrap_or(0)
    };
    for each in &mut services {
        let pinned_bytes = of(&pinned, each);
        if let Some(memory) = &mut each.memory {
            memory.pinned_bytes = pinned_bytes;
        }
    }
    let by_peers = services.iter().map(|each| Workers {
        service: each.service.clone(),
        held: for_peers.get(&each.service).copied().unwrap_or(0),
        total: each.total,
        pinned_bytes: of(&pinned_by_peers, each),
        limit_bytes: each.memory.map(|memory| memory.limit_bytes),
    });
    let by_peers = by_peers.collect();
    state.owners.update(|report| {
        report.held_workers = Some(services);
        report.by_peers = Some((began, by_peers));
    });
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
            is_of_peer: false,
        });
    }
    inodes
}

#[cfg(test)]
mod tests {
    use super::{COUNT_EVERY, COUNT_EVERY_GUARDED, has_nobody, pause, start};
    use crate::config::{Config, GuardMode};
    use crate::state::AgentState;
    use crate::state::tests::{stalled, state};
    use detector_api::budget::Saving;
    use detector_api::snapshot::HeldWorkers;
    use detector_core::engine::OwnerWanted;
    use detector_core::guard::Workers;
    use detector_core::observe::observation::Observation;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    const PATIENCE: Duration = Duration::from_secs(60);

    /// An agent that has used so much that it gives up owners, with a count of before.
    fn busy(mode: GuardMode) -> Arc<AgentState> {
        let mut config = Config::default();
        config.guard.mode = mode;
        let (state, _pings) = state(&config);
        let now = Instant::now();
        for spans in 0..3 {
            let passed = Duration::from_secs(10 * spans);
            state.governor.look(passed, now + passed);
        }
        state.owners.update(|report| {
            report.held_workers = Some(vec![HeldWorkers {
                service: "web.service".to_owned(),
                held: Some(5),
                total: 10,
                stalled_connections: 5,
                memory: None,
            }]);
            report.by_peers = Some((now, vec![Workers::default()]));
        });
        state
    }

    #[test]
    fn what_was_counted_before_owners_are_given_up_is_forgotten() {
        let state = busy(GuardMode::Off);
        assert!(state.governor.saves(Saving::Owners));
        let _owners = start(Arc::clone(&state), 0).unwrap();
        let began = Instant::now();
        while state.owners.read().held_workers.is_some() {
            assert!(began.elapsed() < PATIENCE, "it is still there");
            std::thread::yield_now();
        }
        assert_eq!(state.owners.by_peers(Instant::now()), Some(Vec::new()));
    }

    /// Connections that stay when their program has closed them keep no worker waiting, and that is known; of one that
    /// some process has, found or not, it is not known before the count.
    #[test]
    fn where_no_process_is_left_no_worker_waits() {
        let (state, _pings) = state(&Config::default());
        let orphan = Observation {
            is_orphan: true,
            inode: None,
            ..stalled("198.51.100.7:40000", 60)
        };
        state.feed(&[orphan]);
        let owners = start(Arc::clone(&state), 0).unwrap();
        let began = Instant::now();
        while state.owners.held_workers(1) != Some(0) {
            assert!(began.elapsed() < PATIENCE, "nobody has counted");
            std::thread::yield_now();
        }
        drop(owners);

        let wanted = |is_stalled| OwnerWanted {
            connection: stalled("198.51.100.7:40000", 60).connection,
            inode: 7,
            is_stalled,
            is_of_peer: true,
        };
        assert!(has_nobody(1, &[wanted(false)]));
        assert!(!has_nobody(2, &[wanted(true)]));
        assert!(!has_nobody(0, &[]));
    }

    #[test]
    fn while_the_guard_is_on_owners_are_looked_for_and_counts_stay_new() {
        for mode in [GuardMode::DryRun, GuardMode::Enforce] {
            let state = busy(mode);
            assert!(!state.governor.saves(Saving::Owners));
            assert!(!state.governor.status().given_up.contains(&Saving::Owners));
            assert!(state.governor.saves(Saving::Timelines));
            assert_eq!(pause(Duration::from_secs(9), mode), COUNT_EVERY_GUARDED);
            assert_eq!(pause(Duration::ZERO, mode), COUNT_EVERY);
        }
        assert!(pause(Duration::from_secs(9), GuardMode::Off) > COUNT_EVERY_GUARDED);
    }
}
