//! Compares what the agent said of one scenario with its label.

use super::listener::Arrived;
use super::network::Network;
use super::scenario::{ACCUSATIONS, Label, Scenario, SeenBy};
use super::stage::{Due, Stage};
use super::watch::{PeerStory, Said};
use crate::lab::Family;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::time::SystemTime;

/// What came of one scenario in one family in one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Kinds of flags that were raised, with their sources.
    pub(crate) flags: BTreeSet<(String, String)>,
    /// Verdicts that stood in the end.
    pub(crate) verdicts: BTreeSet<String>,
    /// From due to the flag's line on the socket.
    pub(crate) latencies: Vec<Latency>,
    /// From the first flag to the verdict that stood in the end, longest of all peers, seconds.
    pub(crate) verdict_after_seconds: Option<f64>,
    /// What was missed or wrongly said; empty if all is well.
    pub(crate) wrongs: Vec<String>,
}

/// From the moment a flag was due to its line on the agent's socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    pub(crate) seen_by: SeenBy,
    pub(crate) seconds: f64,
}

/// Everything about one scenario in one family.
struct Case<'c> {
    scenario: &'c Scenario,
    events: Vec<&'c Arrived>,
    peers: Vec<(&'c str, &'c PeerStory)>,
}

/// Judges `scenario` as it was played on `stage`; `played` is how the play itself ended.
pub(crate) fn judge(
    scenario: &Scenario,
    stage: &Stage,
    said: &Said,
    played: &Result<()>,
) -> Result<Outcome> {
    let first = stage.network.number();
    let owned = first..first + scenario.networks;
    let is_ours = |peer: &str| {
        Network::number_of(peer, std::process::id())
            .is_some_and(|(family, number)| family == stage.family && owned.contains(&number))
    };
    let case = Case {
        scenario,
        events: said
            .events
            .iter()
            .filter(|each| is_ours(&each.event.peer))
            .collect(),
        peers: said
            .peers
            .iter()
            .filter(|(peer, _)| is_ours(peer))
            .map(|(peer, story)| (peer.as_str(), story))
            .collect(),
    };
    let mut outcome = Outcome::default();
    if let Err(error) = played {
        outcome.wrongs.push(format!("the play failed: {error:#}"));
    }
    case.gather(&mut outcome)?;
    match scenario.label {
        Label::Bad { flags, verdicts } => {
            let kinds = flags.iter().map(|flag| flag.kind);
            case.find_misses(kinds, verdicts, &mut outcome);
            let due = stage.due.lock().unwrap_or_else(PoisonError::into_inner);
            case.measure(&due, &mut outcome)?;
        }
        Label::Honest => case.find_false_alarms(&mut outcome),
    }
    Ok(outcome)
}

impl Case<'_> {
    fn flags(&self) -> impl Iterator<Item = &Arrived> {
        self.events
            .iter()
            .copied()
            .filter(|each| each.event.event == "flag")
    }

    fn gather(&self, outcome: &mut Outcome) -> Result<()> {
        for flag in self.flags() {
            let event = &flag.event;
            outcome
                .flags
                .insert((event.kind.clone(), event.source.clone()));
        }
        let stories = self.peers.iter().map(|(_, story)| story);
        for (verdict, at) in stories.filter_map(|story| story.verdicts.last()) {
            outcome.verdicts.insert(verdict.clone());
            if let Some(first) = self.flags().map(|flag| flag.at).min() {
                let after = seconds_between(first, *at).max(0.0);
                let longest = outcome.verdict_after_seconds.unwrap_or(0.0);
                outcome.verdict_after_seconds = Some(longest.max(after));
            }
        }
        Ok(())
    }

    fn find_misses(
        &self,
        kinds: impl Iterator<Item = &'static str>,
        verdicts: &[&str],
        outcome: &mut Outcome,
    ) {
        for kind in kinds {
            if !self.flags().any(|flag| flag.event.kind == kind) {
                outcome.wrongs.push(format!("no {kind} flag"));
            }
        }
        if self.peers.is_empty() {
            outcome
                .wrongs
                .push("the agent knows no peer of it".to_owned());
        }
        let mut wrong: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (peer, story) in &self.peers {
            let said = story.verdict().unwrap_or("nothing");
            if !verdicts.contains(&said) {
                wrong.entry(said).or_default().push((peer, &story.last));
            }
        }
        for (said, peers) in wrong {
            outcome.wrongs.push(format!(
                "{} of {} peers called {said}, not {}: {:?}",
                peers.len(),
                self.peers.len(),
                verdicts.join(" or "),
                peers.first()
            ));
        }
    }

    fn find_false_alarms(&self, outcome: &mut Outcome) {
        for flag in self.flags().filter(|flag| flag.event.severity != "info") {
            outcome
                .wrongs
                .push(format!("alarm on an honest peer: {:?}", flag.event));
        }
        for (peer, story) in &self.peers {
            let accused = story
                .verdicts
                .iter()
                .find(|(verdict, _)| ACCUSATIONS.contains(&verdict.as_str()));
            if accused.is_some() || !story.alarms.is_empty() {
                outcome.wrongs.push(format!(
                    "honest {peer} is accused: {:?}, {:?}: {}",
                    story.verdicts, story.alarms, story.last
                ));
            }
        }
    }

    fn measure(&self, all_due: &[Due], outcome: &mut Outcome) -> Result<()> {
        let Label::Bad { flags, .. } = self.scenario.label else {
            return Ok(());
        };
        for due in all_due {
            let expected = flags.iter().find(|flag| flag.kind == due.kind);
            let Some(expected) = expected else { continue };
            let remote = due.remote.map(|remote| remote.to_string());
            let found = self
                .flags()
                .find(|flag| flag.event.kind == due.kind && flag.event.remote == remote);
            // One peer may cause a burst of events only; that its flags are all there is not asked.
            if let Some(flag) = found {
                outcome.latencies.push(Latency {
                    seen_by: expected.seen_by,
                    seconds: seconds_between(due.at, flag.at),
                });
            }
        }
        Ok(())
    }
}

/// Seconds from `earlier` to `later`, negative the other way round.
fn seconds_between(earlier: SystemTime, later: SystemTime) -> f64 {
    match later.duration_since(earlier) {
        Ok(span) => span.as_secs_f64(),
        Err(error) => -error.duration().as_secs_f64(),
    }
}

/// As the page writes it.
pub(crate) const fn family_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "v4",
        Family::V6 => "v6",
    }
}
