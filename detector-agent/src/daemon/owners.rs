//! The thread that names who owns stalled connections: asks the engine what is wanted, tells it
//! what was found.

use crate::host::owner::{Finder, Named, Pace, Stopped};
use crate::priority::set_niceness;
use crate::state::AgentState;
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// Between two looks at what is wanted.
const ROUND: Duration = Duration::from_secs(1);
/// Between two counts of held tasks.
const COUNT_EVERY: Duration = Duration::from_secs(5);
/// A count may cost one part in so many of the time.
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
                tracing::debug!("the search for owners keeps the judge's niceness: {error}");
            }
            // There is one way to end: being told to.
            let Err(Stopped) = name_owners(&state, finder, Pace::new(stopped));
        })?;
    Ok(Owners { _stop: stop })
}

fn name_owners(
    state: &AgentState,
    mut finder: Finder,
    mut pace: Pace,
) -> Result<Infallible, Stopped> {
    let mut tell = |named: &[Named]| {
        let mut engine = state.engine();
        for each in named {
            engine.set_owner(&each.connection, each.inode, &each.processes);
        }
    };
    let mut count_at = Instant::now();
    loop {
        let wanted = state.with_engine(|engine| engine.owners_wanted());
        let now = Instant::now();
        finder.look_up(&wanted, now, &mut pace, &mut tell)?;
        if !finder.has_stalled() {
            state.owners.update(|report| report.held_workers.clear());
        } else if now >= count_at {
            let used_before = pace.used();
            let held_workers = finder.count_held(&mut pace, &mut tell)?;
            state
                .owners
                .update(|report| report.held_workers = held_workers);
            let cost = pace.used().saturating_sub(used_before);
            count_at = Instant::now() + COUNT_EVERY.max(cost * COUNT_SHARE);
        }
        state.owners.update(|report| {
            report.counts = finder.counts();
            report.used = pace.used();
        });
        pace.wait(ROUND)?;
    }
}
