//! What a report says, before it has a form: the JSON of `detector report --json`, of which text and
//! page are made.
//!
//! Field names are a contract: add freely, rename never. Times are RFC 3339 in UTC, sizes bytes,
//! durations seconds.

mod host;
mod peer;
mod remedies;
mod time;

pub(super) use host::{GapPart, HostPart, Mark, MarkKind, Point};
pub(super) use peer::{PeerOnHost, PeerPart, Registered, WindowPlot, WindowState};
pub(super) use remedies::{Remedies, Remedy, WorkersFreed, WorstMoment};
pub(super) use time::Time;

use detector_api::snapshot::{Incident, IncidentKind};
use detector_api::text::Weighed;
use schemars::JsonSchema;
use serde::Serialize;

/// A report over one or several hosts.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Report {
    /// Version of the program that made it.
    pub version: String,
    /// When it was made.
    pub made: Time,
    /// Of which time it tells.
    pub span: ReportSpan,
    /// What happened, in five sentences.
    pub summary: Vec<String>,
    /// The hosts, with what was recorded of each.
    pub hosts: Vec<HostPart>,
    /// What is known of the clocks of the hosts: nothing is said of clocks that ran as they should.
    pub clocks: Vec<String>,
    /// Incidents that went on in the span, oldest first.
    pub incidents: Vec<HostIncident>,
    /// What happened, oldest first; repetitions are left out.
    pub chronicle: Vec<Entry>,
    /// Peers that mattered: those that held most hosts first, then those that cost most.
    pub peers: Vec<PeerPart>,
    /// Peers with a flag or a part in an incident, those left out above included.
    pub peers_total: u64,
    /// What would have helped, and at which price.
    pub remedies: Remedies,
    /// What was done about it: by the agent, or by its users.
    pub actions: Vec<Entry>,
    /// What could not be seen, and why.
    pub unseen: Vec<String>,
    /// What to do now.
    pub steps: Vec<ReportStep>,
}

/// Of which time a report tells.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ReportSpan {
    /// Its begin.
    pub from: Time,
    /// Its end.
    pub until: Time,
    /// The incident that was asked for.
    pub incident: Option<String>,
}

/// An incident with its host.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct HostIncident {
    /// The host.
    pub host: String,
    /// The incident.
    pub incident: Incident,
    /// What it may have been: the answers that people reach for, weighed.
    pub weighed: Vec<Weighed>,
}

impl Report {
    /// The worst incident of each host: one in which the kernel killed before all others.
    pub(super) fn worst_incidents(&self) -> impl Iterator<Item = &HostIncident> {
        self.hosts.iter().filter_map(|host| {
            let incidents = self.incidents.iter().filter(|each| each.host == host.host);
            incidents.max_by_key(|each| {
                let has_kill = each.incident.kinds.contains(&IncidentKind::OomKill);
                let incident = &each.incident;
                (has_kill, incident.severity, incident.peak_pinned_bytes)
            })
        })
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Entry {
    /// When, by the clock of the host.
    pub time: Time,
    /// On which host.
    pub host: String,
    /// What.
    pub text: String,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReportStep {
    /// What and why.
    pub what: String,
    /// Settings and commands to copy.
    pub settings: Vec<ReportSetting>,
}

/// A setting to copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReportSetting {
    /// Where it goes, and what it does not cover.
    pub note: String,
    /// Lines as they go into a file or a shell.
    pub lines: Vec<String>,
}
