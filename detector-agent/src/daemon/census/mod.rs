//! The thread that counts all connections of suspects: asks the engine whom it suspects, asks the
//! kernel twice, and tells the engine the numbers.
//!
//! Of at most so many connections at a time it keeps anything (`look`): of a suspect with more, of some by
//! lot, and what they show is multiplied.
//!
//! Within a share of one core: what costs more comes later, and until then nobody is accused.

mod look;

use crate::host::owner::{CpuBudget, Share, Stopped};
use crate::netlink::sock_diag::Namespaces;
use crate::priority::set_niceness;
use crate::privilege::outside;
use crate::state::AgentState;
use detector_core::engine::CensusWanted;
use detector_core::observe::census::Suspect;
use look::{Compared, Look, Lot};
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// Time between two questions to the engine, while it tracks any connection.
const ROUND: Duration = Duration::from_millis(500);
/// From the first look to the second.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// Network namespaces come and go; finding them costs a look at each process.
const KNOWN_FOR: Duration = Duration::from_secs(10);

/// A second of work at hand, for the many suspects of an attack's first minute: whoever waits for an
/// answer is not accused meanwhile.
const SHARE: Share = Share {
    of_core: 0.002,
    burst: Duration::from_secs(1),
};

/// While stalled connections press the host, the guard acts on nobody who hoards before he was counted: a host
/// with a hundred thousand sockets then has a pair of looks each eight seconds, not in minutes.
const OF_CORE_UNDER_PRESSURE: f64 = 0.05;

/// The running thread; it ends when this is dropped.
pub(super) struct CensusTaker {
    _stop: Sender<Infallible>,
}

/// Starts the thread, which changes its network namespace.
pub(super) fn start(state: Arc<AgentState>, nice: i32) -> io::Result<CensusTaker> {
    let (stop, stopped) = channel();
    outside::spawn("census", move || {
        if let Err(error) = set_niceness(nice) {
            tracing::debug!("cannot set the niceness of the census: {error}");
        }
        // It ends in one way only: when the agent stops.
        let Err(Stopped) = count_suspects(&state, CpuBudget::new(stopped, SHARE));
    })?;
    Ok(CensusTaker { _stop: stop })
}

fn count_suspects(state: &AgentState, mut budget: CpuBudget) -> Result<Infallible, Stopped> {
    let mut known = Known::find();
    // What an earlier pair of looks showed of suspects of whom two more are wanted.
    let mut before = HashMap::new();
    let lot = Lot::default();
    loop {
        let roused = state.doze.times_roused();
        let (wanted, thresholds, is_idle) = state.with_engine(|engine| {
            let wanted = engine.census_wanted();
            (
                wanted,
                engine.thresholds(),
                engine.connections_tracked() == 0,
            )
        });
        if !wanted.is_empty() {
            if known.found.elapsed() > KNOWN_FOR {
                known = Known::find();
            }
            let first = Look::new(&lot).take(state, &wanted, &known.namespaces);
            budget.wait(BETWEEN_LOOKS)?;
            let second = Look::after(&first).take(state, &wanted, &known.namespaces);
            if second.suspects() < wanted.len() {
                known = Known::find();
            }
            let floor = thresholds.dribble_floor_bytes_per_second;
            let mut found = first.compare(&second, floor);
            before = report(state, &wanted, &mut found, &before);
        }
        let spent = u64::try_from(budget.used().as_nanos()).unwrap_or(u64::MAX);
        state.counters.census_ns.store(spent, Ordering::Relaxed);
        if is_idle {
            state.doze.sleep_since(roused);
        }
        budget.wait(ROUND)?;
        wait_for_share(state, &mut budget)?;
    }
}

/// What was spent is waited for; less while the guard sees pressure.
fn wait_for_share(state: &AgentState, budget: &mut CpuBudget) -> Result<(), Stopped> {
    loop {
        let is_pressed = state.guard.status().pressure.is_some();
        budget.allow(if is_pressed {
            OF_CORE_UNDER_PRESSURE
        } else {
            SHARE.of_core
        });
        if budget.throttle_for(ROUND)? {
            return Ok(());
        }
    }
}

/// The network namespaces that are there, and when they were found.
struct Known {
    namespaces: Namespaces,
    found: Instant,
}

impl Known {
    fn find() -> Self {
        Self {
            namespaces: Namespaces::find(),
            found: Instant::now(),
        }
    }
}

/// Tells the engine; gives what two more looks are to confirm.
fn report(
    state: &AgentState,
    wanted: &[CensusWanted],
    found: &mut HashMap<Suspect, Compared>,
    before: &HashMap<Suspect, Compared>,
) -> HashMap<Suspect, Compared> {
    let mut unconfirmed = HashMap::new();
    for CensusWanted { suspect, .. } in wanted {
        let compared = found.remove(suspect);
        let counted = compared
            .as_ref()
            .map(|compared| compared.counted(before.get(suspect)));
        let is_taken = state.engine().set_census(*suspect, counted.as_ref());
        let counter = match compared {
            Some(compared) if !is_taken => {
                unconfirmed.insert(*suspect, compared);
                continue;
            }
            Some(_) => &state.counters.suspects_counted,
            None => &state.counters.suspects_not_counted,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
    unconfirmed
}
