//! The labelled scenarios before an agent whose guard acts, under pressure all the time: how soon what
//! attacks pin is free, and whether anybody honest is touched.

use super::listener::Arrived;
use super::watch::{PeerStory, Said, Watch};
use super::{MAIN_ACT, OVERTIME, THRESHOLDS, chosen, perform, set};
use crate::agent::{AgentOptions, GuardView, everybody_but};
use anyhow::{Context, Result};
use detector_lab::cases::{Case, Label, is_alarm};
use detector_lab::network::Family;
use detector_lab::stage::Stage;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Of what an attack pins so much is free in the end.
const FREED_PERCENT: u64 = 95;
/// From the condition until it is: an accusation under pressure, and connections below the drain floor,
/// where a crowd comes so slowly that the last of them are stalled after that.
const FREED_WITHIN: Duration = Duration::from_secs(10);
/// A crowd that is accused late needs longer than one that is only to be accused.
const GUARDED_ACT: Duration = MAIN_ACT.saturating_add(Duration::from_secs(44));

/// What came of it.
#[derive(Debug, Default)]
pub struct GuardReport {
    plays: Vec<(String, Treated)>,
    wrongs: Vec<String>,
}

impl GuardReport {
    /// What is wrong, one line each; empty if all is well.
    #[must_use]
    pub fn wrongs(&self) -> &[String] {
        &self.wrongs
    }
}

impl fmt::Display for GuardReport {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            to,
            "| play | role | most pinned | free after | steps | reset |"
        )?;
        writeln!(to, "|---|---|---|---|---|---|")?;
        for (name, play) in &self.plays {
            let free = play
                .freed_after
                .map_or("–".to_owned(), |after| format!("{after:.1?}"));
            let steps: Vec<_> = play
                .steps
                .iter()
                .map(|(act, count)| format!("{count} {act}"))
                .collect();
            writeln!(
                to,
                "| {name} | {} | {:.1} MB | {free} | {} | {} |",
                play.role,
                play.pinned_bytes as f64 / 1e6,
                steps.join(", "),
                play.reset
            )?;
        }
        let of = |role| self.plays.iter().filter(move |(_, play)| play.role == role);
        let freed: Vec<_> = of(Role::Attack)
            .filter_map(|(_, play)| play.freed_after)
            .collect();
        writeln!(
            to,
            "{} of {} attacks freed by {FREED_PERCENT} %, the last {:.1?} after its accusation (allowed \
             {FREED_WITHIN:?}, or so long after the last of its connections came below the floor)",
            freed.len(),
            of(Role::Attack).count(),
            freed.iter().max().copied().unwrap_or_default()
        )?;
        let touched = of(Role::Honest).filter(|(_, play)| !play.steps.is_empty());
        write!(
            to,
            "{} of {} honest plays touched; {} of {} shared addresses",
            touched.count(),
            of(Role::Honest).count(),
            of(Role::Shared)
                .filter(|(_, play)| !play.steps.is_empty())
                .count(),
            of(Role::Shared).count()
        )
    }
}

/// Who is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It is accused; what it pins must go.
    Attack,
    /// It hoards behind an address of others: nobody touches it.
    Shared,
    /// Bad or broken, and no reason to act.
    Lone,
    /// Nobody touches it.
    Honest,
}

impl fmt::Display for Role {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Attack => "attack",
            Self::Shared => "shared",
            Self::Lone => "lone",
            Self::Honest => "honest",
        })
    }
}

/// What the guard has done to one play.
#[derive(Debug)]
struct Treated {
    role: Role,
    /// Before it was accused, at most.
    pinned_bytes: u64,
    /// From the accusation.
    freed_after: Option<Duration>,
    /// So long after the accusation the last of its connections came below the drain floor.
    grew_for: Duration,
    steps: BTreeMap<String, u64>,
    reset: u64,
}

