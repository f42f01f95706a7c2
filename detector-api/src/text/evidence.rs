//! What speaks for a verdict and against it.

use super::figures::{connections, counted, span, unknown_code};
use crate::bounds::QUICK_REOPEN;
use crate::snapshot::InterfaceCounts;
use crate::snapshot::{Evidence, HoardThresholds};
use crate::units::{bytes, pace, seconds};

/// One piece of evidence in one sentence.
pub fn evidence(evidence: &Evidence) -> String {
    match evidence {
        Evidence::HoardOfPeer {
            hoard,
            stalled_connections,
            pinned_bytes,
        } => format!(
            "{} {}; a hoard is {} or {}.",
            counted(
                *stalled_connections,
                "stalled connection pins",
                "stalled connections pin"
            ),
            bytes(*pinned_bytes),
            connections(hoard.hoard_connections),
            bytes(hoard.hoard_bytes),
        ),
        Evidence::HoardOfNetwork { hoard, network } => shared_hoard(
            (
                network.network_peers,
                network.network_connections,
                network.network_pinned_bytes,
            ),
            "of its network",
            hoard,
        ),
        Evidence::HoardByLikeness { hoard, alike } => shared_hoard(
            (
                alike.alike_peers,
                alike.alike_connections,
                alike.alike_pinned_bytes,
            ),
            "whose connections have the same shift, segment size, windows and timing",
            hoard,
        ),
        Evidence::DrainsNothing {
            holding_connections,
            holding_pinned_bytes,
            floor_bytes_per_second,
            over_seconds,
        } => format!(
            "{} ({} pinned) took less than {} for {} or longer.",
            connections(*holding_connections),
            bytes(*holding_pinned_bytes),
            pace(*floor_bytes_per_second),
            seconds(*over_seconds),
        ),
        Evidence::NeverRead {
            never_read_connections,
            never_read_pinned_bytes,
            never_read_bytes_bound,
        } => format!(
            "{} ({} pinned) never offered more than {} from the first byte on, and took no more.",
            connections(*never_read_connections),
            bytes(*never_read_pinned_bytes),
            bytes(*never_read_bytes_bound),
        ),
        Evidence::OpenedAnew {
            renewed_connections,
            renewed_pinned_bytes,
            abandoned_connections,
        } => format!(
            "{} ({} pinned) opened after {abandoned_connections} of the same peer had stood still and ended unread, within ten to twenty minutes.",
            connections(*renewed_connections),
            bytes(*renewed_pinned_bytes),
        ),
        Evidence::ZeroWindow { connections: held } => {
            format!("{} held up by a window of zero.", connections(*held))
        }
        Evidence::SmallWindow { connections: held } => format!(
            "{} held up by a window that is open but too small for the next segment.",
            connections(*held)
        ),
        Evidence::Dribble {
            connections: held,
            drain_seconds,
            floor_bytes_per_second,
        } => format!(
            "{} read at less than {}; at this pace the longest queue takes {} more.",
            connections(*held),
            pace(*floor_bytes_per_second),
            seconds(*drain_seconds),
        ),
        Evidence::Unanswered { connections: held } => format!(
            "{} sent again or probed without any answer.",
            connections(*held)
        ),
        Evidence::WindowShrinks {
            shrinks_below_flight,
            shrinks_treason,
            connections: shrunk,
        } => format!(
            "Recently took back window over data in flight: {} to zero (treason), {} to less than \
             was in flight; {} shrunk now.",
            counted(*shrinks_treason, "time", "times"),
            counted(*shrinks_below_flight, "time", "times"),
            connections(*shrunk),
        ),
        Evidence::PoliteShrinks {
            connections: shrunk,
            shrinks_polite,
        } => format!(
            "Took back window, but none over data in flight: {}; {} shrunk now.",
            counted(*shrinks_polite, "time", "times"),
            connections(*shrunk),
        ),
        Evidence::TinyWindow { connections: tiny } => format!(
            "{} where each byte costs about a packet: tiny windows or tiny segments.",
            connections(*tiny)
        ),
        Evidence::WeAreTheClient {
            outgoing_connections,
            holding_connections,
        } => format!(
            "{} that we opened held up, {holding_connections} of them drain nothing.",
            connections(*outgoing_connections),
        ),
        Evidence::SilencesEnded { silences_ended } => format!(
            "{} ended with an acknowledgement: the peer lives, the path lost segments.",
            counted(*silences_ended, "silence", "silences")
        ),
        Evidence::ManyUnrelatedPeers {
            networks,
            networks_bound,
            over_seconds,
        } => format!(
            "The same symptom in {} at once ({networks_bound} within {} count as many): no \
             peer's own doing.",
            counted(*networks, "unrelated network", "unrelated networks"),
            seconds(*over_seconds),
        ),
        Evidence::InterfaceErrors {
            interfaces,
            over_seconds,
        } => format!(
            "Interfaces of this host count errors: {} in {}.",
            interface_counts(interfaces),
            seconds(*over_seconds),
        ),
        Evidence::Drains {
            drain_bytes_per_second,
            floor_bytes_per_second,
        } => format!(
            "It takes data: {}, at least the floor of {} for all its stalled connections.",
            pace(*drain_bytes_per_second),
            pace(*floor_bytes_per_second),
        ),
        Evidence::Recovered { recovered_stalls } => format!(
            "{} ended because the peer read on.",
            counted(*recovered_stalls, "stall", "stalls")
        ),
        Evidence::BelowThresholds {
            hoard,
            stalled_connections,
            pinned_bytes,
        } => format!(
            "It holds less than a hoard: {stalled_connections} stalled of {}, {} pinned of {}.",
            hoard.hoard_connections,
            bytes(*pinned_bytes),
            bytes(hoard.hoard_bytes),
        ),
        Evidence::TooShort {
            holding_connections,
            over_seconds,
        } => format!(
            "Too little of it has drained nothing for {} to tell it from a pause: {} so far.",
            seconds(*over_seconds),
            connections(*holding_connections),
        ),
        Evidence::TooFew {
            holding_connections,
            connections_bound,
        } => format!(
            "It holds as much memory as a hoard, in no more than {}: fewer than {connections_bound} may be \
             paused downloads, whatever they pin.",
            connections(*holding_connections),
        ),
        Evidence::WithinHost { connections: count } => format!(
            "The other end of {} is a program on this host, for instance a proxy that waits for a \
             client of its own: that client is counted.",
            connections(*count),
        ),
        Evidence::OthersBehave {
            connections_all,
            connections_well,
            ended_well_connections,
        } => format!(
            "Others use its address, who behave: {connections_well} of all its {} take what they are \
             sent, and {ended_well_connections} did so over the past hours.",
            connections(*connections_all),
        ),
        Evidence::NetworkBehaves {
            network_connections_all,
            network_connections_well,
            network_ended_well_connections,
        } => format!(
            "Others of its network behave: {network_connections_well} of all its {} take what they are \
             sent, and {network_ended_well_connections} did so over the past hours.",
            connections(*network_connections_all),
        ),
        Evidence::NotCounted {} => {
            "The kernel has not told of all its connections: it is not accused.".to_owned()
        }
        Evidence::TrustedNetwork {} => {
            "It belongs to a network under `[peers] trusted`: it is never accused.".to_owned()
        }
        Evidence::QuickReopens { quick_reopens } => format!(
            "{} to zero opened again within {}, as a receiver short of memory does.",
            counted(*quick_reopens, "shrink", "shrinks"),
            span(QUICK_REOPEN.as_secs_f64()),
        ),
        Evidence::Quiet { quiet_seconds } => {
            format!("Nothing has been flagged for {}.", seconds(*quiet_seconds))
        }
        Evidence::Other { code, numbers } => unknown_code(code, numbers) + ".",
    }
}

fn shared_hoard(
    (peers, held, pinned_bytes): (u64, u64, u64),
    which: &str,
    hoard: &HoardThresholds,
) -> String {
    format!(
        "{} {which} hold {} that drain nothing, {} pinned; a hoard is {} or {}.",
        counted(peers, "peer", "peers"),
        connections(held),
        bytes(pinned_bytes),
        connections(hoard.hoard_connections),
        bytes(hoard.hoard_bytes),
    )
}

/// `12 receive errors, 0 send errors, 3 dropped on receipt, 0 dropped before sending`
pub(super) fn interface_counts(counts: &InterfaceCounts) -> String {
    let InterfaceCounts {
        rx_errors,
        tx_errors,
        rx_dropped,
        tx_dropped,
    } = *counts;
    format!(
        "{}, {}, {rx_dropped} dropped on receipt, {tx_dropped} dropped before sending",
        counted(rx_errors, "receive error", "receive errors"),
        counted(tx_errors, "send error", "send errors"),
    )
}
