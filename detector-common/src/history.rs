//! How the connections of an address have ended over the past hours.
//!
//! Kept by the kernel side for each remote address, fed when a connection closes and never by an
//! acknowledgement; read by the agent for suspects alone, to whose past it adds how many of their connections
//! it has seen well: those of a pool may live for days. Of the addresses that come, those that came last;
//! apart from them, so that no number of others pushes them out, those whose past the agent has found to say
//! most.

use bytemuck::{Pod, Zeroable};

/// Spans of time that are kept apart: the oldest is forgotten as a whole.
pub const SPANS: usize = 8;

/// How long each is: three hours, so that a night does not forget the day before.
pub const SPAN_NS: u64 = 3 * 3_600 * 1_000_000_000;

/// Addresses that are kept because they came last.
pub const ENTRIES_MAX: usize = 16_384;

/// Addresses that are kept because of their past.
pub const PROVEN_MAX: usize = 4_096;

/// So many connections that ended well make a past.
pub const PAST_LEAST: u64 = 10;

/// Whoever ends a connection early has read of it if he took more than so many bytes,
const READ_LEAST_BYTES: u64 = 64 << 10;
/// and so many times as much as he ever offered room for at once.
const READ_WINDOWS: u64 = 4;

/// Whether so much was read, and is not only in the peer's buffers.
#[inline(always)]
#[must_use]
pub const fn has_read_much(bytes_acked: u64, max_window: u32) -> bool {
    bytes_acked > READ_LEAST_BYTES && bytes_acked > READ_WINDOWS * max_window as u64
}

/// One span of time.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct HistorySpan {
    /// Which: nanoseconds of `CLOCK_MONOTONIC` divided by [`SPAN_NS`]. Those before the host's start count down from
    /// the largest number.
    pub number: u32,
    /// Connections that ended with all taken of what was sent, at least a byte, or after they had read much.
    pub ended_well: u32,
    /// Others that ended with something left to send.
    pub ended_early: u32,
    /// So many were well at one time, as the agent has counted them.
    pub seen_well: u32,
}

/// What the past of an address, or of several, comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Connections that ended well.
    pub ended_well: u64,
    /// Connections that ended early.
    pub ended_early: u64,
    /// The most connections of each address that were seen well at one time.
    pub seen_well: u64,
}

impl Summary {
    /// Of one and of others.
    #[must_use]
    pub const fn plus(self, others: Self) -> Self {
        Self {
            ended_well: self.ended_well.saturating_add(others.ended_well),
            ended_early: self.ended_early.saturating_add(others.ended_early),
            seen_well: self.seen_well.saturating_add(others.seen_well),
        }
    }
}

/// What is kept of one address. Counts are lower bounds: two processors may count at once.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct AddressHistory {
    /// Each at the place of its number modulo [`SPANS`].
    pub spans: [HistorySpan; SPANS],
}

const _: () = assert!(size_of::<AddressHistory>() == 16 * SPANS);

impl HistorySpan {
    /// Nothing is known of one of this number.
    #[must_use]
    pub const fn of(number: u32) -> Self {
        Self {
            number,
            ended_well: 0,
            ended_early: 0,
            seen_well: 0,
        }
    }

    const fn is_empty(&self) -> bool {
        self.ended_well == 0 && self.ended_early == 0 && self.seen_well == 0
    }

    const fn is_later_than(&self, other: &Self) -> bool {
        self.number.wrapping_sub(other.number).cast_signed() > 0
    }
}

impl AddressHistory {
    /// Connections that ended well and early in the spans that are not over for too long at `now_ns`.
    #[must_use]
    pub fn ended(&self, now_ns: u64) -> (u64, u64) {
        self.recent(now_ns).fold((0, 0), |(well, early), span| {
            (
                well + u64::from(span.ended_well),
                early + u64::from(span.ended_early),
            )
        })
    }

    /// The most connections that were seen well at one time in those spans.
    #[must_use]
    pub fn seen_well(&self, now_ns: u64) -> u64 {
        let seen = self.recent(now_ns).map(|span| u64::from(span.seen_well));
        seen.max().unwrap_or(0)
    }

    /// What it comes to at `now_ns`.
    #[must_use]
    pub fn summary(&self, now_ns: u64) -> Summary {
        let (ended_well, ended_early) = self.ended(now_ns);
        Summary {
            ended_well,
            ended_early,
            seen_well: self.seen_well(now_ns),
        }
    }

    /// Nothing of it counts any more at `now_ns`.
    #[must_use]
    pub fn is_over(&self, now_ns: u64) -> bool {
        self.recent(now_ns).all(HistorySpan::is_empty)
    }

    /// How much the past says for an address at `now_ns`, 0 if it is none: connections that ended well, or were
    /// seen well at one time, as often as there were spans in which any were. So who is to have said more in an
    /// hour than another in a day has to end eight times as many.
    #[must_use]
    pub fn worth(&self, now_ns: u64) -> u64 {
        let (ended_well, _) = self.ended(now_ns);
        let well = ended_well.max(self.seen_well(now_ns));
        let is_well = |span: &&HistorySpan| span.ended_well > 0 || span.seen_well > 0;
        let spans = self.recent(now_ns).filter(is_well);
        if well < PAST_LEAST {
            return 0;
        }
        well.saturating_mul(spans.count() as u64)
    }

    /// So many connections are well at `now_ns`. Whether that is more than was known.
    pub fn note_well(&mut self, connections: u64, now_ns: u64) -> bool {
        let number = u32::try_from(now_ns / SPAN_NS).unwrap_or(u32::MAX);
        let span = &mut self.spans[number as usize % SPANS];
        let connections = u32::try_from(connections).unwrap_or(u32::MAX);
        if span.number != number {
            *span = HistorySpan::of(number);
        }
        let is_more = connections > span.seen_well;
        span.seen_well = connections.max(span.seen_well);
        is_more
    }

