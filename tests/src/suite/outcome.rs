//! Compares what the agent said of one scenario with its label.

use super::listener::Arrived;
use super::watch::{PeerStory, Said};
use anyhow::Result;
use detector_lab::cases::{Flag, Label, SeenBy, When, is_alarm};
use detector_lab::stage::Stage;
use std::collections::{BTreeMap, BTreeSet};
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

/// What was said of one case in one family.
struct Heard<'c> {
    events: Vec<&'c Arrived>,
    peers: Vec<(&'c str, &'c PeerStory)>,
}

/// Judges the case that was played on `stage`; `played` is how the play itself ended.
pub(crate) fn judge(stage: &Stage, said: &Said, played: &Result<()>) -> Outcome {
    let heard = Heard::of(stage, said);
    let mut outcome = Outcome::default();
    if let Err(error) = played {
        outcome.wrongs.push(format!("the play failed: {error:#}"));
    }
    heard.gather(&mut outcome);
    if stage.case.is_lossless {
        heard.find_loss(&mut outcome);
    }
    match stage.case.label {
        Label::Bad {
            flags, verdicts, ..
        } => {
            heard.find_misses(flags, verdicts, &mut outcome);
            heard.measure(stage, &mut outcome);
        }
        Label::Honest { .. } => heard.find_false_alarms(&mut outcome),
    }
    outcome
}

/// Whether nothing is missing, so far, of what is due of the case that is played on `stage`.
pub(crate) fn is_all_said(stage: &Stage, said: &Said) -> bool {
    let Label::Bad {
        flags, verdicts, ..
    } = stage.case.label
    else {
        return true;
    };
    let mut outcome = Outcome::default();
    Heard::of(stage, said).find_misses(flags, verdicts, &mut outcome);
    outcome.wrongs.is_empty()
}

impl<'c> Heard<'c> {
    fn of(stage: &Stage, said: &'c Said) -> Self {
        let events = said.events.iter();
        let peers = said.peers.iter();
        Self {
            events: events.filter(|each| stage.owns(&each.event.peer)).collect(),
            peers: peers
                .filter(|(peer, _)| stage.owns(peer))
                .map(|(peer, story)| (peer.as_str(), story))
                .collect(),
        }
    }

    fn flags(&self) -> impl Iterator<Item = &Arrived> {
        self.events
            .iter()
            .copied()
            .filter(|each| each.event.event == "flag")
    }

    fn gather(&self, outcome: &mut Outcome) {
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
    }

    fn is_flagged(&self, peer: &str) -> bool {
        self.flags().any(|flag| flag.event.peer == peer)
    }

    fn find_misses(&self, flags: &[Flag], verdicts: &[&str], outcome: &mut Outcome) {
        for due in flags {
            if !self.flags().any(|flag| is_met(due, flag)) {
                outcome.wrongs.push(format!("no {} flag", due.kind));
            }
        }
        if self.peers.is_empty() {
            outcome
                .wrongs
                .push("the agent knows no peer of it".to_owned());
        }
        let mut wrong: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        let may_be_accused = verdicts
            .iter()
            .any(|verdict| is_alarm("info", Some(verdict)));
        for (peer, story) in &self.peers {
            let accused = story
                .verdicts
                .iter()
                .any(|(verdict, _)| is_alarm("info", Some(verdict)));
            if accused && !may_be_accused {
                outcome
                    .wrongs
                    .push(format!("{peer} is accused: {:?}", story.verdicts));
            }
            let said = story.verdict().unwrap_or("nothing");
            // Among those who pause, others read on: of one whose segment was lost the agent knows no more than that.
            let reads_on = !may_be_accused && story.verdicts.is_empty() && !self.is_flagged(peer);
            if !reads_on && !verdicts.contains(&said) {
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
        let is_false =
            |flag: &&Arrived| is_alarm(&flag.event.severity, flag.event.verdict.as_deref());
        for flag in self.flags().filter(is_false) {
            outcome
                .wrongs
                .push(format!("alarm on an honest peer: {:?}", flag.event));
        }
        for (peer, story) in &self.peers {
            let accused = story
                .verdicts
                .iter()
                .any(|(verdict, _)| is_alarm("info", Some(verdict)));
            if accused || !story.alarms.is_empty() {
                outcome.wrongs.push(format!(
                    "honest {peer} is accused: {:?}, {:?}: {}",
                    story.verdicts, story.alarms, story.last
                ));
            }
        }
    }

    /// On a busy machine an acknowledgement may wait for a processor until the timer fires, and the
    /// kernel takes that for a loss; it does so seldom, or else finds out that nothing of it was needed. Tail probes
    /// that are taken for losses are more than those that are not.
    fn find_loss(&self, outcome: &mut Outcome) {
        const ONE_OF: u64 = 10;
        for (peer, story) in &self.peers {
            let sent_again = story.retransmits;
            let is_seldom = sent_again.loss * ONE_OF <= sent_again.tail_probe;
            let all = sent_again.loss + sent_again.tail_probe;
            let is_needless = story.retransmits_needless >= all;
            let was_late = is_needless && sent_again.loss < sent_again.tail_probe;
            if !is_seldom && !was_late {
                let wrong = format!("nothing is lost on the way to {peer}: {}", story.last);
                outcome.wrongs.push(wrong);
            }
        }
    }

    fn measure(&self, stage: &Stage, outcome: &mut Outcome) {
        if stage.case.when == When::BeforeAgent {
            // The clock of these starts with the agent's first sweep.
            return;
        }
        for due in stage.due() {
            let mut flags = stage.case.flags().iter();
            let Some(expected) = flags.find(|flag| flag.kind == due.kind) else {
                continue;
            };
            let remote = due.remote.map(|remote| remote.to_string());
            let found = self
                .flags()
                .find(|flag| is_met(expected, flag) && flag.event.remote == remote);
            // One peer may cause a burst of events only; that its flags are all there is not asked.
            if let Some(flag) = found {
                outcome.latencies.push(Latency {
                    seen_by: expected.seen_by,
                    seconds: seconds_between(due.wall, flag.at),
                });
            }
        }
    }
}

fn is_met(due: &Flag, flag: &Arrived) -> bool {
    let event = &flag.event;
    let evidence = |name: &str| event.evidence.get(name).copied();
    due.is_met_by(&event.kind, evidence, |field| event.word(field))
}

/// Seconds from `earlier` to `later`, negative the other way round.
fn seconds_between(earlier: SystemTime, later: SystemTime) -> f64 {
    match later.duration_since(earlier) {
        Ok(span) => span.as_secs_f64(),
        Err(error) => -error.duration().as_secs_f64(),
    }
}
