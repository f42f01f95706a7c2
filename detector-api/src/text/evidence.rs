//! What speaks for a verdict and against it.

use super::figures::Figures;
use crate::snapshot::{Evidence, EvidenceCode};

/// One piece of evidence in one sentence.
pub fn evidence(evidence: &Evidence) -> String {
    let figures = Figures(&evidence.numbers);
    match evidence.code {
        EvidenceCode::HoardOfPeer => format!(
            "{} {}; a hoard is {} or {}.",
            figures.many(
                "stalled_connections",
                "stalled connection pins",
                "stalled connections pin"
            ),
            figures.show("pinned_bytes"),
            figures.connections("hoard_connections"),
            figures.show("hoard_bytes"),
        ),
        EvidenceCode::HoardOfNetwork => shared_hoard(figures, "network", "of its network"),
        EvidenceCode::HoardByLikeness => shared_hoard(
            figures,
            "alike",
            "whose connections have the same shift, segment size, windows and timing",
        ),
        EvidenceCode::DrainsNothing => format!(
            "{} ({} pinned) took less than {} for {} or longer.",
            figures.connections("holding_connections"),
            figures.show("holding_pinned_bytes"),
            figures.show("floor_bytes_per_second"),
            figures.show("over_seconds"),
        ),
        EvidenceCode::ZeroWindow => format!(
            "{} held up by a window of zero.",
            figures.connections("connections")
        ),
        EvidenceCode::SmallWindow => format!(
            "{} held up by a window that is open but too small for the next segment.",
            figures.connections("connections")
        ),
        EvidenceCode::Dribble => format!(
            "{} read at less than {}; at this pace the longest queue takes {} more.",
            figures.connections("connections"),
            figures.show("floor_bytes_per_second"),
            figures.show("drain_seconds"),
        ),
        EvidenceCode::Unanswered => format!(
            "{} sent again or probed without any answer.",
            figures.connections("connections")
        ),
        EvidenceCode::WindowShrinks => format!(
            "Took back window over data in flight lately: {} to zero (treason), {} to less than \
             was in flight; {} shrunk now.",
            figures.many("shrinks_treason", "time", "times"),
            figures.many("shrinks_below_flight", "time", "times"),
            figures.connections("connections"),
        ),
        EvidenceCode::PoliteShrinks => format!(
            "Took back window, but none over data in flight: {}; {} shrunk now.",
            figures.many("shrinks_polite", "time", "times"),
            figures.connections("connections"),
        ),
        EvidenceCode::TinyWindow => format!(
            "{} where each byte costs about a packet: tiny windows or tiny segments.",
            figures.connections("connections")
        ),
        EvidenceCode::WeAreTheClient => format!(
            "{} held up that we opened, {} of them drain nothing.",
            figures.connections("outgoing_connections"),
            figures.show("holding_connections"),
        ),
        EvidenceCode::SilencesEnded => format!(
            "{} ended with an acknowledgement: the peer lives, the path lost segments.",
            figures.many("silences_ended", "silence", "silences")
        ),
        EvidenceCode::ManyUnrelatedPeers => format!(
            "The same symptom in {} at once ({} within {} count as many): no peer's own doing.",
            figures.many("networks", "unrelated network", "unrelated networks"),
            figures.show("networks_bound"),
            figures.show("over_seconds"),
        ),
        EvidenceCode::InterfaceErrors => format!(
            "Interfaces of this host count errors: {} in {}.",
            interface_counts(figures),
            figures.show("over_seconds"),
        ),
        EvidenceCode::Drains => format!(
            "It takes data: {}, at least the floor of {} for all its stalled connections.",
            figures.show("drain_bytes_per_second"),
            figures.show("floor_bytes_per_second"),
        ),
        EvidenceCode::Recovered => format!(
            "{} ended because the peer read on.",
            figures.many("recovered_stalls", "stall", "stalls")
        ),
        EvidenceCode::BelowThresholds => format!(
            "It holds less than a hoard: {} stalled of {}, {} pinned of {}.",
            figures.show("stalled_connections"),
            figures.show("hoard_connections"),
            figures.show("pinned_bytes"),
            figures.show("hoard_bytes"),
        ),
        EvidenceCode::TooShort => format!(
            "Too little time has passed to tell a pause from a grip: {} drained nothing for {} \
             so far.",
            figures.connections("holding_connections"),
            figures.show("over_seconds"),
        ),
        EvidenceCode::TrustedNetwork => {
            "It belongs to a network under `[peers] trusted`: it is never accused.".to_owned()
        }
        EvidenceCode::QuickReopens => format!(
            "{} to zero opened again within a second, as a receiver short of memory does.",
            figures.many("quick_reopens", "shrink", "shrinks")
        ),
        EvidenceCode::Quiet => format!(
            "Nothing has been flagged for {}.",
            figures.show("quiet_seconds")
        ),
    }
}

fn shared_hoard(figures: Figures<'_>, group: &str, which: &str) -> String {
    format!(
        "{} {which} hold {} that drain nothing, {} pinned; a hoard is {} or {}.",
        figures.many(&format!("{group}_peers"), "peer", "peers"),
        figures.connections(&format!("{group}_connections")),
        figures.show(&format!("{group}_pinned_bytes")),
        figures.connections("hoard_connections"),
        figures.show("hoard_bytes"),
    )
}

/// `12 receive errors, 0 send errors, 3 received and dropped, 0 dropped before sending`
pub(super) fn interface_counts(figures: Figures<'_>) -> String {
    format!(
        "{}, {}, {} dropped on receipt, {} dropped before sending",
        figures.many("rx_errors", "receive error", "receive errors"),
        figures.many("tx_errors", "send error", "send errors"),
        figures.show("rx_dropped"),
        figures.show("tx_dropped"),
    )
}
