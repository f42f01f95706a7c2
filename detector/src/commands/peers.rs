//! `detector peers`: the peers of the running agent.

use crate::cli::SnapshotArgs;
use crate::failure::Failure;
use crate::table::{Align, Column};
use crate::{humane, wording};
use detector_core::snapshot::Peer;

const COLUMNS: [Column<Peer>; 12] = [
    left("PEER", 0, |peer| peer.peer.clone()),
    left("SEVERITY", 2, |peer| {
        wording::severity_label(peer.severity).to_owned()
    }),
    left("VERDICT", 1, |peer| {
        peer.verdict
            .map_or("-", |verdict| verdict.label())
            .to_owned()
    }),
    right("STALLED", 0, |peer| {
        format!("{}/{}", peer.stalled_connections, peer.connections)
    }),
    right("PINNED", 0, |peer| humane::bytes(peer.pinned_bytes)),
    right("LONGEST", 3, |peer| {
        humane::seconds(peer.longest_stall_seconds)
    }),
    right("EPISODES", 4, |peer| peer.zero_window_episodes.to_string()),
    right("ZERO WINDOW", 5, |peer| {
        humane::seconds(peer.zero_window_seconds)
    }),
    right("SHRINKS", 6, |peer| {
        let shrinks = peer.window_shrinks;
        (shrinks.polite + shrinks.below_flight + shrinks.treason).to_string()
    }),
    right("LOSS/PROBES", 8, |peer| {
        format!(
            "{}/{}",
            peer.retransmits.loss, peer.retransmits.window_probe
        )
    }),
    right("DRAINS", 9, |peer| {
        humane::rate(peer.bytes_acked_per_second)
    }),
    left("PORTS", 7, |peer| {
        let ports: Vec<_> = peer.services.iter().map(u16::to_string).collect();
        ports.join(",")
    }),
];

const fn left(title: &'static str, dispensable: u8, cell: fn(&Peer) -> String) -> Column<Peer> {
    Column {
        title,
        align: Align::Left,
        dispensable,
        cell,
    }
}

const fn right(title: &'static str, dispensable: u8, cell: fn(&Peer) -> String) -> Column<Peer> {
    Column {
        title,
        align: Align::Right,
        dispensable,
        cell,
    }
}

pub(super) fn run(args: &SnapshotArgs) -> Result<(), Failure> {
    super::print_list(args, "/v1/peers", &COLUMNS)
}
