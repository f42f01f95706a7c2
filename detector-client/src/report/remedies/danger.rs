//! For how long hosts were in danger, by all seconds in which a hoard was held.

use super::trial::{Held, Trial};
use super::under::Under;
use crate::report::model::Time;
use detector_api::snapshot::HoardThresholds;

/// For how long the host that is longest in danger is so under the setting, if there is one, and when the last of them
/// is not any more.
pub(super) fn danger(
    trials: &[Trial<'_>],
    hoard: HoardThresholds,
    under: &[Under<'_>],
) -> (f64, Option<Time>) {
    let mut longest_ms = 0;
    let mut out = None;
    let mut is_over = true;
    let is_danger =
        |held: Held| held.connections >= hoard.hoard_connections || held.bytes >= hoard.hoard_bytes;
    for (host, trial) in trials.iter().enumerate() {
        let mut in_danger_ms = 0_i64;
        for held_then in &trial.hoard.seconds {
            let second = &held_then.second;
            let held = trial.held(second);
            // What was no danger is none under any setting; trying costs most of the time.
            let left = || match under.get(host) {
                Some(under) => under.left(held, second),
                None => held,
            };
            if !is_danger(held) || !is_danger(left()) {
                continue;
            }
            // However short, it was one.
            in_danger_ms = in_danger_ms.saturating_add(held_then.lasted_ms).max(1);
            match held_then.next_ms {
                Some(next_ms) => out = out.max(Some(Time(next_ms))),
                None => is_over = false,
            }
        }
        longest_ms = longest_ms.max(in_danger_ms);
    }
    #[allow(clippy::cast_precision_loss, reason = "shown with few digits")]
    let danger_seconds = longest_ms as f64 / 1_000.0;
    (danger_seconds, out.filter(|_| is_over))
}

/// How exact that is, where not every second of it was tried.
pub(super) fn coarseness(trials: &[Trial<'_>]) -> Option<String> {
    let one_of = trials.iter().map(|trial| trial.hoard.one_of).max()?;
    let seconds = trials.iter().flat_map(|trial| &trial.hoard.seconds);
    let span = seconds.map(|each| each.second.span_seconds).max()?;
    let tried = match one_of {
        ..=1 => String::new(),
        one_of => format!(
            " Of {one_of} recorded seconds that follow each other one was tried, and stands for the others."
        ),
    };
    let thinned = match span {
        ..=1 => String::new(),
        span => format!(
            " What is old is recorded no more second by second: up to {span} s count as the one in which most was held."
        ),
    };
    let why = tried + &thinned;
    (!why.is_empty()).then(|| format!("For how long hosts were in danger, to the second.{why}"))
}
