//! Samples over time, a bounded number of them.

use super::facts::{Facts, Now};
use detector_api::actions::SocketName;
use detector_api::snapshot::Connection;
use detector_recorder::WindowPoint;
use std::collections::{HashMap, HashSet, VecDeque};

/// Samples kept of one line: ten minutes at one a second.
const KEPT: usize = 600;
/// Connections of the open peer whose samples are kept.
const TIMELINES: usize = 256;

/// Samples, the oldest first.
#[derive(Clone, Debug)]
pub(crate) struct History<T> {
    samples: VecDeque<T>,
}

impl<T> Default for History<T> {
    fn default() -> Self {
        Self {
            samples: VecDeque::new(),
        }
    }
}

impl<T> History<T> {
    fn push(&mut self, sample: T) {
        if self.samples.len() == KEPT {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// The samples, the oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.samples.iter()
    }
}

/// Histories of the host.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostHistory {
    /// Load over one minute.
    pub(crate) load: History<f64>,
    /// Memory of TCP as a share of what is allowed.
    pub(crate) tcp_memory_share: History<f64>,
    /// Connections held up.
    pub(crate) stalled: History<f64>,
    /// Memory these hold.
    pub(crate) pinned: History<f64>,
}

#[allow(clippy::cast_precision_loss, reason = "drawn with eight steps")]
impl HostHistory {
    /// Adds what was known at one moment.
    pub(crate) fn take(&mut self, facts: &Facts) {
        if let Some(load) = facts.load.first() {
            self.load.push(*load);
        }
        if let Some((used, limit)) = facts.tcp_memory_bytes {
            self.tcp_memory_share
                .push(used as f64 / limit.max(1) as f64);
        }
        if let Some(stalled) = facts.stalled_connections {
            self.stalled.push(stalled as f64);
        }
        if let Some(pinned) = facts.pinned_bytes {
            self.pinned.push(pinned as f64);
        }
    }
}

/// What identifies a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionKey {
    netns: u32,
    pub(super) local: String,
    pub(super) remote: String,
}

impl ConnectionKey {
    /// Of this connection.
    pub(crate) fn of(connection: &Connection) -> Self {
        Self {
            netns: connection.netns,
            local: connection.local.clone(),
            remote: connection.remote.clone(),
        }
    }

    /// As actions name it.
    pub(crate) fn name(&self) -> SocketName {
        SocketName {
            local: Some(self.local.clone()),
            remote: self.remote.clone(),
            netns: Some(self.netns),
        }
    }

    /// Whether it is the key of this connection.
    pub(crate) fn is_of(&self, connection: &Connection) -> bool {
        self.netns == connection.netns
            && self.local == connection.local
            && self.remote == connection.remote
    }
}

/// Window, edge and queue of a connection at one moment, all counted from the first byte that is
/// not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    /// When.
    pub(crate) at_seconds: f64,
    /// The window that the peer offers.
    pub(crate) window_bytes: u64,
    /// How far below the highest edge it ever offered that window ends.
    pub(crate) retracted_bytes: u64,
    /// Written but not acknowledged.
    pub(crate) queued_bytes: u64,
}

/// Samples of the connections of the open peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timelines {
    peer: String,
    of: HashMap<ConnectionKey, History<Sample>>,
}

impl Timelines {
    /// Adds the connections of a page; those of another peer are forgotten.
    pub(super) fn take(&mut self, peer: &str, connections: &[Connection], now: Now) {
        if self.peer != peer {
            peer.clone_into(&mut self.peer);
            self.of.clear();
        }
        let kept: HashSet<_> = connections
            .iter()
            .take(TIMELINES)
            .map(ConnectionKey::of)
            .collect();
        self.of.retain(|key, _| kept.contains(key));
        for connection in connections.iter().take(TIMELINES) {
            let sample = Sample {
                at_seconds: now.seconds,
                window_bytes: connection.window_bytes,
                retracted_bytes: connection.retracted_bytes,
                queued_bytes: connection.queued_bytes,
            };
            let key = ConnectionKey::of(connection);
            self.of.entry(key).or_default().push(sample);
        }
    }

    /// What was recorded of these connections.
    pub(super) fn recorded(peer: &str, connections: &[Connection], points: &[WindowPoint]) -> Self {
        let mut timelines = Self {
            peer: peer.to_owned(),
            of: HashMap::new(),
        };
        let began_ms = points.first().map_or(0, |point| point.at.boot_ms);
        for key in connections.iter().take(TIMELINES).map(ConnectionKey::of) {
            let own = points.iter().filter(|point| key.is_at(point));
            let mut history = History::default();
            for sample in own.map(|point| sample_of(point, began_ms)) {
                history.push(sample);
            }
            timelines.of.insert(key, history);
        }
        timelines
    }

    /// Samples of a connection, the oldest first.
    pub(crate) fn of(&self, connection: &Connection) -> Vec<Sample> {
        let history = self.of.get(&ConnectionKey::of(connection));
        history.map_or_else(Vec::new, |history| history.iter().copied().collect())
    }
}

#[allow(clippy::cast_precision_loss, reason = "drawn a few cells wide")]
fn sample_of(point: &WindowPoint, began_ms: i64) -> Sample {
    let count = |number| u64::try_from(number).unwrap_or(0);
    Sample {
        at_seconds: point.at.boot_ms.saturating_sub(began_ms) as f64 / 1e3,
        window_bytes: count(point.window_bytes),
        retracted_bytes: u64::from(point.edge_max.wrapping_sub(point.edge)),
        queued_bytes: count(point.queued_bytes),
    }
}