    /// What two of the same address say together: of each place the newer span, or both.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = *self;
        for (span, other) in sum.spans.iter_mut().zip(&other.spans) {
            if other.is_empty() {
                continue;
            }
            if span.is_empty() || other.is_later_than(span) {
                *span = *other;
            } else if other.number == span.number {
                span.ended_well = span.ended_well.saturating_add(other.ended_well);
                span.ended_early = span.ended_early.saturating_add(other.ended_early);
                span.seen_well = span.seen_well.max(other.seen_well);
            }
        }
        sum
    }

    fn recent(&self, now_ns: u64) -> impl Iterator<Item = &HistorySpan> {
        let now = u32::try_from(now_ns / SPAN_NS).unwrap_or(u32::MAX);
        let age = move |span: &HistorySpan| u64::from(now.wrapping_sub(span.number));
        let is_recent = move |span: &&HistorySpan| age(span) < SPANS as u64;
        self.spans.iter().filter(is_recent)
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressHistory, HistorySpan, SPAN_NS, SPANS, has_read_much};

    #[test]
    fn what_fits_into_buffers_may_not_have_been_read() {
        for (bytes_acked, max_window, is_read) in [
            (2_000_000, 65_535, true),
            (262_141, 65_535, true),
            (262_140, 65_535, false),
            (65_537, 1_000, true),
            (65_536, 1_000, false),
            (6_000_000, 3_000_000, false),
            (u64::MAX, u32::MAX, true),
        ] {
            assert_eq!(has_read_much(bytes_acked, max_window), is_read);
        }
    }

    /// So many ended well in each of these spans.
    fn history(numbers: impl IntoIterator<Item = u32>, ended_well: u32) -> AddressHistory {
        let mut history = AddressHistory::default();
        for number in numbers {
            history.spans[number as usize % SPANS] = HistorySpan {
                ended_well,
                ended_early: 1,
                ..HistorySpan::of(number)
            };
        }
        history
    }

    #[test]
    fn what_was_seen_well_counts_once_however_often_it_is_seen() {
        let mut pool = AddressHistory::default();
        for number in 93..=100 {
            let now_ns = number * SPAN_NS;
            assert!(pool.note_well(24, now_ns), "nothing was known of {number}");
            assert!(!pool.note_well(20, now_ns) && !pool.note_well(24, now_ns));
        }
        let now_ns = 100 * SPAN_NS;
        assert_eq!((pool.ended(now_ns), pool.seen_well(now_ns)), ((0, 0), 24));
        assert_eq!(pool.worth(now_ns), 8 * 24);
        let both = pool.plus(&history([100], 30));
        assert_eq!((both.ended(now_ns), both.seen_well(now_ns)), ((30, 1), 24));
        assert_eq!(both.worth(now_ns), 8 * 30, "the same ones may have ended");
        assert_eq!(both, history([100], 30).plus(&pool));
        assert_eq!(pool.plus(&pool), pool);
        let later_ns = 108 * SPAN_NS;
        assert_eq!((pool.seen_well(later_ns), pool.worth(later_ns)), (0, 0));
        assert!(pool.is_over(later_ns) && !pool.is_over(later_ns - 1));
    }

    #[test]
    fn a_past_is_worth_what_was_well_times_how_long() {
        let worth = |history: AddressHistory| history.worth(100 * SPAN_NS);
        assert_eq!(worth(history(93..=100, 1_000)), 8 * 8_000);
        assert_eq!(worth(history([100], 8_000)), 8_000);
        assert_eq!(
            worth(history(92..=99, 1_000)),
            7 * 7_000,
            "one is a day ago"
        );
        assert_eq!(
            (worth(history([100], 9)), worth(history([99, 100], 5))),
            (0, 20)
        );
    }

    #[test]
    fn two_pasts_of_an_address_add_up_and_what_is_old_gives_way() {
        let sum = history([5, 6], 3).plus(&history([6, 13], 4));
        let [five, six] = [5, 6].map(|place| sum.spans[place]);
        assert_eq!((five.number, five.ended_well, five.ended_early), (13, 4, 1));
        assert_eq!((six.number, six.ended_well, six.ended_early), (6, 7, 2));
        assert_eq!(sum, history([6, 13], 4).plus(&history([5, 6], 3)));
    }

    #[test]
    fn what_ended_before_the_host_started_is_of_spans_of_its_own() {
        let [early, last] = [u32::MAX - 6, u32::MAX].map(|number| history([number], 10));
        let known = early.plus(&last).plus(&history([0], 10));
        assert_eq!(known.ended(0), (30, 3));
        assert_eq!(known.worth(0), 3 * 30);
        assert_eq!(known.ended(SPAN_NS), (20, 2));
        assert_eq!(known.plus(&history([1], 4)).ended(SPAN_NS), (24, 3));
        assert_eq!(known.plus(&AddressHistory::default()), known);
    }

    #[test]
    fn a_day_is_remembered_and_no_more() {
        let mut history = AddressHistory::default();
        for number in [5_u32, 6] {
            history.spans[number as usize % SPANS] = HistorySpan {
                ended_well: 10,
                ended_early: 1,
                ..HistorySpan::of(number)
            };
        }
        assert_eq!(history.ended(6 * SPAN_NS), (20, 2));
        assert_eq!(history.ended(12 * SPAN_NS), (20, 2));
        assert_eq!(history.ended(13 * SPAN_NS), (10, 1));
        assert_eq!(history.ended(14 * SPAN_NS), (0, 0));
        assert_eq!(history.ended(4 * SPAN_NS), (0, 0));
    }
}
