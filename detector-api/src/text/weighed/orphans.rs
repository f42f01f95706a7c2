//! Whose orphans they were for which there was no more room.

use super::Speaks;
use crate::snapshot::{Incident, IncidentKind};
use crate::text::counted;

/// Orphans that peers hold up matter from one in so many on.
const PART_THAT_MATTERS: u64 = 10;

/// `None` if there was room.
pub(super) fn weighed(incident: &Incident) -> Option<(Speaks, String)> {
    if !incident.kinds.contains(&IncidentKind::OrphanLimit) {
        return None;
    }
    let orphans = incident.orphans.unwrap_or_default();
    let all = match orphans.orphans.zip(orphans.limit) {
        Some((count, limit)) => format!(
            "The kernel had {} of the {limit} that it allows (net.ipv4.tcp_max_orphans)",
            counted(count, "orphan", "orphans")
        ),
        None => "The kernel had no room for more orphans".to_owned(),
    };
    let closed = incident.counts.map_or(0, |counts| counts.aborted_on_memory);
    let closed = match closed {
        0 => String::new(),
        closed => format!(
            " and closed {} for want of memory or of room for them",
            counted(closed, "connection", "connections")
        ),
    };
    let stalled = orphans.stalled;
    let is_large = |all: u64| stalled.saturating_mul(PART_THAT_MATTERS) >= all;
    let (speaks, whose) = match (stalled, orphans.orphans) {
        (0, _) => (
            Speaks::Against,
            "none of them is known to have been held up by a peer: see which program closes so many \
             connections with data unsent"
                .to_owned(),
        ),
        (_, Some(all)) if is_large(all) => (
            Speaks::For,
            format!("peers that did not take their data held up {stalled} of them"),
        ),
        (_, _) => (
            Speaks::Open,
            format!("peers that did not take their data held up {stalled} of them and no more"),
        ),
    };
    Some((speaks, format!("{all}{closed}; {whose}.")))
}

#[cfg(test)]
mod tests {
    use super::weighed;
    use crate::fixtures;
    use crate::snapshot::{IncidentCounts, IncidentKind, OrphansAtLimit};
    use crate::text::Speaks;

    fn told(orphans: Option<OrphansAtLimit>, closed: u64) -> (Speaks, String) {
        let mut incident = fixtures::incident("20261229T210100.000Z", "2026-12-29T21:01:00.000Z");
        assert_eq!(weighed(&incident), None);
        incident.kinds = vec![IncidentKind::OrphanLimit];
        incident.orphans = orphans;
        incident.counts = Some(IncidentCounts {
            aborted_on_memory: closed,
            ..IncidentCounts::default()
        });
        weighed(&incident).unwrap()
    }

    #[test]
    fn orphans_are_put_down_to_peers_by_how_many_they_held_up() {
        let most = |stalled| OrphansAtLimit {
            orphans: Some(4_096),
            limit: Some(4_096),
            stalled,
        };
        let (speaks, text) = told(Some(most(410)), 12);
        assert_eq!(speaks, Speaks::For);
        assert_eq!(
            text,
            "The kernel had 4096 orphans of the 4096 that it allows (net.ipv4.tcp_max_orphans) and closed \
             12 connections for want of memory or of room for them; peers that did not take their data held \
             up 410 of them."
        );
        assert_eq!(told(Some(most(409)), 0).0, Speaks::Open);
        let (speaks, text) = told(None, 0);
        assert_eq!(speaks, Speaks::Against);
        assert!(
            text.starts_with("The kernel had no room for more orphans; none of them"),
            "{text}"
        );
    }
}
