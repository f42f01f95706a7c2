//! Rows for groups of peers: by network, process or unit.

use detector_api::address::network_around;
use detector_api::row::PeerRow;
use detector_api::snapshot::{Peer, Process};
use std::collections::HashMap;

/// Group the peers by this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Grouping {
    /// Each peer by itself
    #[default]
    Peer,
    /// By /24 of IPv4 and /48 of IPv6
    Net,
    /// By the process that owns the stalled connections
    Process,
    /// By systemd unit or container
    Unit,
}

/// Group of peers without a known owner.
const NO_OWNER: &str = "(unknown)";

impl Grouping {
    /// In the order in which `detector top` goes round.
    pub const ALL: [Self; 4] = [Self::Peer, Self::Net, Self::Process, Self::Unit];

    /// The next one, round and round.
    pub const fn next(self) -> Self {
        match self {
            Self::Peer => Self::Net,
            Self::Net => Self::Process,
            Self::Process => Self::Unit,
            Self::Unit => Self::Peer,
        }
    }

    /// Name in flags and settings.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Net => "net",
            Self::Process => "process",
            Self::Unit => "unit",
        }
    }

    /// Heading of the first column.
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Peer => "PEER",
            Self::Net => "NETWORK",
            Self::Process => "PROCESS",
            Self::Unit => "UNIT",
        }
    }

    /// Name of the group that a peer belongs to. A peer with several owners belongs to the group
    /// of just these, so that the groups add up to the whole.
    pub fn name_of(self, peer: &Peer) -> String {
        match self {
            Self::Peer => peer.peer.clone(),
            Self::Net => network_around(&peer.peer)
                .map_or_else(|| peer.peer.clone(), |network| network.to_string()),
            Self::Process => owners(peer, |process| &process.comm),
            Self::Unit => owners(peer, |process| {
                process.unit.as_deref().unwrap_or(&process.comm)
            }),
        }
    }
}

fn owners(peer: &Peer, name: fn(&Process) -> &str) -> String {
    let mut names: Vec<&str> = peer.processes.iter().map(name).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        NO_OWNER.to_owned()
    } else {
        names.join(", ")
    }
}

/// The groups of these peers, each at the place of its first member.
pub fn group(peers: Vec<PeerRow>, by: Grouping) -> Vec<PeerRow> {
    if by == Grouping::Peer {
        return peers;
    }
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut groups: Vec<(PeerRow, Lead)> = Vec::new();
    for row in peers {
        let name = by.name_of(&row.peer);
        match places.get(&name) {
            Some(place) => {
                let (sum, lead) = &mut groups[*place];
                add(sum, lead, row);
            }
            None => {
                places.insert(name.clone(), groups.len());
                let lead = Lead::of(&row.peer);
                let mut sum = row;
                sum.peer.peer = name;
                groups.push((sum, lead));
            }
        }
    }
    groups.into_iter().map(|(sum, _)| sum).collect()
}

/// Weight of the member whose verdict the group shows: the most severe, then the most costly.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Lead {
    is_judged: bool,
    severity: detector_api::snapshot::Severity,
    pinned_bytes: u64,
}

impl Lead {
    const fn of(peer: &Peer) -> Self {
        Self {
            is_judged: peer.verdict.is_some(),
            severity: peer.severity,
            pinned_bytes: peer.pinned_bytes,
        }
    }
}

fn add(sum: &mut PeerRow, lead: &mut Lead, row: PeerRow) {
    let its_lead = Lead::of(&row.peer);
    sum.members += row.members;
    // The same host may be among those of several members.
    sum.hosts = None;
    let (sum, peer) = (&mut sum.peer, row.peer);
    if its_lead > *lead {
        *lead = its_lead;
        sum.verdict = peer.verdict;
    }
    sum.severity = sum.severity.max(peer.severity);
    for (total, part) in [
        (&mut sum.connections, peer.connections),
        (&mut sum.stalled_connections, peer.stalled_connections),
        (&mut sum.pinned_bytes, peer.pinned_bytes),
        (&mut sum.zero_window_episodes, peer.zero_window_episodes),
        (&mut sum.window_shrinks.polite, peer.window_shrinks.polite),
        (
            &mut sum.window_shrinks.below_flight,
            peer.window_shrinks.below_flight,
        ),
        (&mut sum.window_shrinks.treason, peer.window_shrinks.treason),
        (&mut sum.retransmits.loss, peer.retransmits.loss),
        (&mut sum.retransmits.tail_probe, peer.retransmits.tail_probe),
        (
            &mut sum.retransmits.window_probe,
            peer.retransmits.window_probe,
        ),
        (&mut sum.retransmits_needless, peer.retransmits_needless),
    ] {
        *total = total.saturating_add(part);
    }
    sum.pinned_byte_seconds += peer.pinned_byte_seconds;
    sum.zero_window_seconds += peer.zero_window_seconds;
    sum.bytes_acked_per_second += peer.bytes_acked_per_second;
    sum.longest_stall_seconds = sum.longest_stall_seconds.max(peer.longest_stall_seconds);
    sum.services.extend(peer.services);
    sum.services.sort_unstable();
    sum.services.dedup();
    for process in peer.processes {
        if !sum.processes.iter().any(|known| known.pid == process.pid) {
            sum.processes.push(process);
        }
    }
    // RFC 3339 in UTC: text order is time order.
    if peer.first_seen < sum.first_seen {
        sum.first_seen = peer.first_seen;
    }
    if peer.last_seen > sum.last_seen {
        sum.last_seen = peer.last_seen;
    }
}
