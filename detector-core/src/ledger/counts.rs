//! Amounts that only ever grow.

use crate::observe::observation::{
    Retransmits, Shrinks, UntrackedTotals, join_retransmits, join_shrinks,
};
use std::ops::{AddAssign, Sub};

/// The amounts. Nanosecond sums over many connections do not fit 64 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) shrinks: Shrinks,
    pub(crate) zero_window_episodes: u64,
    pub(crate) zero_window_ns: u128,
    pub(crate) retransmits: Retransmits,
    pub(crate) retransmits_needless: u64,
    pub(crate) pinned_byte_ns: u128,
}

/// Stops at the largest number instead of wrapping; no kernel counts that far. In place: this is
/// done for each observation.
impl AddAssign<&Self> for Counts {
    fn add_assign(&mut self, more: &Self) {
        let add = |to: &mut u64, more: u64| *to = to.saturating_add(more);
        add(&mut self.shrinks.polite, more.shrinks.polite);
        add(&mut self.shrinks.below_flight, more.shrinks.below_flight);
        add(&mut self.shrinks.treason, more.shrinks.treason);
        add(&mut self.zero_window_episodes, more.zero_window_episodes);
        add(&mut self.retransmits.loss, more.retransmits.loss);
        add(
            &mut self.retransmits.tail_probe,
            more.retransmits.tail_probe,
        );
        add(
            &mut self.retransmits.window_probe,
            more.retransmits.window_probe,
        );
        add(&mut self.retransmits_needless, more.retransmits_needless);
        self.zero_window_ns = self.zero_window_ns.saturating_add(more.zero_window_ns);
        self.pinned_byte_ns = self.pinned_byte_ns.saturating_add(more.pinned_byte_ns);
    }
}

/// Never below zero: a part is at most the whole, and a surprise must not become a huge number.
impl Sub for Counts {
    type Output = Self;

    fn sub(self, part: Self) -> Self {
        let less = |of: fn(&Self) -> u64| of(&self).saturating_sub(of(&part));
        Self {
            shrinks: join_shrinks(&self.shrinks, &part.shrinks, u64::saturating_sub),
            zero_window_episodes: less(|it| it.zero_window_episodes),
            zero_window_ns: self.zero_window_ns.saturating_sub(part.zero_window_ns),
            retransmits: join_retransmits(
                &self.retransmits,
                &part.retransmits,
                u64::saturating_sub,
            ),
            retransmits_needless: less(|it| it.retransmits_needless),
            pinned_byte_ns: self.pinned_byte_ns.saturating_sub(part.pinned_byte_ns),
        }
    }
}

impl From<&UntrackedTotals> for Counts {
    fn from(totals: &UntrackedTotals) -> Self {
        Self {
            shrinks: totals.shrinks,
            zero_window_episodes: totals.zero_window_episodes,
            retransmits: totals.retransmits,
            ..Self::default()
        }
    }
}
