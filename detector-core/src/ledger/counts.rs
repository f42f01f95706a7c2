//! Amounts that only ever grow.

use crate::observe::observation::{Shrinks, UntrackedTotals, join_shrinks};
use std::ops::{AddAssign, Sub};

/// The amounts. Nanosecond sums over many connections do not fit 64 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) shrinks: Shrinks,
    pub(crate) zero_window_episodes: u64,
    pub(crate) zero_window_ns: u128,
    pub(crate) retransmits_loss: u64,
    pub(crate) retransmits_window_probe: u64,
    pub(crate) pinned_byte_ns: u128,
}

impl Counts {
    fn join(
        &self,
        other: &Self,
        whole: impl Fn(u64, u64) -> u64,
        wide: impl Fn(u128, u128) -> u128,
    ) -> Self {
        let each = |of: fn(&Self) -> u64| whole(of(self), of(other));
        Self {
            shrinks: join_shrinks(&self.shrinks, &other.shrinks, &whole),
            zero_window_episodes: each(|it| it.zero_window_episodes),
            zero_window_ns: wide(self.zero_window_ns, other.zero_window_ns),
            retransmits_loss: each(|it| it.retransmits_loss),
            retransmits_window_probe: each(|it| it.retransmits_window_probe),
            pinned_byte_ns: wide(self.pinned_byte_ns, other.pinned_byte_ns),
        }
    }
}

/// Stops at the largest number instead of wrapping; no kernel counts that far.
impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        *self = self.join(&more, u64::saturating_add, u128::saturating_add);
    }
}

/// Never below zero: a part is at most the whole, and a surprise must not become a huge number.
impl Sub for Counts {
    type Output = Self;

    fn sub(self, part: Self) -> Self {
        self.join(&part, u64::saturating_sub, u128::saturating_sub)
    }
}

impl From<&UntrackedTotals> for Counts {
    fn from(totals: &UntrackedTotals) -> Self {
        Self {
            shrinks: totals.shrinks,
            zero_window_episodes: totals.zero_window_episodes,
            retransmits_loss: totals.retransmits_loss,
            retransmits_window_probe: totals.retransmits_window_probe,
            ..Self::default()
        }
    }
}
