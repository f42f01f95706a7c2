//! What came of a case, as a line and as JSON.

use detector_api::snapshot::{FlagKind, Severity, Source, Verdict};
use detector_lab::cases::Case;
use detector_lab::network::Family;
use serde::Serialize;
use std::time::Duration;

/// What came of a case over one IP version.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(super) case: &'static Case,
    pub(super) family: Family,
    pub(super) finding: Finding,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Finding {
    /// The bad peer was flagged as it should be.
    Seen {
        kind: FlagKind,
        source: Source,
        /// From the condition met to the flag; below zero if the flag came first.
        delay_seconds: f64,
    },
    /// Nothing was held against the honest peer.
    Quiet,
    /// The bad peer was not flagged as it should be.
    Missed {
        kind: &'static str,
        waited: Duration,
        /// What it was flagged as.
        instead: Vec<FlagKind>,
    },
    /// An honest peer was accused.
    Accused {
        kind: FlagKind,
        source: Source,
        severity: Severity,
        verdict: Option<Verdict>,
    },
    /// This kernel cannot play the case.
    NotHere { why: &'static str },
    /// The play itself failed.
    Broken { error: String },
}

impl Finding {
    /// The word that a line begins with; capitals need attention.
    fn word(&self) -> &'static str {
        match self {
            Self::Seen { .. } => "seen",
            Self::Quiet => "quiet",
            Self::Missed { .. } => "MISSED",
            Self::Accused { .. } => "ACCUSED",
            Self::NotHere { .. } => "n/a",
            Self::Broken { .. } => "BROKEN",
        }
    }

    fn has_failed(&self) -> bool {
        match self {
            Self::Seen { .. } | Self::Quiet | Self::NotHere { .. } => false,
            Self::Missed { .. } | Self::Accused { .. } | Self::Broken { .. } => true,
        }
    }

    /// What is shown in the column of the IP version.
    fn cell(&self) -> String {
        match self {
            Self::Seen {
                source,
                delay_seconds,
                ..
            } => format!("{} {}", source.label(), delay(*delay_seconds)),
            Self::Quiet => "-".to_owned(),
            failed => failed.word().to_lowercase(),
        }
    }

    /// More than the cell says, if there is more.
    fn detail(&self) -> Option<String> {
        match self {
            Self::Seen { .. } | Self::Quiet => None,
            Self::Missed {
                kind,
                waited,
                instead,
            } => {
                let mut text = format!(
                    "not flagged as {kind} within {} s of the condition",
                    waited.as_secs()
                );
                if !instead.is_empty() {
                    let kinds: Vec<_> = instead.iter().map(|kind| kind.label()).collect();
                    text += &format!(", but as {}", kinds.join(", "));
                }
                Some(text)
            }
            Self::Accused {
                kind,
                source,
                severity,
                verdict,
            } => {
                let verdict = verdict.map_or("no verdict", |verdict| verdict.label());
                let severity = severity.label();
                let source = source.label();
                Some(format!(
                    "flagged as {} ({severity}, {verdict}, {source})",
                    kind.label()
                ))
            }
            Self::NotHere { why } => Some(format!("not played on this kernel: {why}")),
            Self::Broken { error } => Some(format!("the play itself failed: {error}")),
        }
    }
}

/// `+0.4 ms`, `+12 ms`, `+1.2 s`, `-30 ms`.
fn delay(seconds: f64) -> String {
    let sign = if seconds < 0.0 { '-' } else { '+' };
    let milliseconds = seconds.abs() * 1_000.0;
    match milliseconds {
        0.0..9.95 => format!("{sign}{milliseconds:.1} ms"),
        9.95..999.5 => format!("{sign}{milliseconds:.0} ms"),
        _ => format!("{sign}{:.1} s", milliseconds / 1_000.0),
    }
}

