//! When nothing was seen, to be asked of each point of a curve.

use super::super::model::{GapPart, Time};

/// Gaps of one host.
pub(super) struct Hidden {
    /// When each begins, the earliest first,
    from: Vec<Time>,
    /// and when the last of those so far ends.
    until: Vec<Time>,
}

impl Hidden {
    pub(super) fn of(gaps: &[GapPart]) -> Self {
        let mut spans: Vec<_> = gaps.iter().map(|gap| (gap.from, gap.until)).collect();
        spans.sort_unstable();
        let mut latest = Time(i64::MIN);
        let until = spans.iter().map(|(_, until)| {
            latest = latest.max(*until);
            latest
        });
        Self {
            until: until.collect(),
            from: spans.into_iter().map(|(from, _)| from).collect(),
        }
    }

    /// Whether something of a gap is between these two.
    pub(super) fn lies_between(&self, before: Time, after: Time) -> bool {
        let begun = self.from.partition_point(|from| *from < after);
        let last = begun.checked_sub(1).and_then(|last| self.until.get(last));
        last.is_some_and(|until| before < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::Hidden;
    use crate::report::model::{GapPart, Time};

    #[test]
    fn a_gap_hides_what_it_touches_whatever_order_they_are_in() {
        let spans = [(50, 60), (10, 40), (12, 14), (70, 70)];
        let gaps = spans.map(|(from, until)| GapPart {
            from: Time(from),
            until: Time(until),
            reason: String::new(),
            text: String::new(),
        });
        let hidden = Hidden::of(&gaps);
        for before in 0..80 {
            for after in before..80 {
                let expected = spans
                    .iter()
                    .any(|(from, until)| before < *until && *from < after);
                let found = hidden.lies_between(Time(before), Time(after));
                assert_eq!(found, expected, "{before} to {after}");
            }
        }
        assert!(!Hidden::of(&[]).lies_between(Time(0), Time(80)));
    }
}
