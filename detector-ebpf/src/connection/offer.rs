//! A window the peer offers: where its right edge lies, and whether it took back what was offered.

use super::episode;
use crate::record_pointer::RecordPointer;
use detector_common::record::{flag, severity};
use detector_common::window::{self, Retreat};

/// A window the peer offers, and the edge it moves from.
#[derive(Clone, Copy)]
pub struct Offer {
    /// Acknowledgement number that carries it.
    pub ack: u32,
    /// Window in bytes.
    pub window_bytes: u32,
    /// Right edge in force before it; `None` if there was none that counts (a SYN's window does
    /// not).
    pub previous_edge: Option<u32>,
    /// Whether `snd_una` has moved since the record was brought up to date before this offer: what
    /// moved it had a window that the kernel took.
    pub is_behind: bool,
}

/// Applies an offer to a refreshed record. Returns whether something happened that the agent
/// should know at once.
#[inline(always)]
pub fn apply(record: &RecordPointer<'_>, offer: Offer, now_ns: u64) -> bool {
    let retreated = judge_edge(record, offer);
    // The hook comes before the kernel has taken the acknowledgement in.
    let newly_acked = window::span_bytes(record.snd_una().get(), offer.ack);
    let bytes_acked = record.bytes_acked().get();
    record
        .bytes_acked()
        .set(bytes_acked.wrapping_add(u64::from(newly_acked)));
    record.snd_una().set(offer.ack);
    record.snd_wnd_bytes().set(offer.window_bytes);
    let episode_changed = episode::follow(record, now_ns);
    if retreated || episode_changed {
        record.raise(flag::NOT_CARRIED);
    }
    retreated || episode_changed
}

#[inline(always)]
fn judge_edge(record: &RecordPointer<'_>, offer: Offer) -> bool {
    let new_edge = window::edge(offer.ack, offer.window_bytes);
    if record.has(flag::SUBFLOW) {
        know_edges(record, new_edge, new_edge);
        return false;
    }
    remember_previous_edge(record, offer, new_edge);
    let retreat = window::retreat(
        record.edge_max().get(),
        record.last_edge().get(),
        offer.ack,
        offer.window_bytes,
        record.snd_nxt().get(),
        record.window_shift().get(),
    );
    record.last_edge().set(new_edge);
    let edge_max = window::later(record.edge_max().get(), new_edge);
    record.edge_max().set(edge_max);
    let retracted = window::retracted_bytes(edge_max, new_edge);
    if retracted > record.retracted_max_bytes().get() {
        record.retracted_max_bytes().set(retracted);
    }
    match retreat {
        Retreat::None => return false,
        Retreat::Granularity => {
            record.granularity_retreats().add(1);
            record.raise(flag::NOT_CARRIED);
            return false;
        }
        Retreat::Polite => add_shrink(record, severity::POLITE),
        Retreat::BelowFlight => add_shrink(record, severity::BELOW_FLIGHT),
        Retreat::Treason => add_shrink(record, severity::TREASON),
    }
    true
}

#[inline(always)]
fn add_shrink(record: &RecordPointer<'_>, severity: usize) {
    if let Some(shrinks) = record.shrinks().element(severity) {
        shrinks.add(1);
    }
}

/// Between two visits the edge only moved right (a move left is a visit), so the edge in force
/// before this offer is the highest since the last visit.
#[inline(always)]
fn remember_previous_edge(record: &RecordPointer<'_>, offer: Offer, new_edge: u32) {
    let is_known = record.has(flag::EDGE_KNOWN);
    let Some(previous) = offer.previous_edge else {
        if !is_known {
            know_edges(record, new_edge, new_edge);
        }
        return;
    };
    if !is_known {
        // The kernel never sends new data beyond an edge, so what is in flight was offered too.
        let highest = window::later(previous, record.snd_nxt().get());
        know_edges(record, highest, previous);
        return;
    }
    let highest = window::later(record.edge_max().get(), previous);
    record.edge_max().set(highest);
    if !record.has(flag::WINDOW_NOT_IN_FORCE) || offer.is_behind {
        record.last_edge().set(previous);
    }
}

#[inline(always)]
fn know_edges(record: &RecordPointer<'_>, highest: u32, last: u32) {
    record.edge_max().set(highest);
    record.last_edge().set(last);
    record.raise(flag::EDGE_KNOWN);
}
