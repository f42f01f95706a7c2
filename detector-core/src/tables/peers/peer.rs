//! One peer: what it costs, what is flagged, what is remembered of it.

use super::Rank;
use super::events::EventAllowances;
use super::flags::PeerFlags;
use super::label::Label;
use super::services::Services;
use crate::ledger::{Account, Counts};
use crate::observe::observation::{Direction, Observation};
use crate::observe::peer_address::PeerAddress;
use crate::rules::drain::DrainChange;
use crate::rules::hoard::Hoard;
use crate::rules::recovery::StallHistory;
use crate::rules::shrink::ShrinkHistory;
use crate::rules::stall::{StallChange, StallClass, Stalled};
use crate::tables::intrusive_list::IntrusiveList;
use crate::time::MonotonicTime;
use crate::verdict::Verdicts;

/// A scrape of the metrics.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scrape {
    pub(crate) number: u64,
    pub(crate) at: MonotonicTime,
}

/// One peer: a field for each rule that keeps something of it, beside what they all look at.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: PeerAddress,
    pub(crate) first_seen: MonotonicTime,
    pub(crate) last_seen: MonotonicTime,
    pub(crate) connections: IntrusiveList,
    pub(crate) services: Services,
    /// Who opened its connections.
    pub(crate) direction: Direction,
    pub(crate) drain_bytes_per_second: u64,
    pub(crate) account: Account,
    stalled_on_our_way: u32,
    pub(crate) label: Label,
    pub(crate) flags: PeerFlags,
    pub(crate) hoard: Hoard,
    pub(crate) shrinks: ShrinkHistory,
    pub(crate) stalls: StallHistory,
    pub(crate) verdicts: Verdicts,
    pub(crate) events: EventAllowances,
    /// What the table keeps of it.
    pub(super) entry: Entry,
}

/// Where a peer stands in its table.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) rank: Rank,
    pub(super) deadline: Option<MonotonicTime>,
}

impl Peer {
    pub(super) fn new(address: PeerAddress, now: MonotonicTime, scrape: Scrape) -> Self {
        Self {
            address,
            first_seen: now,
            last_seen: now,
            connections: IntrusiveList::default(),
            services: Services::default(),
            direction: Direction::Unknown,
            drain_bytes_per_second: 0,
            account: Account::default(),
            stalled_on_our_way: 0,
            label: Label::new(scrape.number),
            flags: PeerFlags::new(now),
            hoard: Hoard::default(),
            shrinks: ShrinkHistory::default(),
            stalls: StallHistory::default(),
            verdicts: Verdicts::default(),
            events: EventAllowances::new(now),
            entry: Entry {
                rank: (0, 0, now, 0),
                deadline: None,
            },
        }
    }

    /// A connection of it was seen.
    #[inline]
    pub(crate) fn observe(&mut self, observation: &Observation) {
        self.last_seen = self.last_seen.max(observation.at);
        self.services.add(observation.connection.local.port());
        self.direction = self.direction.join(observation.direction);
    }

    /// A connection of it drains at another rate.
    pub(crate) const fn change_drain(&mut self, change: DrainChange) {
        self.drain_bytes_per_second = self
            .drain_bytes_per_second
            .saturating_sub(change.before)
            .saturating_add(change.after);
    }

    /// A connection of it that comes by our way in is counted otherwise.
    pub(crate) fn change_on_our_way(&mut self, change: &StallChange) {
        let stalled = |counted: Option<Stalled>| {
            u32::from(counted.is_some_and(|stalled| stalled.class != StallClass::WithinHost))
        };
        self.stalled_on_our_way += stalled(change.after);
        self.stalled_on_our_way -= stalled(change.before);
    }

    /// Whether nothing is flagged and no shrink is remembered.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.flags.is_any() && self.shrinks.is_empty()
    }

    /// When the peer wants to be judged again without a new observation.
    pub(crate) fn deadline(&self) -> Option<MonotonicTime> {
        let verdict_ends = self
            .verdicts
            .ends_at(self.flags.quiet_since)
            .filter(|_| self.is_quiet());
        let stalls_forgotten = self.stalls.forgets_at();
        [self.shrinks.forgets_at(), verdict_ends, stalls_forgotten]
            .into_iter()
            .flatten()
            .min()
    }

    /// Keeps what the last scrape showed, before the counts change for the first time after it.
    pub(super) fn keep_shown(&mut self, scrape: Scrape) {
        if self.label.wants_shown(scrape.number) {
            self.account.settle(scrape.at);
            self.label.keep_shown(scrape.number, self.account.counts);
        }
    }

    /// Gives the peer its own label: what `last`, the scrape before, showed of it under `other`
    /// stays there.
    pub(crate) fn begin_export(&mut self, last: Scrape) {
        self.keep_shown(last);
        self.label.is_exported = true;
    }

    /// What its own label shows.
    pub(crate) fn exported_counts(&self) -> Counts {
        self.account.counts - self.label.in_other()
    }

    pub(super) fn rank(&self, slot: u32) -> Rank {
        let zero_window_ms = u64::try_from(self.account.counts.zero_window_ns / 1_000_000);
        let zero_window_ms = zero_window_ms.unwrap_or(u64::MAX);
        let (class, cost) = if self.stalled_on_our_way > 0 {
            (2, self.account.usage().pinned_bytes)
        } else if self.connections.len() > 0 {
            (1, zero_window_ms)
        } else {
            (0, zero_window_ms)
        };
        (class, cost, self.last_seen, slot)
    }
}

#[cfg(test)]
mod tests {
    use super::Peer;

    #[test]
    fn a_peer_takes_what_the_page_on_scaling_says() {
        let page = include_str!("../../../../docs/scaling.md");
        assert_eq!(size_of::<Peer>(), 1_008);
        assert!(page.contains("A peer takes 1,008 bytes"));
    }
}
