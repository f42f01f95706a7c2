//! When connections ended: the kernel side counts from the host's start, a file has to outlive it.

use super::file::KeptSpan;
use crate::clock;
use detector_common::history::{AddressHistory, HistorySpan, SPAN_NS, SPANS};
use std::collections::BTreeMap;

/// Clocks drift apart by less.
const DRIFT_NS: i128 = 300 * SECOND_NS;
const SECOND_NS: i128 = 1_000_000_000;

/// When spans before the host's start began, in seconds of Unix time: of those that share a number the first, so
/// that however often a host boots none grows younger.
pub(super) type Before = BTreeMap<u32, i64>;

/// A moment, by the kernel side's clock and by the wall's.
#[derive(Clone, Copy)]
pub(super) struct Now {
    monotonic_ns: u64,
    unix_ns: i128,
}

impl Now {
    pub(super) fn read() -> Self {
        Self::at(clock::now().as_ns(), clock::unix_ns())
    }

    pub(super) const fn at(monotonic_ns: u64, unix_ns: i128) -> Self {
        Self {
            monotonic_ns,
            unix_ns,
        }
    }

    /// Unix time at which the kernel side's clock was zero.
    fn zero_unix_ns(self) -> i128 {
        self.unix_ns - i128::from(self.monotonic_ns)
    }

    /// Spans that are not over for too long.
    pub(super) fn to_kept(self, history: &AddressHistory, before: &Before) -> Vec<KeptSpan> {
        let recent = history.spans.iter().filter(|span| {
            let alone = AddressHistory {
                spans: [HistorySpan::default(); SPANS].map(|_| **span),
            };
            !alone.is_over(self.monotonic_ns)
        });
        let began = |number: u32| {
            if let Some(began) = before.get(&number) {
                return *began;
            }
            let newest = wrapped(i128::from(self.monotonic_ns / SPAN_NS));
            let age = i128::from(newest.wrapping_sub(number));
            let spans = i128::from(newest) - age;
            let unix_ns = self.zero_unix_ns() + spans * i128::from(SPAN_NS);
            i64::try_from(unix_ns.div_euclid(SECOND_NS)).unwrap_or(i64::MAX)
        };
        recent
            .map(|span| KeptSpan {
                began: began(span.number),
                ended_well: span.ended_well,
                ended_early: span.ended_early,
                seen_well: span.seen_well,
            })
            .collect()
    }

    /// The same by the present clocks, and what is of the future by them: a clock that is behind will be set.
    /// What is older than a day is left out.
    pub(super) fn taken_up(
        self,
        spans: Vec<KeptSpan>,
        before: &mut Before,
    ) -> (AddressHistory, Vec<KeptSpan>) {
        let mut future = Vec::new();
        let mut history = AddressHistory::default();
        let day_ns = i128::from(SPAN_NS) * SPANS as i128;
        for kept in spans {
            let since_zero = i128::from(kept.began) * SECOND_NS - self.zero_unix_ns();
            let age_ns = self.unix_ns - i128::from(kept.began) * SECOND_NS;
            if age_ns < 0 {
                future.push(kept);
                continue;
            }
            if age_ns >= day_ns {
                continue;
            }
            // In the middle, so that clocks that have drifted apart by little change nothing.
            let number = (since_zero + i128::from(SPAN_NS / 2)).div_euclid(i128::from(SPAN_NS));
            let number = if since_zero < -DRIFT_NS {
                let number = wrapped(number.min(-1));
                let began = before.entry(number).or_insert(kept.began);
                *began = kept.began.min(*began);
                number
            } else {
                wrapped(number.min(i128::from(self.monotonic_ns / SPAN_NS)))
            };
            let span = &mut history.spans[number as usize % SPANS];
            if span.number != number {
                *span = HistorySpan::of(number);
            }
            span.ended_well = span.ended_well.saturating_add(kept.ended_well);
            span.ended_early = span.ended_early.saturating_add(kept.ended_early);
            span.seen_well = span.seen_well.max(kept.seen_well);
        }
        (history, future)
    }
}