const fn family_label(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

/// A case with its outcomes over all IP versions.
#[derive(Debug)]
pub(crate) struct Row {
    case: &'static Case,
    outcomes: Vec<Outcome>,
}

impl Row {
    /// Of at least one outcome of the same case.
    pub(super) fn new(case: &'static Case, mut outcomes: Vec<Outcome>) -> Self {
        outcomes.sort_by_key(|outcome| outcome.family == Family::V6);
        Self { case, outcomes }
    }

    /// Whether the agent failed the case.
    pub(crate) fn has_failed(&self) -> bool {
        self.outcomes
            .iter()
            .any(|outcome| outcome.finding.has_failed())
    }

    /// Whether this kernel cannot play it.
    pub(crate) fn is_absent(&self) -> bool {
        let mut findings = self.outcomes.iter().map(|outcome| &outcome.finding);
        findings.all(|finding| matches!(finding, Finding::NotHere { .. }))
    }

    /// The lines for it: one, and one more for each outcome that needs words.
    pub(crate) fn text(&self) -> String {
        let failed = self
            .outcomes
            .iter()
            .find(|outcome| outcome.finding.has_failed());
        let word = failed
            .or(self.outcomes.first())
            .map_or("", |outcome| outcome.finding.word());
        let mut line = format!("{word:<8} {:<20}", self.case.selftest_name());
        for outcome in &self.outcomes {
            let family = family_label(outcome.family);
            line += &format!(" {family} {:<15}", outcome.finding.cell());
        }
        line += &format!(" {}\n", self.case.plot);
        let mut said: Vec<String> = Vec::new();
        for outcome in &self.outcomes {
            let Some(detail) = outcome.finding.detail() else {
                continue;
            };
            if !said.contains(&detail) {
                let family = family_label(outcome.family);
                line += &format!("{:<8} {family}: {detail}\n", "");
                said.push(detail);
            }
        }
        line
    }
}

/// All that came of a run.
#[derive(Debug)]
pub(crate) struct Summary<'r> {
    rows: &'r [Row],
}

impl<'r> Summary<'r> {
    pub(crate) fn of(rows: &'r [Row]) -> Self {
        Self { rows }
    }

    /// Names of the cases that failed.
    pub(crate) fn failed(&self) -> Vec<&'static str> {
        let failed = self.rows.iter().filter(|row| row.has_failed());
        failed.map(|row| row.case.selftest_name()).collect()
    }

    fn absent(&self) -> usize {
        self.rows.iter().filter(|row| row.is_absent()).count()
    }

    /// The last line: `18 passed, 0 failed`.
    pub(crate) fn text(&self) -> String {
        let (failed, absent) = (self.failed().len(), self.absent());
        let passed = self.rows.len() - failed - absent;
        let mut text = String::new();
        if absent > 0 {
            text += &format!("{absent} not played on this kernel\n");
        }
        text + &format!("{passed} passed, {failed} failed\n")
    }

    /// The whole run as one object.
    pub(crate) fn json(&self, kernel: &str) -> serde_json::Result<String> {
        let outcomes = self.rows.iter().flat_map(|row| &row.outcomes);
        let (failed, absent) = (self.failed().len(), self.absent());
        serde_json::to_string_pretty(&Report {
            kernel,
            passed: self.rows.len() - failed - absent,
            failed,
            not_played: absent,
            cases: outcomes.map(Entry::of).collect(),
        })
    }
}

#[derive(Serialize)]
struct Report<'r> {
    kernel: &'r str,
    passed: usize,
    failed: usize,
    not_played: usize,
    cases: Vec<Entry>,
}

/// One outcome, as it is published.
#[derive(Serialize)]
struct Entry {
    case: &'static str,
    ip_version: u8,
    /// `seen`, `quiet`, `missed`, `accused`, `not_played` or `broken`.
    result: &'static str,
    passed: bool,
    flag: Option<FlagKind>,
    source: Option<Source>,
    delay_seconds: Option<f64>,
    detail: Option<String>,
}

impl Entry {
    fn of(outcome: &Outcome) -> Self {
        let finding = &outcome.finding;
        let (flag, source, delay_seconds) = match finding {
            Finding::Seen {
                kind,
                source,
                delay_seconds,
            } => (Some(*kind), Some(*source), Some(*delay_seconds)),
            Finding::Accused { kind, source, .. } => (Some(*kind), Some(*source), None),
            _ => (None, None, None),
        };
        Self {
            case: outcome.case.selftest_name(),
            ip_version: if outcome.family == Family::V4 { 4 } else { 6 },
            result: match finding {
                Finding::Seen { .. } => "seen",
                Finding::Quiet => "quiet",
                Finding::Missed { .. } => "missed",
                Finding::Accused { .. } => "accused",
                Finding::NotHere { .. } => "not_played",
                Finding::Broken { .. } => "broken",
            },
            passed: !finding.has_failed(),
            flag,
            source,
            delay_seconds,
            detail: finding.detail(),
        }
    }
}

#[cfg(test)]
mod tests;
