//! The thread that counts all connections of suspects: asks the engine whom it suspects, asks the
//! kernel twice, and tells the engine the numbers.
//!
//! Within a share of one core: what costs more comes later, and until then nobody is accused.

use crate::clock;
use crate::host::owner::{CpuBudget, Share, Stopped};
use crate::kernel::History;
use crate::namespace;
use crate::netlink::sock_diag::{Namespaces, Seen};
use crate::priority::set_niceness;
use crate::privilege::outside;
use crate::state::AgentState;
use detector_core::engine::{CensusWanted, Counted};
use detector_core::observe::census::{Census, Ends, Suspect};
use detector_core::observe::peer_address::{Network, PeerAddress};
use std::collections::{BTreeMap, HashMap, HashSet};
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
            let first = Look::take(state, &wanted, &known.namespaces);
            budget.wait(BETWEEN_LOOKS)?;
            let second = Look::take(state, &wanted, &known.namespaces);
            if second.peers.len() < wanted.len() {
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

/// What the kernel has of suspects at one moment.
struct Look {
    at: Instant,
    peers: HashMap<Suspect, Found>,
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
    fn take(state: &AgentState, wanted: &[CensusWanted], known: &Namespaces) -> Self {
        let mut peers: HashMap<Suspect, Found> = HashMap::new();
        let mut by_namespace: BTreeMap<u32, Vec<Suspect>> = BTreeMap::new();
        let history = state.history();
        for CensusWanted {
            suspect,
            namespaces,
        } in wanted
        {
            let of_suspect = |history: &Arc<History>| history.of(*suspect, clock::now());
            let Some(ended) = history.as_ref().and_then(of_suspect) else {
                continue;
            };
            let found = Found {
                ended,
                ..Found::default()
            };
            peers.insert(*suspect, found);
            for netns in namespaces {
                by_namespace.entry(*netns).or_default().push(*suspect);
            }
        }
        let at = Instant::now();
        for (netns, suspects) in by_namespace {
            if let Err(reason) = look_in(known, netns, &suspects, &mut peers) {
                tracing::debug!("suspects in network namespace {netns} not counted: {reason}");
                suspects
                    .iter()
                    .for_each(|suspect| drop(peers.remove(suspect)));
            }
        }
        // A thread keeps the namespace alive in which it is.
        if let Some(Err(error)) = namespace::home().map(|home| namespace::enter(&home)) {
            tracing::debug!("the census cannot go home: {error}");
        }
        Self { at, peers }
    }

    /// What both looks say together, of those that are in both.
    fn compare(&self, later: &Self, floor_bytes_per_second: u64) -> HashMap<Suspect, Compared> {
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

/// What a pair of looks shows of one suspect.
struct Compared {
    connections: u64,
    came: u64,
    went: u64,
    /// Connections that are well, by network namespace and cookie.
    well: HashMap<(u32, [u8; 8]), Ends>,
    ended_at_first: (u64, u64),
    ended: (u64, u64),
}

impl Compared {
    /// With what an earlier pair showed.
    fn counted(&self, before: Option<&Self>) -> Counted {
        let was_well = |key| before.is_some_and(|before| before.well.contains_key(key));
        let well: HashMap<Ends, bool> = self
            .well
            .iter()
            .map(|(key, ends)| (*ends, was_well(key)))
            .collect();
        let well_before = well.values().filter(|was_well| **was_well).count() as u64;
        let (ended_well_at_first, _) = before.unwrap_or(self).ended_at_first;
        let (ended_well, ended_early) = self.ended;
        Counted {
            census: Census {
                connections: self.connections,
                well: well.len() as u64,
                well_before: before.map(|_| well_before),
                came: self.came,
                went: self.went,
                ended_well_meanwhile: ended_well.saturating_sub(ended_well_at_first),
                ended_well,
                ended_early,
            },
            well,
        }
    }
}

fn compare(first: &Found, second: &Found, least_bytes: u64) -> Compared {
    let (earlier, later) = (&first.connections, &second.connections);
    let well = later.iter().filter(|(key, now)| {
        earlier
            .get(*key)
            .is_some_and(|then| is_well(then, now, least_bytes.max(1)))
    });
    let well = well.map(|((netns, cookie), seen)| {
        let ends = Ends {
            netns: *netns,
            local: seen.ends.local,
            remote: seen.ends.remote,
        };
        ((*netns, *cookie), ends)
    });
    let missing_in = |these: &HashMap<_, _>, others: &HashMap<_, _>| {
        these
            .keys()
            .filter(|key| !others.contains_key(*key))
            .count() as u64
    };
    Compared {
        connections: later.len() as u64,
        came: missing_in(later, earlier),
        went: missing_in(earlier, later),
        well: well.collect(),
        ended_at_first: first.ended,
        ended: second.ended,
    }
}

/// Whoever does not read takes bytes as long as its buffers have room, but offers no more of it.
fn is_well(then: &Seen, now: &Seen, least_bytes: u64) -> bool {
    // Our SYN counts as one byte.
    let has_taken_all = now.queued_bytes == 0 && now.bytes_acked > 1;
    let taken = now.bytes_acked.saturating_sub(then.bytes_acked);
    let read = match (then.edge, now.edge) {
        (Some(then), Some(now)) => now.saturating_sub(then),
        _ => taken,
    };
    has_taken_all || taken.min(read) >= least_bytes
}

/// Adds what this namespace has of `suspects` to `peers`.
fn look_in(
    namespaces: &Namespaces,
    netns: u32,
    suspects: &[Suspect],
    peers: &mut HashMap<Suspect, Found>,
) -> Result<(), String> {
    let ranges: Vec<PeerAddress> = suspects.iter().map(|suspect| suspect.range()).collect();
    let of_peers = suspects.iter().filter_map(|suspect| match suspect {
        Suspect::Peer(peer) => Some(peer.prefix_length()),
        Suspect::Network(_) => None,
    });
    // Addresses of IPv4 are whole, whatever the prefix.
    let prefixes: HashSet<u8> = of_peers.collect();
    let has_networks = suspects
        .iter()
        .any(|suspect| matches!(suspect, Suspect::Network(_)));
    let mut diagnosis = namespaces.enter(netns)?;
    let asked = diagnosis.look(&ranges, |seen| {
        let remote = seen.ends.remote.ip();
        let of_peers = prefixes
            .iter()
            .map(|prefix| Suspect::Peer(PeerAddress::of(remote, *prefix)));
        let network = has_networks.then(|| Suspect::Network(Network::of(remote)));
        for suspect in of_peers.chain(network) {
            if let Some(found) = peers.get_mut(&suspect) {
                found.connections.insert((netns, seen.cookie), seen);
            }
        }
    });
    asked.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Found, compare};
    use crate::netlink::sock_diag::{Ends, Seen};
    use std::net::{Ipv4Addr, SocketAddr};

    /// `queued`, `acked`, `window` of each connection.
    fn found(ended_well: u64, connections: &[(u32, u64, u64)]) -> Found {
        let seen = connections.iter().zip(1_u8..);
        let seen = seen.map(|((queued_bytes, bytes_acked, window), number)| {
            let end = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let seen = Seen {
                ends: Ends {
                    local: end(80),
                    remote: end(u16::from(number)),
                },
                cookie: [number; 8],
                queued_bytes: *queued_bytes,
                bytes_acked: *bytes_acked,
                edge: Some(bytes_acked + window),
            };
            ((1, seen.cookie), seen)
        });
        Found {
            connections: seen.collect(),
            ended: (ended_well, 0),
        }
    }

    const READS: [(u32, u64, u64); 3] = [
        (9_000, 10_000, 60_000),
        (9_000, 20_000, 60_000),
        (9_000, 30_000, 60_000),
    ];
    const FILLS_ITS_BUFFER: [(u32, u64, u64); 3] = [
        (9_000, 10_000, 60_000),
        (9_000, 40_000, 30_000),
        (9_000, 69_000, 1_000),
    ];
    const IDLE: [(u32, u64, u64); 3] = [(0, 10_000, 60_000); 3];
    const IN_ITS_FIRST_BURST: [(u32, u64, u64); 3] = [
        (9_000, 1, 60_000),
        (9_000, 60_000, 9_000),
        (9_000, 69_000, 0),
    ];
    const UNUSED: [(u32, u64, u64); 3] = [(0, 1, 60_000); 3];

    #[test]
    fn a_connection_is_well_whose_peer_reads_or_has_taken_all() {
        let all = [READS, FILLS_ITS_BUFFER, IDLE, IN_ITS_FIRST_BURST, UNUSED];
        let look = |number: usize| {
            let connections: Vec<_> = all.iter().map(|each| each[number]).collect();
            found(number as u64, &connections)
        };
        let first = compare(&look(0), &look(1), 1_000);
        let counted = first.counted(None);
        assert_eq!((counted.census.connections, counted.census.well), (5, 3));
        assert_eq!(counted.census.well_before, None);
        assert_eq!(counted.census.ended_well_meanwhile, 1);
        let counted = compare(&look(1), &look(2), 1_000).counted(Some(&first));
        assert_eq!(counted.census.well, 2);
        assert_eq!(counted.census.well_before, Some(2));
        assert_eq!(counted.census.ended_well_meanwhile, 2);
    }

    #[test]
    fn who_comes_or_goes_between_two_looks_is_not_well() {
        let compared = compare(&found(0, &[IDLE[0]]), &found(0, &[IDLE[0], IDLE[0]]), 1);
        let counted = compared.counted(None).census;
        assert_eq!((counted.connections, counted.well), (2, 1));
        assert_eq!((counted.came, counted.went), (1, 0));
        let compared = compare(&found(0, &[IDLE[0], IDLE[0]]), &found(0, &[]), 1);
        let counted = compared.counted(None).census;
        assert_eq!((counted.connections, counted.well), (0, 0));
        assert_eq!((counted.came, counted.went), (0, 2));
    }
}
