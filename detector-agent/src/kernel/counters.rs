//! The per-CPU counters of the kernel side, summed.

use aya::maps::{MapData, PerCpuArray};
use detector_common::counter::Counter;
use detector_core::observe::observation::{Retransmits, Shrinks, UntrackedTotals};

/// Counters that say that something was lost on its way, exported by stage.
const LOSSES: [Counter; 13] = [
    Counter::RecordsDroppedRingFull,
    Counter::ClosedRecordsReplaced,
    Counter::SweepRowsDropped,
    Counter::ConnectionsRefusedTableFull,
    Counter::ConnectionsRefusedMapError,
    Counter::HeaderReadsFailed,
    Counter::OptionReadsFailed,
    Counter::WindowsUnproven,
    Counter::InodeReadsFailed,
    Counter::SocketsNotTcp,
    Counter::DirectionsNotNoted,
    Counter::HistoryNotKept,
    Counter::VictimsDropped,
];

/// Counters of records that were not sent, of which the next one carries all: nothing is lost.
const HELD_BACK: [Counter; 1] = [Counter::RecordsSuppressedRate];

/// All counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts([u64; Counter::ALL.len()]);

impl Counts {
    /// Reads every counter and sums it over all CPUs. A counter that cannot be read keeps its
    /// value from `earlier`, so that totals never go backwards.
    pub(super) fn read(map: &PerCpuArray<MapData, u64>, earlier: &Self) -> Self {
        let mut counts = *earlier;
        for (index, counter) in (0_u32..).zip(Counter::ALL) {
            match map.get(&index, 0) {
                Ok(values) => {
                    let sum = values
                        .iter()
                        .fold(0_u64, |sum, value| sum.wrapping_add(*value));
                    counts.set(counter, sum);
                }
                Err(error) => tracing::warn!("reading counter {} failed: {error}", counter.label()),
            }
        }
        counts
    }

    /// One counter.
    pub(super) fn get(&self, counter: Counter) -> u64 {
        self.0.get(counter as usize).copied().unwrap_or_default()
    }

    fn set(&mut self, counter: Counter, value: u64) {
        if let Some(slot) = self.0.get_mut(counter as usize) {
            *slot = value;
        }
    }

    /// What was lost, by stage.
    pub(super) fn losses(&self) -> Vec<(&'static str, u64)> {
        self.labelled(&LOSSES)
    }

    /// What was held back, by reason.
    pub(super) fn held_back(&self) -> Vec<(&'static str, u64)> {
        self.labelled(&HELD_BACK)
    }

    fn labelled(&self, counters: &[Counter]) -> Vec<(&'static str, u64)> {
        counters
            .iter()
            .map(|counter| (counter.label(), self.get(*counter)))
            .collect()
    }

    /// What could not be kept per connection.
    pub(super) fn untracked(&self) -> UntrackedTotals {
        UntrackedTotals {
            shrinks: Shrinks {
                polite: self.get(Counter::UntrackedShrinksPolite),
                below_flight: self.get(Counter::UntrackedShrinksBelowFlight),
                treason: self.get(Counter::UntrackedShrinksTreason),
            },
            zero_window_episodes: self.get(Counter::UntrackedZeroWindows),
            retransmits: Retransmits {
                loss: self.get(Counter::UntrackedRetransmitsLoss),
                tail_probe: self.get(Counter::UntrackedRetransmitsTailProbe),
                window_probe: self.get(Counter::UntrackedRetransmitsWindowProbe),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_a_loss_held_back_an_untracked_total_or_a_measure() {
        let measures = [
            Counter::SocketsSwept,
            Counter::SubflowRetreats,
            Counter::ConnectionsMade,
            Counter::ConnectionsForgotten,
        ];
        for counter in Counter::ALL {
            let is_loss = LOSSES.contains(&counter);
            let is_held_back = HELD_BACK.contains(&counter);
            let is_untracked = counter.label().starts_with("untracked_");
            let is_measure = measures.contains(&counter);
            assert_eq!(
                u8::from(is_loss)
                    + u8::from(is_held_back)
                    + u8::from(is_untracked)
                    + u8::from(is_measure),
                1,
                "{counter:?}"
            );
        }
    }
}
