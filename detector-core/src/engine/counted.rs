//! What the kernel has said of a suspect's connections, set right by what is known of those that are tracked.

use super::Engine;
use crate::observe::census::{Census, Ends};
use crate::tables::connections::Connection;
use crate::time::SECOND_NS;
use std::collections::HashMap;

/// A connection that has taken nothing for so long is not well, though it filled its first window
/// between two looks.
const HELD_UP_NS: u64 = SECOND_NS;

/// One that has read on counts as well for so long, unless it is below the drain floor before.
const READ_ON_NS: u64 = 60 * SECOND_NS;

/// What two looks of the kernel's show of one suspect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// The numbers.
    pub census: Census,
    /// Which connections are well, and whether they were before; of very many some, drawn by lot.
    pub well: HashMap<Ends, bool>,
    /// Each of these stands for two to the power of this in the numbers: for one, unless they were very many.
    pub halvings: u32,
}

impl Engine {
    /// What was counted of suspects with these peers. A reader with a limited rate is held up for seconds at a time,
    /// so that no two looks show it well: it is known to read on. Who else is held up is not well.
    pub(super) fn set_right(&self, slots: &[u32], counted: &Counted) -> Census {
        let peers = slots.iter().map(|slot| self.peers.get(*slot));
        let connections = peers.flat_map(|peer| self.connections.of_peer(peer.connections));
        let mut census = counted.census;
        for each in connections {
            let reads_on = self.reads_on(each) && each.is_on_our_way != census.is_elsewhere;
            if !reads_on && !self.is_held_up(each) {
                continue;
            }
            let id = each.last.id.unpack();
            let ends = Ends {
                netns: id.netns,
                local: id.local,
                remote: id.remote,
            };
            match (reads_on, counted.well.get(&ends)) {
                (true, Some(true)) | (false, None) => {}
                (true, Some(false)) => census.read_on += 1,
                (true, None) => {
                    census.read_on += 1;
                    census.well = census.well.saturating_add(1).min(census.connections);
                    let cut = census.would_be_cut;
                    census.would_be_cut = cut.map(|cut| cut.saturating_add(1));
                }
                (false, Some(was_well)) => {
                    let many = 1_u64.checked_shl(counted.halvings).unwrap_or(u64::MAX);
                    take_out(&mut census, many, *was_well);
                }
            }
        }
        // The kernel knows no more of those that have gone since.
        let others = census.well_before.unwrap_or(0);
        census.read_on = census
            .read_on
            .min(census.connections.saturating_sub(others));
        census
    }

    fn is_held_up(&self, connection: &Connection) -> bool {
        let since = connection.progress.held_up_since;
        let is_old = since.is_some_and(|since| self.clock.now.since_ns(since) >= HELD_UP_NS);
        is_old || connection.stall.cause().is_some()
    }

    fn reads_on(&self, connection: &Connection) -> bool {
        let read_on_at = connection.pace.read_on_at;
        let is_lately = read_on_at.is_some_and(|at| self.clock.now.since_ns(at) < READ_ON_NS);
        is_lately && !connection.pace.is_below_floor
    }
}

/// So many that seemed well are not.
fn take_out(census: &mut Census, many: u64, was_well: bool) {
    census.well = census.well.saturating_sub(many);
    let cut = census.would_be_cut;
    census.would_be_cut = cut.map(|cut| cut.saturating_sub(many));
    let many_before = if was_well { many } else { 0 };
    let before = census.well_before;
    census.well_before = before.map(|well| well.saturating_sub(many_before));
}
