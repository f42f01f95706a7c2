//! What the agent costs, and gives up to cost less.

use crate::budget::{Budget, Saving};
use crate::units;

/// One line of the log when what is given up changes.
#[must_use]
pub fn budget_line(budget: &Budget) -> String {
    let used = budget.used_cpu_share.map(units::percent);
    let used = used.unwrap_or_else(|| "unknown".to_owned());
    let allowed = units::percent(budget.cpu_share);
    let given_up: Vec<_> = budget.given_up.iter().copied().map(what).collect();
    let given_up = match given_up.as_slice() {
        [] => "nothing is given up any more".to_owned(),
        given_up => format!("given up for now: {}", given_up.join("; ")),
    };
    format!("own cost {used} of a core, {allowed} allowed (`[budget] cpu_share`): {given_up}")
}

const fn what(saving: Saving) -> &'static str {
    match saving {
        Saving::Timelines => "windows of suspects in the flight recorder",
        Saving::Owners => "the processes behind newly stalled connections",
        Saving::Sweeps => {
            "sweeps beyond the share for quiet times, so that what the hooks cannot see is found up \
             to ten seconds late"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::budget_line;
    use crate::budget::{Budget, Saving};

    #[test]
    fn the_line_says_what_is_missing_and_why() {
        let mut budget = Budget {
            cpu_share: 0.25,
            used_cpu_share: Some(0.31),
            given_up: vec![Saving::Timelines, Saving::Owners],
        };
        assert_eq!(
            budget_line(&budget),
            "own cost 31 % of a core, 25 % allowed (`[budget] cpu_share`): given up for now: windows \
             of suspects in the flight recorder; the processes behind newly stalled connections"
        );
        budget.given_up.clear();
        budget.used_cpu_share = Some(0.02);
        assert_eq!(
            budget_line(&budget),
            "own cost 2.0 % of a core, 25 % allowed (`[budget] cpu_share`): nothing is given up any more"
        );
    }
}
