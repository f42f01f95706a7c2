//! The measurement under a pace: who was the limit over a span, and what was drained in it.

use super::limit::Limit;
use crate::settings::DetectSettings;
use crate::time::{MonotonicTime, SECOND_NS};

/// A span over which the pace is measured. One observation that shows the window open does not
/// begin it anew: what counts is the share of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: MonotonicTime,
    pub(crate) acked_then: u64,
    /// What was queued then: only who is slow with that is slow, not who is written little to.
    queued_then: u32,
    limited_ns: u64,
    lost_ns: u64,
    counted_to: MonotonicTime,
    limit: Limit,
}

impl Span {
    /// A span that begins with this limit and so much acknowledged and queued.
    pub(crate) const fn begin(
        from: MonotonicTime,
        bytes_acked: u64,
        queued_bytes: u32,
        limit: Limit,
    ) -> Self {
        Self {
            from,
            acked_then: bytes_acked,
            queued_then: queued_bytes,
            limited_ns: 0,
            lost_ns: 0,
            counted_to: from,
            limit,
        }
    }

    /// Moves on to `at`, from which on this is the limit.
    #[inline]
    pub(crate) fn follow(&mut self, at: MonotonicTime, limit: Limit) {
        let passed_ns = at.since_ns(self.counted_to);
        match self.limit {
            Limit::Other => {}
            Limit::Peer => self.limited_ns += passed_ns,
            Limit::Loss => self.lost_ns += passed_ns,
        }
        self.counted_to = self.counted_to.max(at);
        self.limit = limit;
    }

    /// When it can be judged.
    #[inline]
    pub(crate) const fn ends(&self, settings: &DetectSettings) -> MonotonicTime {
        MonotonicTime::from_ns(self.from.as_ns().saturating_add(over_ns(settings)))
    }

    /// Whether so much was drained already that it cannot be slow any more.
    #[inline]
    pub(crate) fn is_won(&self, bytes_acked: u64, settings: &DetectSettings) -> bool {
        let drained = u128::from(bytes_acked.saturating_sub(self.acked_then));
        let floor = u128::from(settings.dribble_floor_bytes_per_second);
        drained * u128::from(SECOND_NS) >= floor * u128::from(over_ns(settings))
    }

    /// The same, with what was acknowledged by then not counted.
    pub(crate) const fn after(self, acked_then: u64) -> Self {
        Self { acked_then, ..self }
    }

    /// The pace over this span and what came before it, `before` for as long as a whole span; the
    /// first has nothing before it.
    pub(crate) fn mean(
        &self,
        before: u64,
        now: MonotonicTime,
        measured: &Measured,
        settings: &DetectSettings,
    ) -> u64 {
        if before == 0 {
            return measured.bytes_per_second;
        }
        let (span_ns, over_ns) = (now.since_ns(self.from), over_ns(settings));
        let bytes_then = u128::from(before) * u128::from(over_ns);
        let bytes_now = u128::from(measured.drained_bytes) * u128::from(SECOND_NS);
        let mean = (bytes_then + bytes_now) / (u128::from(over_ns) + u128::from(span_ns));
        u64::try_from(mean).unwrap_or(u64::MAX)
    }

    /// Judges it at `now`, with `bytes_acked` by then and the last of them at `progress_at`; `None`
    /// before its end, unless it is won.
    ///
    /// What came in the first half only is no pace: the last segment on its way when the window
    /// closed for good, or what the kernel squeezed into the rest of the window.
    pub(crate) fn measure(
        &self,
        now: MonotonicTime,
        bytes_acked: u64,
        progress_at: MonotonicTime,
        settings: &DetectSettings,
    ) -> Option<Measured> {
        let span_ns = now.since_ns(self.from);
        let is_won = self.is_won(bytes_acked, settings);
        if span_ns < over_ns(settings) && !is_won {
            return None;
        }
        let drained = bytes_acked.saturating_sub(self.acked_then);
        let per_second = u128::from(drained) * u128::from(SECOND_NS) / u128::from(span_ns.max(1));
        let bytes_per_second = u64::try_from(per_second).unwrap_or(u64::MAX);
        let is_mostly_limited = self.limited_ns >= span_ns.div_ceil(2);
        let is_mostly_lost = self.lost_ns >= span_ns.div_ceil(2);
        let is_left_waiting = drained < u64::from(self.queued_then);
        let is_slow = !is_won && bytes_per_second < settings.dribble_floor_bytes_per_second;
        let has_gone_on = drained > 0 && progress_at.since_ns(self.from) >= span_ns.div_ceil(2);
        let kind = match (is_slow && is_mostly_limited, has_gone_on) {
            (true, false) => PaceKind::Still,
            (true, true) => PaceKind::Dribbling,
            (false, _) if is_slow && is_mostly_lost && is_left_waiting => PaceKind::Crawling,
            (false, _) => PaceKind::Free,
        };
        Some(Measured {
            kind,
            drained_bytes: drained,
            bytes_per_second,
        })
    }
}

const fn over_ns(settings: &DetectSettings) -> u64 {
    if settings.dribble_over_ns == 0 {
        1
    } else {
        settings.dribble_over_ns
    }
}

/// What a whole span shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(crate) kind: PaceKind,
    pub(crate) drained_bytes: u64,
    pub(crate) bytes_per_second: u64,
}

