//! What would have helped, and at which price.

use super::Time;
use schemars::JsonSchema;
use serde::Serialize;

/// What would have helped.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Remedies {
    /// The worst moment of each host, to which the numbers belong.
    pub worst: Vec<WorstMoment>,
    /// A host is out of danger when incident peers hold less than so many stalled connections,
    pub hoard_connections: u64,
    /// and less than so much memory.
    pub hoard_bytes: u64,
    /// For how long a host was in danger without any remedy, the one for which it was longest.
    pub danger_seconds: f64,
    /// When all hosts were out of it; `null` if never within the record, or without danger.
    pub out_of_danger: Option<Time>,
    /// Connections of honest peers that were stalled at some time in all that is recorded.
    pub honest_stalled_connections: u64,
    /// Timeouts between two writes that make progress.
    pub timeouts: Vec<Remedy>,
    /// Limits of connections for each address.
    pub limits: Vec<Remedy>,
    /// What the record cannot decide.
    pub undecided: Vec<String>,
}

impl Remedies {
    /// Timeouts that are tried, seconds.
    pub(in crate::report) const TIMEOUTS: [u64; 5] = [5, 10, 15, 30, 60];
    /// Limits that are tried.
    pub(in crate::report) const LIMITS: [u64; 4] = [5, 10, 20, 50];
}

/// The moment in which a host was held up most.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct WorstMoment {
    /// The host.
    pub host: String,
    /// When.
    pub time: Time,
    /// Stalled connections.
    pub stalled_connections: u64,
    /// What they held.
    pub pinned_bytes: u64,
    /// Workers that slept in a write to them.
    pub held_workers: Option<u64>,
    /// Of the stalled connections, those of which the record knows since when they were.
    pub dated_connections: u64,
}

/// One value of a setting, and what it would have done.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Remedy {
    /// Seconds of a timeout, or connections of a limit.
    pub value: u64,
    /// Connections stalled at the worst moments that would have been gone by then; at least.
    pub ended_connections: u64,
    /// What those held.
    pub freed_bytes: u64,
    /// Workers that those held; `null` where workers were not recorded.
    pub freed_workers: Option<WorkersFreed>,
    /// For how long a host would have been in danger, the one for which it would have been longest.
    pub danger_seconds: f64,
    /// When all hosts would have been out of danger; `null` if never within the record, or without
    /// danger.
    pub out_of_danger: Option<Time>,
    /// Connections of honest peers, in all that is recorded, that it would have ended or refused; at
    /// least.
    pub honest_connections: u64,
}

/// How many workers would have been free. A worker waits for one connection at most; for which, the
/// record does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WorkersFreed {
    /// At least: all that waited but one for each connection that would have stayed.
    pub least: u64,
    /// At most: one for each connection that would have gone.
    pub most: u64,
}
