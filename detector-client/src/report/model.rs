//! What a report says, before it has a form: the JSON of `detector report --json`, of which text and
//! page are made.
//!
//! Field names are a contract: add freely, rename never. Times are RFC 3339 in UTC, sizes bytes,
//! durations seconds.

use detector_api::snapshot::{
    Confidence, Connection, FlagKind, Incident, IncidentKind, Process, Severity, Shrinks, Verdict,
};
use detector_api::tcp_memory::HeldBytes;
use detector_api::text::Weighed;
use detector_api::time::rfc3339;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};
use std::borrow::Cow;

/// Unix milliseconds; written as RFC 3339.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub i64);

impl Time {
    /// `2026-12-29T21:04:05.000Z`
    pub(super) fn rfc3339(self) -> String {
        rfc3339(i128::from(self.0) * 1_000_000)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.rfc3339())
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

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

/// One host.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct HostPart {
    /// Its name.
    pub host: String,
    /// The recorder.
    pub file: String,
    /// Whether an agent wrote it while the report was made.
    pub is_written: bool,
    /// Starts of the host in the recorded time.
    pub boots: u64,
    /// The first moment recorded.
    pub first: Time,
    /// The last moment recorded.
    pub last: Time,
    /// The host over the span; of seconds left out for brevity, those in which most was held stand
    /// for the others.
    pub timeline: Vec<Point>,
    /// Spans in which nothing was seen.
    pub gaps: Vec<GapPart>,
    /// Moments that stand out.
    pub marks: Vec<Mark>,
}

/// The host in one second. What was not known is `null`.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
pub struct Point {
    /// When.
    pub time: Time,
    /// Load average over one minute.
    pub load_one: Option<f64>,
    /// Share of ten seconds in which a task waited for a processor, in percent.
    pub cpu_some_percent: Option<f64>,
    /// The same for memory.
    pub memory_some_percent: Option<f64>,
    /// The same for memory, all tasks at once.
    pub memory_full_percent: Option<f64>,
    /// The same for disks.
    pub io_some_percent: Option<f64>,
    /// Memory that programs could still have had.
    pub memory_available_bytes: Option<u64>,
    /// Memory of the host.
    pub memory_total_bytes: Option<u64>,
    /// Memory that the kernel's TCP took.
    pub tcp_memory_bytes: Option<u64>,
    /// At this it refuses.
    pub tcp_memory_limit_bytes: Option<u64>,
    /// Who held it, by the last look at all sockets; `null` where nobody had looked lately.
    pub tcp_memory_held: Option<HeldBytes>,
    /// Kernel memory that stalled connections held.
    pub pinned_bytes: Option<u64>,
    /// How many were stalled.
    pub stalled_connections: Option<u64>,
    /// Workers that slept in a write to one of them.
    pub held_workers: Option<u64>,
    /// Kills by the OOM killer since the host started.
    pub oom_kills: Option<u64>,
}

/// A span in which nothing was seen.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct GapPart {
    /// Its begin.
    pub from: Time,
    /// Its end.
    pub until: Time,
    /// Why: the word of the recorder.
    pub reason: String,
    /// Why, in words.
    pub text: String,
}

/// A moment that stands out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Mark {
    /// When.
    pub time: Time,
    /// What.
    pub kind: MarkKind,
    /// What happened.
    pub text: String,
}

/// What a mark stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MarkKind {
    /// The kernel killed a process for want of memory.
    OomKill,
    /// The host started.
    Reboot,
    /// The agent started.
    AgentStart,
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

/// One peer.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PeerPart {
    /// Address without port; IPv6 as a network.
    pub peer: String,
    /// Whose network it is, where a file of networks says so.
    pub network: Option<Registered>,
    /// Names that its addresses have, where it was asked for them.
    pub names: Vec<String>,
    /// What it was last taken to be.
    pub verdict: Option<Verdict>,
    /// How sure that was.
    pub confidence: Option<Confidence>,
    /// Its worst severity.
    pub severity: Severity,
    /// Whether it belongs to a trusted network.
    pub trusted: bool,
    /// Kinds of flags that were raised on it.
    pub flags: Vec<FlagKind>,
    /// What speaks for the verdict.
    pub evidence_for: Vec<String>,
    /// What speaks against it, or against a worse one.
    pub evidence_against: Vec<String>,
    /// Harmless causes that are not ruled out.
    pub harmless_causes: Vec<String>,
    /// What it did on each host.
    pub hosts: Vec<PeerOnHost>,
    /// How windows of its worst connections moved.
    pub windows: Vec<WindowPlot>,
}

/// A peer on one host.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PeerOnHost {
    /// The host.
    pub host: String,
    /// First flag, or else first record.
    pub first_seen: Time,
    /// Last flag, or else last record.
    pub last_seen: Time,
    /// Most connections that were stalled at once, as far as was recorded.
    pub peak_stalled_connections: u64,
    /// Most kernel memory that they held at once.
    pub peak_pinned_bytes: u64,
    /// Most workers that waited for it at once, at least; `null` where none was seen to wait.
    pub peak_held_workers: Option<u64>,
    /// Longest stall of one connection.
    pub longest_stall_seconds: f64,
    /// Entries into zero window since the agent started.
    pub zero_window_episodes: u64,
    /// Window shrinks since the agent started.
    pub window_shrinks: Shrinks,
    /// Flags raised in the span.
    pub flags: u64,
    /// Local ports.
    pub ports: Vec<u16>,
    /// Owners of its connections.
    pub processes: Vec<Process>,
    /// Its worst connections, as they were last known.
    pub connections: Vec<Connection>,
}

/// What is registered of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Registered {
    /// Name of the network.
    pub name: Option<String>,
    /// Its number as an autonomous system.
    pub as_number: Option<u32>,
    /// Country, as the file names it.
    pub country: Option<String>,
}

/// How the window of one connection moved.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct WindowPlot {
    /// The host.
    pub host: String,
    /// Local address and port.
    pub local: String,
    /// Remote address and port.
    pub remote: String,
    /// The first sequence number not acknowledged at the first point: offsets count from here.
    pub first_snd_una: u32,
    /// States, oldest first.
    pub points: Vec<WindowState>,
}

/// A state of a connection's window; offsets are bytes from where the plot begins.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct WindowState {
    /// When.
    pub time: Time,
    /// Everything below was acknowledged.
    pub acknowledged: i64,
    /// Everything below was sent.
    pub sent: i64,
    /// How far the peer let us send.
    pub edge: i64,
    /// The highest of it ever.
    pub edge_max: i64,
    /// Written by our program and not acknowledged.
    pub queued_bytes: u64,
}

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