/// Plays the scenarios with `filter` in their name once before an agent that enforces, with logs below
/// `folder`. `listener` is as for [`super::play`].
pub fn play_guarded(folder: &Path, listener: &Path, filter: Option<&str>) -> Result<GuardReport> {
    let stages = set(folder, &chosen(filter))?;
    let options = AgentOptions {
        configuration: Some(configuration(&stages)),
        ..AgentOptions::without_configuration()
    };
    let act = |watch: &Watch| {
        std::thread::sleep(GUARDED_ACT);
        watch.wait(OVERTIME, |said| {
            stages.iter().all(|stage| {
                let played = Played::of(stage, said);
                let treated = played.treated(played.role(stage.case));
                treated.role != Role::Attack || treated.freed_after.is_some()
            })
        })
    };
    let (endings, said) = perform(&stages, (folder, listener), &options, &act);
    let said = said?;
    std::fs::write(folder.join("said.txt"), said.to_string()).context("write what was said")?;
    let mut report = GuardReport::default();
    for (stage, ending) in stages.iter().zip(endings) {
        let played = Played::of(stage, &said);
        let treated = played.treated(played.role(stage.case));
        let name = stage.name();
        for wrong in treated.wrongs(&ending) {
            report.wrongs.push(format!("{name}: {wrong}"));
        }
        report.plays.push((name, treated));
    }
    Ok(report)
}

/// An agent sees the whole machine: it trusts everybody but those that play here.
fn configuration(stages: &[Stage]) -> String {
    let ours: BTreeSet<(IpAddr, u8)> = stages.iter().map(network_of_all).collect();
    let trusted = everybody_but(&ours.into_iter().collect::<Vec<_>>()).join(", ");
    format!("[peers]\ntrusted = [{trusted}]\n[guard]\nmode = \"enforce\"\npinned = \"1MiB\"\n")
}

/// The network that those of all cases are in.
fn network_of_all(stage: &Stage) -> (IpAddr, u8) {
    match (stage.server().ip(), stage.family) {
        (IpAddr::V4(v4), _) => {
            let [first, second, ..] = v4.octets();
            (IpAddr::from([first, second, 0, 0]), 16)
        }
        (IpAddr::V6(v6), Family::V4 | Family::V6) => {
            // The networks of a process differ in the last byte of their third word.
            let [first, second, third, ..] = v6.segments();
            let networks = [first, second, third & 0xff00, 0, 0, 0, 0, 0];
            (IpAddr::from(networks), 40)
        }
    }
}

/// What was said of one play.
struct Played<'s> {
    has_hoard: bool,
    steps: Vec<(SystemTime, &'s GuardView)>,
    peers: Vec<&'s PeerStory>,
}

impl<'s> Played<'s> {
    fn of(stage: &Stage, said: &'s Said) -> Self {
        let ours = said
            .events
            .iter()
            .filter(|each| stage.owns(&each.event.peer));
        let mut hoards = ours.clone();
        let step = |each: &'s Arrived| Some((each.at, each.event.guard.as_ref()?));
        let peers = said.peers.iter().filter(|(peer, _)| stage.owns(peer));
        Self {
            has_hoard: hoards.any(|each| each.event.kind == "stall-hoard"),
            steps: ours.filter_map(step).collect(),
            peers: peers.map(|(_, story)| story).collect(),
        }
    }

    fn role(&self, case: &Case) -> Role {
        let Label::Bad { verdicts, .. } = case.label else {
            return Role::Honest;
        };
        let is_attack = |verdict: &&str| *verdict != "tarpit" && is_alarm("info", Some(verdict));
        if verdicts.iter().any(is_attack) {
            Role::Attack
        } else if self.has_hoard {
            Role::Shared
        } else {
            Role::Lone
        }
    }

    fn treated(&self, role: Role) -> Treated {
        let mut steps = BTreeMap::new();
        for (_, step) in &self.steps {
            *steps.entry(step.act.clone()).or_default() += 1;
        }
        let mut treated = Treated {
            role,
            pinned_bytes: 0,
            freed_after: None,
            grew_for: Duration::ZERO,
            steps,
            reset: self.steps.iter().map(|(_, step)| step.reset).sum(),
        };
        let pinned = self.pinned();
        let Some(accused) = self.accused() else {
            treated.pinned_bytes = pinned.values().copied().max().unwrap_or(0);
            return treated;
        };
        let Some((acted, first)) = self.steps.first() else {
            return treated;
        };
        let before = pinned.range(..=accused).map(|(_, bytes)| *bytes);
        // It may have been quicker than our looks.
        treated.pinned_bytes = before.max().unwrap_or(0).max(first.freed_bytes);
        let most = treated.pinned_bytes * FREED_PERCENT / 100;
        let complete = pinned.iter().find(|(_, bytes)| **bytes >= most);
        let below_floor = complete.map(|(at, _)| *at + THRESHOLDS.dribble_over);
        let grew_for = below_floor.and_then(|at| at.duration_since(accused).ok());
        treated.grew_for = grew_for.unwrap_or_default();
        let enough = treated.pinned_bytes * (100 - FREED_PERCENT) / 100;
        let mut after = pinned.range(acted..);
        let free = after.find(|(_, bytes)| **bytes <= enough);
        treated.freed_after = free.map(|(at, _)| at.duration_since(accused).unwrap_or_default());
        treated
    }

