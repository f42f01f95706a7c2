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
use std::collections::{HashMap, VecDeque};
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
/// First looks that wait for their second at the same time.
const MOST_PAIRS: usize = 3;
/// For so long what a pair has shown waits for two more looks: whoever is a suspect no more gets none.
const UNCONFIRMED_FOR: Duration = Duration::from_secs(10);

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
    let mut pairs = Pairs::default();
    loop {
        let roused = state.doze.times_roused();
        let (wanted, is_idle) = state.with_engine(|engine| {
            let is_idle = engine.connections_tracked() == 0;
            (engine.census_wanted(), is_idle)
        });
        if !(wanted.is_empty() && pairs.is_empty()) && known.found.elapsed() > KNOWN_FOR {
            known = Known::find();
        }
        if !pairs.go_on(state, wanted, &known.namespaces) {
            known = Known::find();
        }
        let spent = u64::try_from(budget.used().as_nanos()).unwrap_or(u64::MAX);
        state.counters.census_ns.store(spent, Ordering::Relaxed);
        if is_idle && pairs.is_empty() {
            state.doze.sleep_since(roused);
        }
        budget.wait(ROUND)?;
        wait_for_share(state, &mut budget)?;
    }
}

/// Looks that wait for their second. Several, so that nobody waits for the pair of others to end before his
/// own begins: a verdict is due within seconds.
#[derive(Default)]
struct Pairs {
    lot: Lot,
    open: VecDeque<Pair>,
    /// What an earlier pair of looks showed of suspects of whom two more are wanted.
    unconfirmed: HashMap<Suspect, (Compared, Instant)>,
}

/// A first look.
struct Pair {
    wanted: Vec<CensusWanted>,
    first: Look,
    at: Instant,
}

impl Pairs {
    fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Looks at those who are wanted and not looked at already, and once more where it is time. `false` if a
    /// network namespace was not found.
    fn go_on(
        &mut self,
        state: &AgentState,
        mut wanted: Vec<CensusWanted>,
        namespaces: &Namespaces,
    ) -> bool {
        self.unconfirmed
            .retain(|_, (_, at)| at.elapsed() < UNCONFIRMED_FOR);
        let mut are_all_found = true;
        let is_due = |pair: &Pair| pair.at.elapsed() >= BETWEEN_LOOKS;
        while self.open.front().is_some_and(is_due)
            && let Some(pair) = self.open.pop_front()
        {
            let second = Look::after(&pair.first).take(state, &pair.wanted, namespaces);
            are_all_found &= second.suspects() >= pair.wanted.len();
            let thresholds = state.with_engine(|engine| engine.thresholds());
            let floor = thresholds.dribble_floor_bytes_per_second;
            let found = pair.first.compare(&second, floor);
            self.report(state, &pair.wanted, found);
            // They were wanted before this answer.
            wanted.retain(|each| !pair.has(&each.suspect));
        }
        wanted.retain(|each| !self.open.iter().any(|pair| pair.has(&each.suspect)));
        if !wanted.is_empty() && self.open.len() < MOST_PAIRS {
            let first = Look::new(&self.lot).take(state, &wanted, namespaces);
            let at = Instant::now();
            self.open.push_back(Pair { wanted, first, at });
        }
        are_all_found
    }

    /// Tells the engine; keeps what two more looks are to confirm.
    fn report(
        &mut self,
        state: &AgentState,
        wanted: &[CensusWanted],
        mut found: HashMap<Suspect, Compared>,
    ) {
        for CensusWanted { suspect, .. } in wanted {
            let compared = found.remove(suspect);
            let before = self.unconfirmed.remove(suspect);
            let before = before.as_ref().map(|(before, _)| before);
            let counted = compared.as_ref().map(|compared| compared.counted(before));
            let is_taken = state.engine().set_census(*suspect, counted.as_ref());
            let counter = match compared {
                Some(compared) if !is_taken => {
                    self.unconfirmed
                        .insert(*suspect, (compared, Instant::now()));
                    continue;
                }
                Some(_) => &state.counters.suspects_counted,
                None => &state.counters.suspects_not_counted,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Pair {
    fn has(&self, suspect: &Suspect) -> bool {
        self.wanted.iter().any(|each| each.suspect == *suspect)
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

#[cfg(test)]
mod tests {
    use super::{BETWEEN_LOOKS, MOST_PAIRS, Pairs};
    use crate::config::Config;
    use crate::netlink::sock_diag::Namespaces;
    use crate::state::tests::state;
    use detector_core::engine::CensusWanted;
    use detector_core::observe::census::Suspect;
    use detector_core::observe::peer_address::PeerAddress;
    use std::sync::atomic::Ordering;
    use std::time::Instant;

    fn wanted(last: &[u8]) -> Vec<CensusWanted> {
        let suspects = last.iter().map(|last| {
            let address = std::net::Ipv4Addr::new(198, 51, 100, *last);
            Suspect::Peer(PeerAddress::of(address.into(), 64))
        });
        let wanted = suspects.map(|suspect| CensusWanted {
            suspect,
            namespaces: Vec::new(),
        });
        wanted.collect()
    }

    #[tokio::test]
    async fn nobody_waits_for_the_pair_of_others_and_each_has_one() {
        let (state, _pings) = state(&Config::default());
        let namespaces = Namespaces::find();
        let mut pairs = Pairs::default();
        for known in 1..=4 {
            // Whoever is being looked at is wanted until there is an answer.
            let all: Vec<u8> = (1..=known).collect();
            pairs.go_on(&state, wanted(&all), &namespaces);
        }
        assert_eq!(pairs.open.len(), MOST_PAIRS);
        for (open, last) in pairs.open.iter().zip(1..) {
            assert_eq!(open.wanted, wanted(&[last]));
        }
        let long_ago = Instant::now().checked_sub(BETWEEN_LOOKS).unwrap();
        pairs.open[0].at = long_ago;
        pairs.go_on(&state, wanted(&[1, 2, 3, 4]), &namespaces);
        let answered = state.counters.suspects_not_counted.load(Ordering::Relaxed);
        assert_eq!(answered, 1, "there is no kernel side here");
        let open: Vec<_> = pairs.open.iter().map(|pair| pair.wanted.clone()).collect();
        assert_eq!(open, [wanted(&[2]), wanted(&[3]), wanted(&[4])]);
    }
}
