//! What is asked, and the rows that the answers make.

use super::Fleet;
use crate::columns::{Row as _, whole};
use detector_api::row::PeerRow;
use detector_api::snapshot::{Peer, Verdict};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Label under which an agent sums peers without a line of their own.
const OTHER: &str = "other";

/// Peers of all answers together: some hundred megabytes of rows.
pub(super) const PEERS: usize = 100_000;
/// Longest name of a peer, which is an address or a network.
const LONGEST_NAME: usize = 64;

/// A sample: its labels and its value.
pub(super) type Sample = (Labels, f64);

/// The labels that are looked at; what else there may be takes no memory.
#[derive(Deserialize)]
pub(super) struct Labels {
    peer: Option<String>,
    verdict: Option<String>,
    cause: Option<String>,
}

/// What an answer is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    Hosts,
    SilentHosts,
    StalledOfAll,
    PinnedOfAll,
    TcpMemory,
    TcpMemoryLimit,
    PeerHosts,
    PeerVerdict,
    PeerStalled,
    PeerPinned,
    PeerPinnedSeconds,
    PeerEpisodes,
    PeerZeroWindow,
    PeerRetransmits,
}

/// All questions. Sums are made by Prometheus, so that what comes back does not grow with hosts.
pub(super) const QUERIES: &[(Field, &str)] = &[
    (Field::Hosts, "count(detector_build_info)"),
    // An agent under another name of a job is not found among the silent ones.
    (Field::SilentHosts, "count(up{job=\"detector\"} == 0)"),
    (Field::StalledOfAll, "sum(detector_stalled_connections)"),
    (Field::PinnedOfAll, "sum(detector_pinned_bytes)"),
    (Field::TcpMemory, "sum(detector_tcp_memory_bytes)"),
    (
        Field::TcpMemoryLimit,
        "sum(detector_tcp_memory_limit_bytes)",
    ),
    (
        Field::PeerHosts,
        "count by (peer) (detector_peer_stalled_connections > 0)",
    ),
    (
        Field::PeerVerdict,
        "max by (peer, verdict) (detector_peer_flagged) > 0",
    ),
    (
        Field::PeerStalled,
        "sum by (peer) (detector_peer_stalled_connections)",
    ),
    (
        Field::PeerPinned,
        "sum by (peer) (detector_peer_pinned_bytes)",
    ),
    (
        Field::PeerPinnedSeconds,
        "sum by (peer) (detector_peer_pinned_byte_seconds_total)",
    ),
    (
        Field::PeerEpisodes,
        "sum by (peer) (detector_peer_zero_window_episodes_total)",
    ),
    (
        Field::PeerZeroWindow,
        "sum by (peer) (detector_peer_zero_window_seconds_total)",
    ),
    (
        Field::PeerRetransmits,
        "sum by (peer, cause) (detector_peer_retransmits_total)",
    ),
];

/// The answers so far.
pub(super) struct Answers {
    fleet: Fleet,
    tcp_memory: Option<u64>,
    peers: BTreeMap<String, PeerRow>,
}

impl Answers {
    pub(super) fn new() -> Self {
        Self {
            fleet: Fleet::default(),
            tcp_memory: None,
            peers: BTreeMap::new(),
        }
    }

    /// Books the samples of one answer; an error where there are more peers than there is room for.
    pub(super) fn take(&mut self, field: Field, samples: Vec<Sample>) -> Result<(), String> {
        for (mut labels, value) in samples {
            let number = whole(value);
            match field {
                Field::Hosts => self.fleet.hosts = number,
                Field::SilentHosts => self.fleet.silent_hosts = number,
                Field::StalledOfAll => self.fleet.stalled_connections = number,
                Field::PinnedOfAll => self.fleet.pinned_bytes = number,
                Field::TcpMemory => self.tcp_memory = Some(number),
                Field::TcpMemoryLimit => {
                    self.fleet.tcp_memory_bytes = self.tcp_memory.map(|used| (used, number));
                }
                _ => {
                    let is_peer = |peer: &String| peer != OTHER && peer.len() <= LONGEST_NAME;
                    if let Some(peer) = labels.peer.take().filter(is_peer) {
                        let row = self.peers.entry(peer.clone());
                        let row = row.or_insert_with(|| row_of(peer));
                        book(row, field, &labels, value);
                    }
                    if self.peers.len() > PEERS {
                        return Err(format!("it has more than {PEERS} peers"));
                    }
                }
            }
        }
        Ok(())
    }

    /// All of it, the most costly peer first.
    pub(super) fn fleet(self) -> Fleet {
        let mut peers: Vec<PeerRow> = self.peers.into_values().collect();
        peers.sort_by(|one, other| {
            let costs = other.cost().into_iter().zip(one.cost());
            costs.fold(std::cmp::Ordering::Equal, |order, (more, less)| {
                order.then(more.total_cmp(&less))
            })
        });
        Fleet {
            peers,
            ..self.fleet
        }
    }
}

fn book(row: &mut PeerRow, field: Field, labels: &Labels, value: f64) {
    let number = whole(value);
    let peer = &mut row.peer;
    match field {
        Field::PeerHosts => row.hosts = Some(number),
        // Declared from the worst to the most harmless.
        Field::PeerVerdict => {
            let verdict: Option<Verdict> = labels
                .verdict
                .as_deref()
                .and_then(|label| label.parse().ok());
            peer.verdict = match (peer.verdict, verdict) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
        Field::PeerStalled => peer.stalled_connections = number,
        Field::PeerPinned => peer.pinned_bytes = number,
        Field::PeerPinnedSeconds => peer.pinned_byte_seconds = value,
        Field::PeerEpisodes => peer.zero_window_episodes = number,
        Field::PeerZeroWindow => peer.zero_window_seconds = value,
        Field::PeerRetransmits => match labels.cause.as_deref().unwrap_or_default() {
            "loss" => peer.retransmits.loss = number,
            "tail_probe" => peer.retransmits.tail_probe = number,
            "window_probe" => peer.retransmits.window_probe = number,
            _ => {}
        },
        _ => {}
    }
}

/// A peer of which nothing but its name is known yet.
fn row_of(peer: String) -> PeerRow {
    let mut row = PeerRow::from(Peer::unknown(peer));
    row.hosts = Some(0);
    row
}

/// JSON names of what a Prometheus knows.
const FIELDS: [&str; 10] = [
    "peer",
    "members",
    "hosts",
    "verdict",
    "stalled_connections",
    "pinned_bytes",
    "pinned_byte_seconds",
    "zero_window_episodes",
    "zero_window_seconds",
    "retransmits",
];

/// A row without what is not known.
pub(crate) fn known_json(row: &PeerRow) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(row)?;
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, _| FIELDS.contains(&name.as_str()));
    }
    Ok(value)
}
