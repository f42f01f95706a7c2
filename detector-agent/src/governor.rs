//! Keeps the agent within `[budget] cpu_share`: gives up what is looked up beside the judging, a step
//! at a time, and takes it up again.
//!
//! In: processor time used. Out: what is given up. Never: counts, flags and verdicts of what the hooks
//! see, which cost what they cost.

use crate::lock::lock;
use detector_api::budget::{Budget, Saving};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// What is given up, the least missed first.
const STEPS: [Saving; 3] = [Saving::Timelines, Saving::Owners, Saving::Sweeps];

/// Over this time the agent's use is measured.
const OVER: Duration = Duration::from_secs(10);

/// As much of the share as may be used for one step to be taken back.
const EASED: f64 = 0.6;

/// For so long it must have been eased, or the agent would give up and take up by turns.
const EASED_FOR: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug)]
pub(crate) struct Governor {
    share: f64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the present span began, and what had been used until then.
    span: Option<(Instant, Duration)>,
    used_share: Option<f64>,
    eased_since: Option<Instant>,
    given_up: usize,
    /// Whether the guard needs to know who owns what.
    keeps_owners: bool,
}

impl State {
    /// What is given up at present.
    fn given_up(&self) -> impl Iterator<Item = Saving> {
        let kept = self.keeps_owners.then_some(Saving::Owners);
        let steps = STEPS.into_iter().take(self.given_up);
        steps.filter(move |step| Some(*step) != kept)
    }
}

impl Governor {
    /// A governor for this share of one core.
    pub(crate) fn new(share: f64) -> Self {
        Self {
            share,
            state: Mutex::default(),
        }
    }

    /// Takes the processor time that was used since the start; says whether what is given up changes.
    pub(crate) fn look(&self, used: Duration, now: Instant) -> bool {
        let mut state = self.state();
        let (began, used_before) = *state.span.get_or_insert((now, used));
        let passed = now.saturating_duration_since(began);
        if passed < OVER {
            return false;
        }
        let used_share = used.saturating_sub(used_before).as_secs_f64() / passed.as_secs_f64();
        state.span = Some((now, used));
        state.used_share = Some(used_share);
        if used_share > self.share {
            state.eased_since = None;
            let given_up = STEPS.len().min(state.given_up + 1);
            return std::mem::replace(&mut state.given_up, given_up) != given_up;
        }
        if used_share > self.share * EASED || state.given_up == 0 {
            state.eased_since = None;
            return false;
        }
        let since = *state.eased_since.get_or_insert(now);
        let is_eased = now.saturating_duration_since(since) >= EASED_FOR;
        if is_eased {
            state.eased_since = None;
            state.given_up -= 1;
        }
        is_eased
    }

    /// Whether this is given up at present.
    pub(crate) fn saves(&self, saving: Saving) -> bool {
        self.state().given_up().any(|step| step == saving)
    }

    /// Owners are not given up while the guard, which needs them, is on.
    pub(crate) fn keep_owners(&self, keeps: bool) {
        self.state().keeps_owners = keeps;
    }

    /// What it knows.
    pub(crate) fn status(&self) -> Budget {
        let state = self.state();
        Budget {
            cpu_share: self.share,
            used_cpu_share: state.used_share,
            given_up: state.given_up().collect(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::{EASED_FOR, Governor, OVER, STEPS};
    use detector_api::budget::Saving;
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    /// Looks once a span; `shares` were used in each. What was given up after each.
    fn play(governor: &Governor, shares: &[f64]) -> Vec<usize> {
        let (mut now, mut used) = (Instant::now(), Duration::ZERO);
        governor.state().span = None;
        governor.look(used, now);
        let given_up = shares.iter().map(|share| {
            now += OVER;
            used += OVER.mul_f64(*share);
            governor.look(used, now);
            governor.status().given_up.len()
        });
        given_up.collect()
    }

    #[test]
    fn what_is_missed_least_is_given_up_first_and_taken_up_last() {
        let governor = Governor::new(0.1);
        let spans_to_ease = usize::try_from(EASED_FOR.as_secs() / OVER.as_secs()).unwrap() + 1;
        let busy = [0.05, 0.2, 0.09, 0.2, 0.3, 0.3];
        let shares: Vec<_> = busy
            .into_iter()
            .chain(vec![0.01; 3 * spans_to_ease])
            .collect();
        let given_up = play(&governor, &shares);
        let (while_busy, eased) = given_up.split_at(busy.len());
        assert_eq!(while_busy, [0, 1, 1, 2, 3, 3]);
        assert_eq!(eased[spans_to_ease - 2..spans_to_ease], [3, 2]);
        assert_eq!(eased.last(), Some(&0));
        play(&governor, &[0.2, 0.2]);
        assert_eq!(
            governor.status().given_up,
            [Saving::Timelines, Saving::Owners]
        );
        assert!(governor.saves(Saving::Owners) && !governor.saves(Saving::Sweeps));
    }

    #[test]
    fn an_agent_that_is_stopped_for_long_gives_up_nothing() {
        let governor = Governor::new(0.1);
        let now = Instant::now();
        assert!(!governor.look(Duration::from_secs(1), now));
        let later = now + Duration::from_secs(3_600);
        assert!(!governor.look(Duration::from_secs(2), later));
        assert_eq!(governor.status().given_up, []);
    }

    proptest! {
        #[test]
        fn within_the_share_nothing_more_is_given_up(shares in prop::collection::vec(0.0_f64..0.4, 1..60)) {
            let governor = Governor::new(0.2);
            let given_up = play(&governor, &shares);
            let before = std::iter::once(0).chain(given_up.iter().copied());
            for ((before, after), share) in before.zip(&given_up).zip(&shares) {
                prop_assert!(*after <= STEPS.len() && after.abs_diff(before) <= 1);
                if *after > before {
                    prop_assert!(*share > 0.199);
                } else if *after < before {
                    prop_assert!(*share < 0.121);
                }
            }
        }
    }
}
