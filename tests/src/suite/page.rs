//! Adds up the outcomes of runs and writes the page of the documentation.

use super::outcome::Outcome;
use crate::lab::Family;
use detector_lab::cases::{Case, SeenBy, page};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

/// Longest a flag may take that a hook sees.
const HOOK_SECONDS: f64 = 0.010;
/// Longest a flag may take that only a sweep sees, beyond the interval of sweeps.
const SWEEP_SLACK_SECONDS: f64 = 0.050;

/// What one scenario in one family came to.
#[derive(Clone, Debug, Default)]
struct Line {
    runs: u32,
    right: u32,
    flags: BTreeSet<(String, String)>,
    verdicts: BTreeSet<String>,
    latencies: BTreeMap<bool, Vec<f64>>,
    verdict_after_seconds: f64,
}

/// Sums over runs.
pub(super) struct Tally {
    cases: Vec<&'static Case>,
    lines: BTreeMap<(usize, &'static str), Line>,
    runs: u32,
    sweep_seconds: f64,
}

impl Tally {
    pub(super) fn new(cases: &[&'static Case]) -> Self {
        Self {
            cases: cases.to_vec(),
            lines: BTreeMap::new(),
            runs: 0,
            sweep_seconds: 0.0,
        }
    }

    pub(super) fn add(&mut self, outcomes: Vec<(&'static Case, Family, Outcome)>, sweep: Duration) {
        self.runs += 1;
        self.sweep_seconds = self.sweep_seconds.max(sweep.as_secs_f64());
        for (case, family, outcome) in outcomes {
            let mut cases = self.cases.iter();
            let place = cases.position(|each| each.name == case.name);
            let key = (place.unwrap_or(usize::MAX), family.name());
            let line = self.lines.entry(key).or_default();
            line.runs += 1;
            line.right += u32::from(outcome.wrongs.is_empty());
            line.flags.extend(outcome.flags);
            line.verdicts.extend(outcome.verdicts);
            for latency in outcome.latencies {
                let by_hook = latency.seen_by == SeenBy::Hook;
                line.latencies
                    .entry(by_hook)
                    .or_default()
                    .push(latency.seconds);
            }
            let after = outcome.verdict_after_seconds.unwrap_or(0.0);
            line.verdict_after_seconds = line.verdict_after_seconds.max(after);
        }
    }

    /// Complaints about flags that came too late, as the p99 of all runs.
    pub(super) fn late_flags(&self) -> Vec<String> {
        let mut late = Vec::new();
        for (by_hook, limit) in [(true, HOOK_SECONDS), (false, self.sweep_limit())] {
            let p99 = percentile(&self.all_latencies(by_hook), 99);
            if let Some(seconds) = p99.filter(|seconds| *seconds > limit) {
                let source = source_name(by_hook);
                late.push(format!(
                    "flags through {source} took {} (p99), allowed is {}; latest were {}",
                    span(seconds),
                    span(limit),
                    self.latest(by_hook).join(", ")
                ));
            }
        }
        late
    }

    /// The few latest flags, by scenario.
    fn latest(&self, by_hook: bool) -> Vec<String> {
        const SHOWN: usize = 12;
        let lines = self.lines.iter();
        let of_source = lines.filter_map(|(key, line)| Some((key, line.latencies.get(&by_hook)?)));
        let mut all: Vec<_> = of_source
            .flat_map(|(key, seconds)| seconds.iter().map(move |seconds| (*seconds, key)))
            .collect();
        all.sort_by(|one, other| other.0.total_cmp(&one.0));
        let shown = all.iter().take(SHOWN);
        shown
            .map(|(seconds, (index, family))| {
                format!("{} {family} {}", self.cases[*index].name, span(*seconds))
            })
            .collect()
    }

    fn sweep_limit(&self) -> f64 {
        self.sweep_seconds + SWEEP_SLACK_SECONDS
    }

    fn all_latencies(&self, by_hook: bool) -> Vec<f64> {
        let lines = self.lines.values();
        let of_source = lines.filter_map(|line| line.latencies.get(&by_hook));
        of_source.flatten().copied().collect()
    }

    /// The page.
    pub(super) fn page(&self) -> String {
        let mut page = INTRODUCTION.to_owned();
        self.write_totals(&mut page);
        for (is_bad, heading) in [(true, "Bad or broken peers"), (false, "Honest peers")] {
            self.write_group(&mut page, is_bad, heading);
        }
        page.push('\n');
        page + &page::section(&self.cases, |_| true)
    }

    fn write_totals(&self, page: &mut String) {
        let sum = |is_bad: bool| {
            let lines = self.lines.iter();
            let of_label = lines.filter(|((index, _), _)| self.cases[*index].is_honest() != is_bad);
            of_label.fold((0, 0), |(right, runs), (_, line)| {
                (right + line.right, runs + line.runs)
            })
        };
        let (found, bad) = sum(true);
        let (unblamed, honest) = sum(false);
        let _ = write!(
            page,
            "## Totals of {} runs\n\n| what | result | allowed |\n|---|---|---|\n\
             | recall: bad plays with every flag and a right verdict | {found} of {bad} | all |\n\
             | false alarms: honest plays with an alarm or an accusation | {} of {honest} | none |\n",
            self.runs,
            honest - unblamed
        );
        for (by_hook, limit) in [(true, HOOK_SECONDS), (false, self.sweep_limit())] {
            let all = self.all_latencies(by_hook);
            let (Some(median), Some(p99)) = (percentile(&all, 50), percentile(&all, 99)) else {
                continue;
            };
            let _ = writeln!(
                page,
                "| from due to flag through {}, {} flags | median {}, p99 {} | p99 {} |",
                source_name(by_hook),
                all.len(),
                span(median),
                span(p99),
                span(limit)
            );
        }
    }

    fn write_group(&self, page: &mut String, is_bad: bool, heading: &str) {
        let of_group = |case: &&&Case| case.is_honest() != is_bad;
        let count = self.cases.iter().filter(of_group);
        let _ = write!(page, "\n## {heading} ({})\n\n", count.count());
        page.push_str(
            "| scenario | family | right | flags (source) | verdict | from due to flag: median, p99 \
             | verdict after |\n|---|---|---|---|---|---|---|\n",
        );
        for ((index, family), line) in &self.lines {
            let case = &self.cases[*index];
            if of_group(&case) {
                let _ = writeln!(page, "| {} | {family} | {} |", case.name, line.cells());
            }
        }
    }
}

impl Line {
    fn cells(&self) -> String {
        let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (kind, source) in &self.flags {
            kinds.entry(kind).or_default().push(source);
        }
        let flags = kinds
            .iter()
            .map(|(kind, sources)| format!("{kind} ({})", sources.join(", ")));
        let verdicts: Vec<&str> = self.verdicts.iter().map(String::as_str).collect();
        let all: Vec<f64> = self.latencies.values().flatten().copied().collect();
        let latency = match (percentile(&all, 50), percentile(&all, 99)) {
            (Some(median), Some(p99)) => format!("{}, {}", span(median), span(p99)),
            _ => "–".to_owned(),
        };
        let verdict_after = if self.verdicts.is_empty() {
            "–".to_owned()
        } else {
            format!("{:.1} s", self.verdict_after_seconds)
        };
        format!(
            "{}/{} | {} | {} | {latency} | {verdict_after}",
            self.right,
            self.runs,
            or_dash(&flags.collect::<Vec<_>>().join("; ")),
            or_dash(&verdicts.join(", ")),
        )
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "–" } else { text }
}

const fn source_name(by_hook: bool) -> &'static str {
    if by_hook { "hooks" } else { "the sweep" }
}

/// Nearest-rank percentile.
fn percentile(values: &[f64], percent: usize) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

fn span(seconds: f64) -> String {
    if seconds.abs() < 0.1 {
        format!("{:.1} ms", seconds * 1_000.0)
    } else {
        format!("{seconds:.2} s")
    }
}

const INTRODUCTION: &str = "\
# Labelled scenarios

<!-- Generated by `cargo xtask scenarios`. -->

Bad peers that must be found and honest ones that must not be accused, all played at the same time, over IPv4 and IPv6, before one agent with
default thresholds, in network namespaces of their own. `cargo xtask scenarios --runs 10` plays them again and writes this page; it fails on any miss, false
alarm or late flag. [What each plays](#cases) is from the table of cases, `detector-lab/src/cases/`.

- *right* counts runs. A bad play is right if each flag of its label was raised and each of its peers ends with a verdict of its label; an honest one
  if no flag and no peer ever was above `info`, and no peer ever was called `slow-read-attack`, `zero-window-attack` or `tarpit`.
- *from due to flag* is the time from the moment a flag was due (the segment that shrinks the window was about to be sent; `stall_after` after the last
  acknowledgement that took data; `dribble_over` after the window became the limit) to the flag's line on the agent's socket, both by the clock of one
  machine. A dash: real programs do not say when.
- *verdict after* is the time from the first flag to the verdict that stood in the end, looked at twice a second, longest of all runs.

";

#[cfg(test)]
mod tests {
    use super::{percentile, span};

    #[test]
    fn percentiles_are_of_values_that_were_seen() {
        assert_eq!(percentile(&[], 99), None);
        assert_eq!(percentile(&[3.0], 50), Some(3.0));
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(percentile(&values, 50), Some(100.0));
        assert_eq!(percentile(&values, 99), Some(198.0));
        assert_eq!(percentile(&values[..50], 99), Some(50.0));
    }

    #[test]
    fn spans_are_short() {
        assert_eq!(span(0.0012), "1.2 ms");
        assert_eq!(span(1.05), "1.05 s");
    }
}
