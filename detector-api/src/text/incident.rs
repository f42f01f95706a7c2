//! Incidents: what stood in them, what ended them.

use super::counted;
use crate::snapshot::{Incident, IncidentEnd, IncidentKind};
use crate::units;

/// A kind, as it stands in a list.
const fn noun(kind: IncidentKind) -> &'static str {
    match kind {
        IncidentKind::Hoard => "a hoard of stalled connections",
        IncidentKind::StalledPeers => "peers that do not take their data",
        IncidentKind::SilentPeers => "peers that do not answer",
        IncidentKind::ShrinkingPeers => "peers that take back window",
        IncidentKind::MemoryPressure => "TCP short of memory",
        IncidentKind::OomKill => "a process killed for want of memory",
    }
}

/// `a hoard of stalled connections, peers that do not answer`
pub fn incident_kinds(kinds: &[IncidentKind]) -> String {
    let nouns: Vec<_> = kinds.iter().map(|kind| noun(*kind)).collect();
    nouns.join(", ")
}

/// What ended it, as a sentence.
pub const fn incident_end(end: IncidentEnd) -> &'static str {
    match end {
        IncidentEnd::ReadOn => "Ended because a peer read on or answered.",
        IncidentEnd::Closed => "Ended because the connections are gone.",
        IncidentEnd::BelowWarning => "Ended because what is still held is below a warning.",
        IncidentEnd::PressureOver => {
            "Ended because the kernel saves no more memory for TCP, or only traffic holds it."
        }
        IncidentEnd::NoMoreKills => "Ended because nothing followed the kill.",
        IncidentEnd::Unseen => "Nobody saw it end: the agent ended before.",
    }
}

/// Whether TCP is what took the memory for want of which a process was killed: from this part of the
/// host's memory on, in percent.
const TCP_MATTERS_PERCENT: u64 = 5;

/// What TCP had to do with an OOM kill; `None` if there was none, or if the kernel does not say.
#[must_use]
pub fn oom_cause(incident: &Incident) -> Option<String> {
    if !incident.kinds.contains(&IncidentKind::OomKill) {
        return None;
    }
    let host = incident.host?;
    let (tcp, total) = host.tcp_memory_bytes.zip(host.memory_total_bytes)?;
    let percent = tcp.saturating_mul(100) / total.max(1);
    let held = format!(
        "TCP held {} of the host's {} ({percent} %), of that stalled connections {}",
        units::bytes(tcp),
        units::bytes(total),
        units::bytes(incident.peak_pinned_bytes)
    );
    Some(if percent >= TCP_MATTERS_PERCENT {
        format!("{held}: it had its part in the kill.")
    } else {
        format!(
            "{held}: TCP was not what took the memory, unless a control group with a limit of its own \
             was short of it."
        )
    })
}

/// `12 peers, at most 31 stalled connections and 131 MB at once, for 12m 5s`
pub fn incident_over(incident: &Incident) -> String {
    let peers = match incident.peers_total {
        0 => String::new(),
        total => counted(total, "peer", "peers") + ", ",
    };
    format!(
        "{peers}at most {} and {} at once, for {}",
        counted(
            incident.peak_stalled_connections,
            "stalled connection",
            "stalled connections"
        ),
        units::bytes(incident.peak_pinned_bytes),
        units::seconds(incident.duration_seconds),
    )
}
