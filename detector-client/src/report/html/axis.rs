//! The axis of time that all plots of a section share.

use super::super::model::Time;
use super::super::words::{clock, moment};
use super::markup::Markup;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Distances of ticks.
const STEPS_MS: [i64; 19] = [
    1_000,
    2_000,
    5_000,
    10_000,
    15_000,
    30_000,
    MINUTE_MS,
    2 * MINUTE_MS,
    5 * MINUTE_MS,
    10 * MINUTE_MS,
    15 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    2 * HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    7 * DAY_MS,
];
/// Labels that fit beside each other on a phone.
const TICKS_MOST: i64 = 5;

/// A span drawn from left to right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub(super) from: Time,
    pub(super) until: Time,
}

impl Axis {
    fn whole_ms(self) -> i64 {
        self.until.0.saturating_sub(self.from.0).max(1)
    }

    /// Where a moment lies, in percent; outside of the span beyond 0 and 100, but not far.
    #[allow(clippy::cast_precision_loss, reason = "drawn with one decimal")]
    pub(super) fn percent(self, at: Time) -> f64 {
        let passed = at.0.saturating_sub(self.from.0) as f64;
        (passed / self.whole_ms() as f64 * 100.0).clamp(-1.0, 101.0)
    }

    pub(super) fn contains(self, at: Time) -> bool {
        self.from <= at && at <= self.until
    }

    /// Whole numbers of minutes, hours or days.
    fn ticks(self) -> Vec<Time> {
        let whole = self.whole_ms();
        let fits = |step: &&i64| whole / **step < TICKS_MOST;
        let step = STEPS_MS.iter().find(fits).copied();
        // Weeks on end: as few as fit.
        let step = step.unwrap_or_else(|| (whole / TICKS_MOST / DAY_MS + 1) * DAY_MS);
        let first = self
            .from
            .0
            .div_euclid(step)
            .saturating_add(1)
            .saturating_mul(step);
        let ticks =
            (0..=TICKS_MOST).map(|tick| Time(first.saturating_add(tick.saturating_mul(step))));
        ticks.filter(|at| self.contains(*at)).collect()
    }

    /// Lines through a plot.
    pub(super) fn draw_lines(self, markup: &mut Markup) {
        for tick in self.ticks() {
            let x = self.percent(tick);
            markup
                .raw("<line class=\"tick\" y1=\"0\" y2=\"100%\" x1=\"")
                .number(x);
            markup.raw("%\" x2=\"").number(x).raw("%\"/>");
        }
    }

    /// What the lines mean.
    pub(super) fn draw_labels(self, markup: &mut Markup) {
        markup.raw("<svg class=\"axis\" aria-hidden=\"true\">");
        let is_by_seconds = self.whole_ms() < 10 * MINUTE_MS;
        // At the edges a label would stick out.
        let is_within = |tick: &Time| (2.0..98.0).contains(&self.percent(*tick));
        let ticks: Vec<_> = self.ticks().into_iter().filter(is_within).collect();
        if ticks.is_empty() {
            // Within one second: it has a time all the same.
            markup.raw("<text class=\"scale\" y=\"12\" x=\"2\">");
            markup.text(&clock(self.from)).raw("</text>");
        }
        for tick in ticks {
            let text = match clock(tick).as_str() {
                "00:00:00" => moment(tick).get(5..10).unwrap_or_default().to_owned(),
                clock if is_by_seconds => clock.to_owned(),
                clock => clock.get(..5).unwrap_or_default().to_owned(),
            };
            markup
                .raw("<text y=\"12\" x=\"")
                .number(self.percent(tick))
                .raw("%\">");
            markup.text(&text).raw("</text>");
        }
        markup.raw("</svg>");
    }
}

#[cfg(test)]
mod tests {
    use super::{Axis, DAY_MS, Time};

    #[test]
    fn a_few_ticks_on_any_span() {
        for whole in [
            0,
            1,
            999,
            5_000,
            61_000,
            3_600_000,
            DAY_MS,
            30 * DAY_MS,
            4_000 * DAY_MS,
        ] {
            let axis = Axis {
                from: Time(1_798_578_245_000),
                until: Time(1_798_578_245_000 + whole),
            };
            let ticks = axis.ticks();
            assert!(ticks.len() <= 5, "{whole}: {ticks:?}");
            assert!(whole < 5_000 || !ticks.is_empty(), "{whole}: {ticks:?}");
        }
        let wild = Axis {
            from: Time(i64::MIN),
            until: Time(i64::MAX),
        };
        assert!(wild.percent(Time(0)).is_finite() && wild.ticks().len() <= 6);
    }
}
