//! The thread that finds the owners of stalled connections: asks the engine which are wanted and
//! reports what it finds.

use crate::host::owner::{CpuBudget, Finder, NamedSocket, Stopped};
use crate::priority::set_niceness;
use crate::state::AgentState;
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// Time between two searches.
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
    let finder = Finder::new(Path::new("/proc"))?;
    std::thread::Builder::new()
        .name("owners".to_owned())
        .spawn(move || {
            if let Err(error) = set_niceness(nice) {
                tracing::debug!("cannot set the niceness of the search for owners: {error}");
            }
            // It ends in one way only: when the agent stops.
            let Err(Stopped) = name_owners(&state, finder, CpuBudget::new(stopped));
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
        let wanted = state.with_engine(|engine| engine.owners_wanted());
        let now = Instant::now();
        finder.look_up(&wanted, now, &mut budget, &mut report)?;
        if !finder.has_stalled() {
            state.owners.update(|report| report.held_workers.clear());
        } else if now >= count_at {
            let used_before = budget.used();
            let held_workers = finder.count_held(&mut budget, &mut report)?;
            state
                .owners
                .update(|report| report.held_workers = held_workers);
            let cost = budget.used().saturating_sub(used_before);
            count_at = Instant::now() + COUNT_EVERY.max(cost * COUNT_SHARE);
        }
        state.owners.update(|report| {
            report.counts = finder.counts();
            report.used = budget.used();
        });
        budget.wait(ROUND)?;
    }
}
