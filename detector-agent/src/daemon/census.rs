//! The thread that counts all connections of suspects: asks the engine whom it suspects, asks the
//! kernel twice, and tells the engine the numbers.
//!
//! Within a share of one core: what costs more comes later, and until then nobody is accused.

use crate::host::owner::{CpuBudget, Share, Stopped};
use crate::namespace;
use crate::netlink::sock_diag::{Namespaces, Seen};
use crate::priority::set_niceness;
use crate::state::AgentState;
use detector_core::engine::{CensusWanted, Counted};
use detector_core::observe::census::{Census, Ends};
use detector_core::observe::peer_address::PeerAddress;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// Time between two questions to the engine.
const ROUND: Duration = Duration::from_millis(500);
/// From the first look to the second.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// Network namespaces come and go; finding them costs a look at each process.
const KNOWN_FOR: Duration = Duration::from_secs(10);

const SHARE: Share = Share {
    of_core: 0.002,
    burst: Duration::from_millis(200),
};

/// The running thread; it ends when this is dropped.
pub(super) struct CensusTaker {
    _stop: Sender<Infallible>,
}

/// Starts the thread, which changes its network namespace.
pub(super) fn start(state: Arc<AgentState>, nice: i32) -> io::Result<CensusTaker> {
    let (stop, stopped) = channel();
    std::thread::Builder::new()
        .name("census".to_owned())
        .spawn(move || {
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
    loop {
        let (wanted, thresholds) =
            state.with_engine(|engine| (engine.census_wanted(), engine.thresholds()));
        if !wanted.is_empty() {
            if known.found.elapsed() > KNOWN_FOR {
                known = Known::find();
            }
            let first = Look::take(state, &wanted, &known.namespaces);
            budget.wait(BETWEEN_LOOKS)?;
            let second = Look::take(state, &wanted, &known.namespaces);
            if second.peers.len() < wanted.len() {
                known = Known::find();
            }
            let floor = thresholds.dribble_floor_bytes_per_second;
            report(state, &wanted, &first.compare(&second, floor));
        }
        let spent = u64::try_from(budget.used().as_nanos()).unwrap_or(u64::MAX);
        state.counters.census_ns.store(spent, Ordering::Relaxed);
        budget.wait(ROUND)?;
        budget.throttle()?;
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

fn report(state: &AgentState, wanted: &[CensusWanted], counted: &HashMap<PeerAddress, Counted>) {
    for suspect in wanted {
        let counted = counted.get(&suspect.peer);
        state.engine().set_census(suspect.peer, counted);
        let counter = match counted {
            Some(_) => &state.counters.suspects_counted,
            None => &state.counters.suspects_not_counted,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the kernel has of suspects at one moment.
struct Look {
    at: Instant,
    peers: HashMap<PeerAddress, Found>,
}

/// What it has of one.
#[derive(Default)]
struct Found {
    /// By network namespace and cookie.
    connections: HashMap<(u32, [u8; 8]), Seen>,
    /// Connections that have ended over the past hours, well and early.
    ended: (u64, u64),
}

impl Look {
    /// Asks in each namespace in which a suspect has connections. One of which not everything could
    /// be asked is left out.
    fn take(state: &AgentState, wanted: &[CensusWanted], namespaces: &Namespaces) -> Self {
        let mut peers: HashMap<PeerAddress, Found> = HashMap::new();
        let mut by_namespace: BTreeMap<u32, Vec<PeerAddress>> = BTreeMap::new();
        for suspect in wanted {
            let Some(ended) = state.history(suspect.peer) else {
                continue;
            };
            let found = Found {
                ended,
                ..Found::default()
            };
            peers.insert(suspect.peer, found);
            for netns in &suspect.namespaces {
                by_namespace.entry(*netns).or_default().push(suspect.peer);
            }
        }
        let at = Instant::now();
        for (netns, suspects) in by_namespace {
            if let Err(reason) = look_in(namespaces, netns, &suspects, &mut peers) {
                tracing::debug!("suspects in network namespace {netns} not counted: {reason}");
                suspects.iter().for_each(|peer| drop(peers.remove(peer)));
            }
        }
        // A thread keeps the namespace alive in which it is.
        if let Some(Err(error)) = namespace::home().map(|home| namespace::enter(&home)) {
            tracing::debug!("the census cannot go home: {error}");
        }
        Self { at, peers }
    }

    /// What both looks say together, of those that are in both.
    fn compare(&self, later: &Self, floor_bytes_per_second: u64) -> HashMap<PeerAddress, Counted> {
        let milliseconds = later.at.duration_since(self.at).as_millis();
        let least = u128::from(floor_bytes_per_second) * milliseconds / 1_000;
        let least = u64::try_from(least).unwrap_or(u64::MAX);
        let both = self.peers.iter().filter_map(|(peer, first)| {
            let second = later.peers.get(peer)?;
            Some((*peer, compare(first, second, least)))
        });
        both.collect()
    }
}

fn compare(first: &Found, second: &Found, least_bytes: u64) -> Counted {
    let (earlier, later) = (&first.connections, &second.connections);
    let well = later.iter().filter(|(key, now)| {
        // Our SYN counts as one byte.
        let has_taken_all = now.queued_bytes == 0 && now.bytes_acked > 1;
        let taken = earlier
            .get(*key)
            .map(|then| now.bytes_acked.saturating_sub(then.bytes_acked));
        has_taken_all || taken.is_some_and(|taken| taken >= least_bytes.max(1))
    });
    let well: HashSet<Ends> = well
        .map(|((netns, _), seen)| Ends {
            netns: *netns,
            local: seen.ends.local,
            remote: seen.ends.remote,
        })
        .collect();
    let missing_in = |these: &HashMap<_, _>, others: &HashMap<_, _>| {
        these
            .keys()
            .filter(|key| !others.contains_key(*key))
            .count() as u64
    };
    let (ended_well, ended_early) = second.ended;
    Counted {
        census: Census {
            connections: later.len() as u64,
            well: well.len() as u64,
            came: missing_in(later, earlier),
            went: missing_in(earlier, later),
            ended_well_meanwhile: ended_well.saturating_sub(first.ended.0),
            ended_well,
            ended_early,
        },
        well,
    }
}

/// Adds what this namespace has of `suspects` to `peers`.
fn look_in(
    namespaces: &Namespaces,
    netns: u32,
    suspects: &[PeerAddress],
    peers: &mut HashMap<PeerAddress, Found>,
) -> Result<(), String> {
    let prefixes: HashSet<u8> = suspects
        .iter()
        .filter(|peer| peer.address().is_ipv6())
        .map(|peer| peer.prefix_length())
        .collect();
    let mut diagnosis = namespaces.enter(netns)?;
    let asked = diagnosis.look(suspects, |seen| {
        let remote = seen.ends.remote.ip();
        let keys = prefixes
            .iter()
            .map(|prefix| PeerAddress::of(remote, *prefix));
        let key = keys
            .chain([PeerAddress::of(remote, 128)])
            .find(|key| peers.contains_key(key));
        if let Some(found) = key.and_then(|key| peers.get_mut(&key)) {
            found.connections.insert((netns, seen.cookie), seen);
        }
    });
    asked.map_err(|error| error.to_string())
}
