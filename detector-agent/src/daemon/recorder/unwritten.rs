//! A time in which not all, or nothing, was written, as the wall clock showed it.

use detector_recorder::{ClockReading, Gap, GapReason};

/// Spans told apart; a clock that is set again and again makes the last one longer.
const SPANS: usize = 64;

/// Where the clock was set meanwhile it is several spans: what lies between two of them was recorded, or has
/// never been.
#[derive(Clone, Debug)]
pub(super) struct Unwritten {
    /// From when to when, Unix milliseconds; the last goes on.
    spans: Vec<(i64, i64)>,
    /// Until when so far.
    until: ClockReading,
}

impl Unwritten {
    /// One that begins.
    pub(super) fn since(at: ClockReading) -> Self {
        Self {
            spans: vec![(at.unix_ms, at.unix_ms)],
            until: at,
        }
    }

    /// It has gone on until now; to be called now and then, for it does not know otherwise when the clock
    /// was set.
    pub(super) fn prolong(&mut self, now: ClockReading) {
        let is_set = self.until.is_set_until(now);
        self.until = now;
        let now_ms = now.unix_ms;
        if is_set && self.spans.len() < SPANS {
            self.spans.push((now_ms, now_ms));
        } else if let Some((from_ms, until_ms)) = self.spans.last_mut() {
            (*from_ms, *until_ms) = ((*from_ms).min(now_ms), (*until_ms).max(now_ms));
        }
    }

    /// As the recorder tells it.
    pub(super) fn gaps(&self, reason: GapReason) -> Vec<Gap> {
        let spans = self.spans.iter();
        let gaps = spans.map(|&(from_ms, until_ms)| Gap {
            from_ms,
            until_ms,
            reason,
        });
        gaps.collect()
    }

    /// When the clock was set meanwhile.
    pub(super) fn steps(&self) -> impl Iterator<Item = Gap> {
        let pairs = self.spans.iter().zip(self.spans.iter().skip(1));
        pairs.map(|((_, before_ms), (after_ms, _))| Gap {
            from_ms: *before_ms.min(after_ms),
            until_ms: *before_ms.max(after_ms),
            reason: GapReason::ClockStep,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{SPANS, Unwritten};
    use detector_recorder::{ClockReading, Gap, GapReason};

    const HOUR_MS: i64 = 3_600_000;

    fn at(second: i64, set_by_ms: i64) -> ClockReading {
        ClockReading {
            unix_ms: 100 * HOUR_MS + second * 1_000 + set_by_ms,
            boot_ms: second * 1_000,
        }
    }

    /// Seconds of gaps, counted from when it began.
    fn seconds(gaps: impl IntoIterator<Item = Gap>) -> Vec<(i64, i64)> {
        let second = |unix_ms: i64| (unix_ms - 100 * HOUR_MS) / 1_000;
        let gaps = gaps.into_iter();
        gaps.map(|gap| (second(gap.from_ms), second(gap.until_ms)))
            .collect()
    }

    fn told(unwritten: &Unwritten) -> Vec<(i64, i64)> {
        seconds(unwritten.gaps(GapReason::DiskFull))
    }

    #[test]
    fn a_clock_that_is_set_meanwhile_makes_no_gap_of_what_was_recorded() {
        let mut unwritten = Unwritten::since(at(0, 0));
        unwritten.prolong(at(10, 0));
        assert_eq!(told(&unwritten), [(0, 10)]);
        // Slewed.
        unwritten.prolong(at(11, 500));
        assert_eq!(told(&unwritten), [(0, 11)]);
        // Back by an hour, and forwards by two.
        for second in 12..20 {
            unwritten.prolong(at(second, -HOUR_MS));
        }
        unwritten.prolong(at(20, HOUR_MS));
        unwritten.prolong(at(30, HOUR_MS));
        let expected = [(0, 11), (12 - 3_600, 19 - 3_600), (3_620, 3_630)];
        assert_eq!(told(&unwritten), expected);
        let steps = [(12 - 3_600, 11), (19 - 3_600, 3_620)];
        assert_eq!(seconds(unwritten.steps()), steps);
    }

    #[test]
    fn a_clock_that_is_set_without_end_makes_few_spans() {
        let mut unwritten = Unwritten::since(at(0, 0));
        for second in 1..1_000 {
            unwritten.prolong(at(second, second % 2 * HOUR_MS));
        }
        let told = told(&unwritten);
        assert_eq!(told.len(), SPANS);
        assert_eq!(told.last().map(|span| span.1), Some(999 + 3_600));
    }
}