/// As the kernel side numbers spans: those before the host's start count down from the largest number.
fn wrapped(number: i128) -> u32 {
    u32::try_from(number.rem_euclid(1 << u32::BITS)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Before, Now, SECOND_NS};
    use detector_common::history::{AddressHistory, HistorySpan, SPAN_NS, SPANS};

    const HOUR_NS: u64 = SPAN_NS / 3;
    const UNIX_NS: i128 = 1_700_000_000 * SECOND_NS;

    fn history(numbers: impl IntoIterator<Item = u32>) -> AddressHistory {
        let mut history = AddressHistory::default();
        for number in numbers {
            history.spans[number as usize % SPANS] = HistorySpan {
                ended_well: number + 1,
                ended_early: 2,
                seen_well: number + 3,
                ..HistorySpan::of(number)
            };
        }
        history
    }

    #[test]
    fn a_restart_of_the_agent_changes_nothing() {
        let before = Now {
            monotonic_ns: 40 * HOUR_NS,
            unix_ns: UNIX_NS,
        };
        let after = Now {
            monotonic_ns: before.monotonic_ns + HOUR_NS,
            unix_ns: before.unix_ns + i128::from(HOUR_NS),
        };
        let known = history(6..=13);
        let taken_up = after.taken_up(before.to_kept(&known, &Before::new()), &mut Before::new());
        assert_eq!(taken_up, (known, Vec::new()));
    }

    #[test]
    fn spans_from_before_a_reboot_stay_apart_and_grow_old_however_often_a_host_boots() {
        let mut now = Now::at(100 * SPAN_NS + HOUR_NS, UNIX_NS);
        let mut known = history(93..=100);
        let worth = known.worth(now.monotonic_ns);
        let mut kept = now.to_kept(&known, &Before::new());
        let mut boots = 0;
        while boots < 1_000 {
            // Ten minutes after its last word the host is up for ten minutes.
            now = Now::at(HOUR_NS / 6, now.unix_ns + i128::from(HOUR_NS / 3));
            let mut before = Before::new();
            known = now.taken_up(kept, &mut before).0;
            if boots == 0 {
                assert!(known.worth(now.monotonic_ns) >= worth * 7 / 8);
            }
            if known.ended(now.monotonic_ns) == (0, 0) {
                break;
            }
            boots += 1;
            kept = now.to_kept(&known, &before);
        }
        // A day, three boots an hour; a span that shares a number with the one before it goes with that.
        assert!((54..=72).contains(&boots), "{boots}");
    }

    #[test]
    fn a_day_is_kept_over_a_reboot_and_no_more() {
        let before = Now {
            monotonic_ns: 100 * SPAN_NS + HOUR_NS,
            unix_ns: UNIX_NS,
        };
        let known = history(93..=100);
        let booted = |hours_away: u64| Now {
            monotonic_ns: HOUR_NS / 2,
            unix_ns: UNIX_NS + i128::from(hours_away * HOUR_NS),
        };
        let ended = |now: Now| {
            let (history, future) =
                now.taken_up(before.to_kept(&known, &Before::new()), &mut Before::new());
            assert_eq!(future, []);
            history.ended(now.monotonic_ns)
        };
        let well = |numbers: std::ops::RangeInclusive<u64>| numbers.map(|number| number + 1).sum();
        assert_eq!(ended(booted(1)), (well(93..=100), 16));
        assert_eq!(ended(booted(12)), (well(97..=100), 8));
        assert_eq!(ended(booted(30)), (0, 0));
    }

    #[test]
    fn a_wall_clock_that_was_set_back_brings_nothing_of_the_future_before_it_is_set() {
        let before = Now {
            monotonic_ns: 20 * SPAN_NS,
            unix_ns: UNIX_NS,
        };
        let known = history([18, 19, 20]);
        let booted = Now {
            monotonic_ns: HOUR_NS,
            unix_ns: UNIX_NS - i128::from(3 * SPAN_NS / 2),
        };
        let (history, future) =
            booted.taken_up(before.to_kept(&known, &Before::new()), &mut Before::new());
        assert_eq!(history.ended(booted.monotonic_ns), (19, 2));
        assert_eq!(future, before.to_kept(&known, &Before::new())[1..]);
        let set = Now {
            monotonic_ns: 2 * HOUR_NS,
            unix_ns: UNIX_NS + i128::from(HOUR_NS),
        };
        let (history, future) = set.taken_up(future, &mut Before::new());
        assert_eq!(history.ended(set.monotonic_ns), (20 + 21, 4));
        assert_eq!(future, []);
    }
}