    /// When the first of its peers was accused, or the guard was quicker than our looks.
    fn accused(&self) -> Option<SystemTime> {
        let verdicts = self.peers.iter().flat_map(|story| &story.verdicts);
        let accusations = verdicts.filter(|(verdict, _)| is_alarm("info", Some(verdict)));
        let first = accusations.map(|(_, at)| *at).min();
        first
            .into_iter()
            .chain(self.steps.first().map(|(at, _)| *at))
            .min()
    }

    /// What all its peers pinned, by look.
    fn pinned(&self) -> BTreeMap<SystemTime, u64> {
        let mut pinned = BTreeMap::new();
        for (at, bytes) in self.peers.iter().flat_map(|story| &story.pinned) {
            *pinned.entry(*at).or_default() += bytes;
        }
        pinned
    }
}

impl Treated {
    fn wrongs(&self, ending: &Result<()>) -> Vec<String> {
        let mut wrongs = Vec::new();
        match (self.role, self.freed_after) {
            (Role::Attack, None) => wrongs.push(format!("never free: {self:?}")),
            (Role::Attack, Some(after)) if after > self.grew_for + FREED_WITHIN => {
                wrongs.push(format!("free after {after:?}"));
            }
            (Role::Shared | Role::Lone | Role::Honest, _) if !self.steps.is_empty() => {
                wrongs.push(format!("touched: {self:?}"));
            }
            _ => {}
        }
        // Others end when their connections do.
        if let (Role::Honest, Err(error)) = (self.role, ending) {
            wrongs.push(format!("the play failed: {error:#}"));
        }
        wrongs
    }
}

#[cfg(test)]
mod tests {
    use super::{GuardView, PeerStory, Played, Role};
    use std::time::{Duration, UNIX_EPOCH};

    fn at(second: u64) -> std::time::SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }

    fn reset() -> GuardView {
        GuardView {
            act: "reset".to_owned(),
            reset: 30,
            freed_bytes: 96,
            failure: None,
        }
    }

    #[test]
    fn an_attack_is_free_at_the_first_look_that_says_so_and_nobody_else_is_touched() {
        let story = |last| PeerStory {
            verdicts: vec![("zero-window-attack".to_owned(), at(20))],
            pinned: vec![(at(1), 96), (at(20), 100), (at(24), 6), (at(42), last)],
            ..PeerStory::default()
        };
        let reset = reset();
        let treated = |story: &PeerStory, role| {
            let played = Played {
                has_hoard: true,
                steps: vec![(at(21), &reset)],
                peers: vec![story],
            };
            played.treated(role)
        };
        let late = treated(&story(5), Role::Attack);
        assert_eq!((late.pinned_bytes, late.reset), (100, 30));
        // The last of them were stalled at 1, and below the floor at 31.
        assert_eq!(late.grew_for, Duration::from_secs(11));
        assert_eq!(late.freed_after, Some(Duration::from_secs(22)));
        assert_eq!(late.wrongs(&Ok(())).len(), 1);
        let in_time = PeerStory {
            pinned: vec![(at(1), 96), (at(20), 100), (at(41), 5)],
            ..story(0)
        };
        assert!(treated(&in_time, Role::Attack).wrongs(&Ok(())).is_empty());
        assert_eq!(treated(&story(6), Role::Attack).wrongs(&Ok(())).len(), 1);
        for role in [Role::Shared, Role::Lone, Role::Honest] {
            assert_eq!(treated(&story(6), role).wrongs(&Ok(())).len(), 1);
        }
    }
}
