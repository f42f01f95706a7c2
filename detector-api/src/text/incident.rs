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
        IncidentKind::OrphanLimit => "no room for more orphans",
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
        IncidentEnd::OrphansBelow => "Ended because the kernel has room for orphans again.",
        IncidentEnd::NoMoreKills => "Ended because nothing followed the kill.",
        IncidentEnd::Unseen => "Nobody saw it end: the agent ended before.",
    }
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
