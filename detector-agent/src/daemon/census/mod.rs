//! The thread that counts all connections of suspects: asks the engine whom it suspects, asks the
//! kernel twice, and tells the engine the numbers.
//!
//! A look is one pass over the sockets of a network namespace, and costs the more the more there are: so
//! it is the second look at some and the first at others. Of at most so many connections it keeps anything
//! (`look`): of a suspect with more, of some by lot, and what they show is multiplied.
//!
//! Within a share of one core, a greater one while somebody waits for the answer: where more was spent nobody is looked
//! at anew for a while, and until then nobody is accused. What has begun is brought to its end.

mod look;
mod places;

use crate::clock::{self, thread_time};
use crate::host::owner::{CpuBudget, Share, Stopped};
use crate::priority::set_niceness;
use crate::privilege::outside;
use crate::state::AgentState;
use detector_core::engine::{CensusWanted, Counted};
use detector_core::observe::census::Suspect;
use detector_core::observe::peer_address::PeerAddress;
use detector_core::time::MonotonicTime;
use look::{Compared, Found, Look, Lot};
use places::{Known, OurWay, Place, SuspectPlaces};
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// Time between two questions to the engine, while it tracks any connection,
const ROUND: Duration = Duration::from_millis(500);
/// or so many times what the question took, where suspects are many, but no more than `BETWEEN_LOOKS`.
const TIMES_ASKED: u32 = 2_000;
/// From the first look to the second.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// A second of work at hand, for the many suspects of an attack's first minute. From then on 0.2 % over ten minutes,
/// with what was begun by then.
const SHARE: Share = Share {
    of_core: 0.0017,
    burst: Duration::from_secs(1),
};

/// While somebody waits for the answer. Who hoards is not accused before he was counted; while stalled connections press
/// the host, the guard acts on nobody before that, and limits or blocks nobody who comes back. A host with a
/// hundred thousand sockets then has a pair of looks each eight seconds, not in minutes.
const OF_CORE_AWAITED: f64 = 0.05;

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
    let mut open = Open::default();
    loop {
        let roused = state.doze.times_roused();
        let before = thread_time();
        let may_fence_off = state.guard.may_fence_off(state.actions.trusts_anybody());
        budget.allow(of_core(state, &may_fence_off));
        let wanted = if budget.has_some_left() && open.has_room() {
            state.with_engine(|engine| engine.census_wanted(&may_fence_off))
        } else {
            Vec::new()
        };
        let took = thread_time().saturating_sub(before);
        let pause = (took * TIMES_ASKED).clamp(ROUND, BETWEEN_LOOKS);
        if !(wanted.is_empty() && open.is_empty()) && known.is_old() {
            known = Known::find();
        }
        let look = |look: &mut Look, places: &SuspectPlaces| {
            let our_way = OurWay::of(state, &known.namespaces, places);
            look.take(state, places, &known.namespaces, &our_way);
        };
        if !open.go_on(state, wanted, look) {
            known = Known::find();
        }
        let spent = u64::try_from(budget.used().as_nanos()).unwrap_or(u64::MAX);
        state.counters.census_ns.store(spent, Ordering::Relaxed);
        if open.is_empty() && state.with_engine(|engine| engine.connections_tracked() == 0) {
            state.doze.sleep_since(roused);
        }
        budget.wait(open.due_in().map_or(pause, |due| due.min(pause)))?;
    }
}

/// How much of a core asking may take now.
fn of_core(state: &AgentState, may_fence_off: &HashMap<PeerAddress, MonotonicTime>) -> f64 {
    let is_awaited = state.guard.status().pressure.is_some()
        || state.with_engine(|engine| engine.awaits_census(may_fence_off));
    if is_awaited {
        OF_CORE_AWAITED
    } else {
        SHARE.of_core
    }
}

/// Who was looked at once and waits for a second look: all at one time, so that nobody waits for longer than
/// that for a look of his own.
#[derive(Default)]
struct Open {
    lot: Lot,
    at: Option<Instant>,
    suspects: HashMap<Suspect, Begun>,
}

/// A suspect that was looked at.
struct Begun {
    place: Place,
    found: Found,
    /// What the look before showed with that before it, which is to be seen twice.
    unconfirmed: Option<Compared>,
}