/// The peer's part in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PaceKind {
    /// At or above the floor, or the peer was not the limit for most of the time.
    Free,
    /// Nothing was drained, or nothing any more: a stall, and reported as such.
    Still,
    /// Below the floor.
    Dribbling,
    /// Below the floor, and what was sent had to be sent again for most of the time.
    Crawling,
}

#[cfg(test)]
mod tests {
    use super::{Limit, PaceKind, Span};
    use crate::settings::DetectSettings;
    use crate::time::{MonotonicTime, SECOND_NS};
    use proptest::prelude::*;

    fn at(seconds: u64) -> MonotonicTime {
        MonotonicTime::from_ns(seconds * SECOND_NS)
    }

    fn kind(span: &Span, now: u64, bytes_acked: u64) -> Option<PaceKind> {
        let settings = DetectSettings::default();
        let measured = span.measure(at(now), bytes_acked, at(now), &settings);
        measured.map(|measured| measured.kind)
    }

    #[test]
    fn one_open_moment_does_not_hide_a_dribble() {
        let mut span = Span::begin(at(0), 1_000, 1 << 20, Limit::Peer);
        span.follow(at(10), Limit::Other);
        span.follow(at(11), Limit::Peer);
        assert_eq!(kind(&span, 29, 2_000), None);
        assert_eq!(kind(&span, 29, 1_000 + 14_999), None);
        assert_eq!(kind(&span, 11, 1_000 + 15_000), Some(PaceKind::Free));
        span.follow(at(30), Limit::Peer);
        assert_eq!(kind(&span, 30, 2_000), Some(PaceKind::Dribbling));
        assert_eq!(kind(&span, 30, 1_000), Some(PaceKind::Still));
        assert_eq!(kind(&span, 30, 1_000 + 15_000), Some(PaceKind::Free));
        assert_eq!(kind(&span, 30, 1_000 + 14_999), Some(PaceKind::Dribbling));
    }

    #[test]
    fn what_came_only_at_first_is_no_pace() {
        let settings = DetectSettings::default();
        let mut span = Span::begin(at(10), 0, 1 << 20, Limit::Peer);
        span.follow(at(40), Limit::Peer);
        let kind = |progress_at| {
            let measured = span.measure(at(40), 700, progress_at, &settings);
            measured.map(|measured| measured.kind)
        };
        assert_eq!(kind(at(11)), Some(PaceKind::Still));
        assert_eq!(kind(at(25)), Some(PaceKind::Dribbling));
    }

    #[test]
    fn a_span_mostly_limited_by_others_is_free() {
        let mut span = Span::begin(at(0), 0, 1 << 20, Limit::Peer);
        span.follow(at(14), Limit::Other);
        span.follow(at(30), Limit::Other);
        assert_eq!(kind(&span, 30, 10), Some(PaceKind::Free));
        let mut span = Span::begin(at(0), 0, 1 << 20, Limit::Peer);
        span.follow(at(15), Limit::Other);
        span.follow(at(30), Limit::Other);
        assert_eq!(kind(&span, 30, 10), Some(PaceKind::Dribbling));
    }

    proptest! {
        /// Against a plain model that looks at each second.
        #[test]
        fn a_span_is_judged_as_each_of_its_seconds_says(
            seconds in prop::collection::vec((0u8..3, 0u64..1_500), 30),
        ) {
            let mut span = Span::begin(at(0), 7, 1 << 20, Limit::Peer);
            let (mut acked, mut limited, mut lost, mut was) = (7, 0, 0, Limit::Peer);
            for (second, (limit, bytes)) in (1..).zip(seconds) {
                limited += u64::from(was == Limit::Peer);
                lost += u64::from(was == Limit::Loss);
                was = [Limit::Other, Limit::Peer, Limit::Loss][usize::from(limit)];
                acked += bytes;
                span.follow(at(second), was);
            }
            let drained = acked - 7;
            let expected = if drained >= 30 * 500 || limited.max(lost) < 15 {
                PaceKind::Free
            } else if limited < 15 {
                PaceKind::Crawling
            } else if drained == 0 {
                PaceKind::Still
            } else {
                PaceKind::Dribbling
            };
            prop_assert_eq!(kind(&span, 30, acked), Some(expected));
        }
    }

    #[test]
    fn who_is_written_little_to_crawls_not() {
        let crawls = |queued_bytes| {
            let mut span = Span::begin(at(0), 0, queued_bytes, Limit::Loss);
            span.follow(at(30), Limit::Loss);
            kind(&span, 30, 6_000) == Some(PaceKind::Crawling)
        };
        assert!(crawls(6_001));
        assert!(!crawls(6_000));
    }

    /// Of two spans that are won with 15 kB each, one in 29 s and one in a second.
    #[test]
    fn one_quick_span_is_no_pace() {
        let settings = DetectSettings::default();
        let mut steady = 0;
        let mut now = 0;
        for seconds in [29, 1].repeat(20) {
            let span = Span::begin(at(now), 0, 4_000_000, Limit::Peer);
            now += seconds;
            let measured = span.measure(at(now), 15_000, at(now), &settings).unwrap();
            steady = span.mean(steady, at(now), &measured, &settings);
        }
        assert!((500..1_500).contains(&steady), "{steady}");
    }
}
