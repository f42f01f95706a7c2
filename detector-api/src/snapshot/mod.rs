//! What leaves the core: plain values with the field names and units of the published JSON.
//!
//! Field names are a contract: add freely, rename never. Times are RFC 3339 in UTC, sizes bytes,
//! durations seconds.

mod assessment;
mod connection;
mod counts;
mod event;
mod evidence;
mod flag;
mod flag_table;
mod guard;
mod incident;
mod kinds;
pub(crate) mod numbers;
mod peer;
mod thresholds;

pub use crate::owner::{HeldWorkers, Process, UnitMemory, UnitShare};
pub use assessment::{Advice, Assessment, BenignCause, Change, Condition, Considered, Outcome};
pub use connection::{Connection, SequenceNumbers};
pub use counts::{InterfaceCounts, Retransmits, Shrinks};
pub use event::{AgentNote, Event};
pub use evidence::{Evidence, HoardThresholds};
pub use flag::*;
pub use flag_table::{Bearer, KindFacts};
pub use guard::{GuardAct, GuardStep};
pub use incident::{
    HostPressure, Incident, IncidentCounts, IncidentEnd, IncidentFlag, IncidentKill, IncidentPeer,
    OpenIncident, OrphansAtLimit,
};
pub use kinds::{
    AgentNoteType, Confidence, Direction, EventType, IncidentKind, Severity, Source, StallCause,
    Verdict,
};
pub use numbers::Numbers;
pub use peer::{Peer, PeerDetail, StandingFlag};
pub use thresholds::Thresholds;

#[cfg(test)]
mod tests;