impl Open {
    fn is_empty(&self) -> bool {
        self.suspects.is_empty()
    }

    /// How long until the second look; `None` if there is none to come.
    fn due_in(&self) -> Option<Duration> {
        let at = self.at.filter(|_| !self.is_empty())?;
        Some(BETWEEN_LOOKS.saturating_sub(at.elapsed()))
    }

    /// Whether others may be looked at now.
    fn has_room(&self) -> bool {
        self.due_in().is_none_or(|due| due.is_zero())
    }

    /// Looks at those who are wanted, and once more at others if it is time. `false` if a network namespace
    /// was not found.
    fn go_on(
        &mut self,
        state: &AgentState,
        wanted: Vec<CensusWanted>,
        take: impl FnOnce(&mut Look, &SuspectPlaces),
    ) -> bool {
        if !self.has_room() || self.is_empty() && wanted.is_empty() {
            return true;
        }
        let thresholds = state.with_engine(|engine| engine.thresholds());
        let mut look = Look::new(&self.lot, thresholds.dribble_floor_bytes_per_second);
        let (mut places, mut unconfirmed) = (SuspectPlaces::new(), HashMap::new());
        if let Some(at) = self.at {
            for (suspect, begun) in self.suspects.drain() {
                look.expect(suspect, Some((begun.found, at)));
                places.insert(suspect, begun.place);
                unconfirmed.extend(begun.unconfirmed.map(|compared| (suspect, compared)));
            }
        }
        for each in wanted {
            let known = places.get(&each.suspect).map(Place::wanted);
            // Where it was looked for before says nothing of what a limit would cut.
            let may_be_newly =
                each.may_be_fenced_off && !known.is_some_and(|known| known.may_be_fenced_off);
            if known.is_none() || may_be_newly {
                unconfirmed.remove(&each.suspect);
                look.expect(each.suspect, None);
                places.insert(each.suspect, Place::of(each));
            }
        }
        take(&mut look, &places);
        self.at = Some(look.at());
        let mut looked: HashMap<Suspect, _> = look.compared().collect();
        let (mut answers, mut are_all_found) = (Vec::new(), true);
        for (suspect, place) in places {
            let Some((compared, found)) = looked.remove(&suspect) else {
                are_all_found = false;
                answers.push((place.wanted().clone(), None));
                continue;
            };
            if let Some(compared) = &compared {
                let counted = compared.counted(unconfirmed.get(&suspect));
                answers.push((place.wanted().clone(), Some(counted)));
            }
            let begun = Begun {
                place,
                found,
                unconfirmed: compared,
            };
            self.suspects.insert(suspect, begun);
        }
        for suspect in tell(state, &answers) {
            self.suspects.remove(&suspect);
        }
        are_all_found
    }
}

/// Tells the engine; returns those whose answer it has taken.
fn tell(state: &AgentState, answers: &[(CensusWanted, Option<Counted>)]) -> HashSet<Suspect> {
    let (mut taken, mut networks, mut well) = (HashSet::new(), Vec::new(), Vec::new());
    for (wanted, counted) in answers {
        match wanted.suspect {
            Suspect::Network(network) => {
                networks.push((network, counted.as_ref()));
                taken.insert(wanted.suspect);
            }
            // One at a time, for judging is not to wait.
            Suspect::Peer(peer) => {
                let mut engine = state.engine();
                if engine.set_census(wanted.suspect, counted.as_ref()) {
                    taken.insert(wanted.suspect);
                    let others = counted.as_ref().map_or(0, |_| engine.others_of(peer));
                    well.extend((wanted.is_on_our_way && others > 0).then_some((peer, others)));
                }
            }
        }
    }
    if let Some(history) = state.history().filter(|_| !well.is_empty()) {
        history.note_well(&well, clock::now());
    }
    if !networks.is_empty() {
        for unconfirmed in state.engine().set_census_of_networks(&networks) {
            taken.remove(&Suspect::Network(unconfirmed));
        }
    }
    for (wanted, counted) in answers {
        if taken.contains(&wanted.suspect) {
            let counter = match counted {
                Some(_) => &state.counters.suspects_counted,
                None => &state.counters.suspects_not_counted,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
    taken
}

#[cfg(test)]
mod tests;
