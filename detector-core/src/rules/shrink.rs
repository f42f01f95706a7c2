//! Window shrink: the right edge moved left by at least `2^shift` below the highest ever offered.
//!
//! The kernel side judges each segment (`detector_common::window::retreat`); here a flag is made
//! of the counts: one per connection, and one more for each step up in severity, so that a peer
//! that shrinks with every segment raises three flags at most.

use crate::observe::observation::ShrinkCounts;
use crate::observe::state::State;
use detector_common::record::severity;

/// The worst severity in the counts, as an index of [`severity`].
pub(crate) const fn worst(shrinks: &ShrinkCounts) -> Option<usize> {
    if shrinks.treason > 0 {
        Some(severity::TREASON)
    } else if shrinks.below_flight > 0 {
        Some(severity::BELOW_FLIGHT)
    } else if shrinks.polite > 0 {
        Some(severity::POLITE)
    } else {
        None
    }
}

/// How far the right edge lies below its maximum now, in bytes.
pub(crate) fn retracted_bytes(state: &State) -> u32 {
    state.edge_max().map_or(0, |edge_max| {
        let edge = detector_common::window::edge(state.snd_una, state.window_bytes);
        detector_common::window::retracted_bytes(edge_max, edge)
    })
}

/// Whether the offer is back at its highest, honest rounding aside.
pub(crate) fn is_over(state: &State) -> bool {
    retracted_bytes(state) >> state.window_shift == 0
}
