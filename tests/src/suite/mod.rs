//! The labelled scenarios: bad peers that must be found, honest ones that must not be accused, all
//! played at the same time before one agent with default thresholds.
//!
//! What is played and what is due is the lab's table of cases.

mod guard;
mod listener;
mod outcome;
mod page;
mod watch;

use crate::agent::{Agent, AgentOptions};
use crate::lab::Family;
use anyhow::{Context, Result, anyhow, ensure};
use detector_lab::cases::{self, Case, When};
use detector_lab::stage::{Plan, Site, Stage, Thresholds};
pub use guard::{GuardReport, play_guarded};
pub use listener::listen;
use outcome::{Outcome, is_all_said, judge};
use page::Tally;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use watch::{Said, Watch};

/// How long the main act lasts: longer than an idle minute, and than a hoard has to hold before
/// it is called an attack.
const MAIN_ACT: Duration = Duration::from_secs(66);
/// On a busy machine so much longer at most, until all that is due was said: real tools begin anew after three
/// minutes, and another verdict is due then.
const OVERTIME: Duration = Duration::from_secs(44);
/// Between the starts of two plays: a burst of starts would only measure this machine.
const STAGGER: Duration = Duration::from_millis(40);
/// The agent's without a configuration.
pub const THRESHOLDS: Thresholds = Thresholds {
    stall_after: Duration::from_secs(5),
    dribble_over: Duration::from_secs(30),
    hoard_connections: 20,
};

/// What several runs came to.
pub struct Report {
    tally: Tally,
    wrongs: Vec<String>,
}

impl Report {
    /// The page of the documentation.
    #[must_use]
    pub fn page(&self) -> String {
        self.tally.page()
    }

    /// Misses and false alarms, one line each; empty if all is well.
    #[must_use]
    pub fn misjudged(&self) -> &[String] {
        &self.wrongs
    }

    /// The same and flags that came late, which the load of the machine can be the cause of.
    #[must_use]
    pub fn wrongs(&self) -> Vec<String> {
        let late = self.tally.late_flags();
        self.wrongs.iter().cloned().chain(late).collect()
    }
}

/// Plays the scenarios with `filter` in their name (all without one) `runs` times, with logs below
/// `folder`; tells `say` how it goes. `listener` is the program whose argument `listen` calls
/// [`listen`].
pub fn play(
    folder: &Path,
    listener: &Path,
    filter: Option<&str>,
    runs: u32,
    say: &mut dyn FnMut(&str),
) -> Result<Report> {
    let chosen = chosen(filter);
    let mut report = Report {
        tally: Tally::new(&chosen),
        wrongs: Vec::new(),
    };
    for run in 1..=runs {
        let folder = folder.join(format!("run-{run}"));
        std::fs::create_dir_all(&folder).context("make the folder of a run")?;
        let played = play_once(&folder, listener, &chosen).with_context(|| format!("run {run}"))?;
        let mut wrongs = 0;
        for (case, family, outcome) in &played.outcomes {
            for wrong in &outcome.wrongs {
                let line = format!("run {run}: {} {}: {wrong}", case.name, family.name());
                say(&line);
                report.wrongs.push(line);
                wrongs += 1;
            }
        }
        report.tally.add(played.outcomes, played.sweep_interval);
        say(&format!(
            "run {run} of {runs}: {} plays, {wrongs} wrong",
            chosen.len() * 2
        ));
    }
    Ok(report)
}

/// The cases with `filter` in their name.
fn chosen(filter: Option<&str>) -> Vec<&'static Case> {
    let is_wanted = |case: &&Case| filter.is_none_or(|filter| case.name.contains(filter));
    cases::all().filter(is_wanted).collect()
}

struct Played {
    outcomes: Vec<(&'static Case, Family, Outcome)>,
    sweep_interval: Duration,
}

fn play_once(folder: &Path, listener: &Path, chosen: &[&'static Case]) -> Result<Played> {
    let stages = set(folder, chosen)?;
    let options = AgentOptions::without_configuration();
    let act = |watch: &Watch| {
        std::thread::sleep(MAIN_ACT);
        watch.wait(OVERTIME, |said| {
            stages.iter().all(|stage| is_all_said(stage, said))
        })
    };
    let (endings, said) = perform(&stages, (folder, listener), &options, &act);
    let said = said?;
    std::fs::write(folder.join("said.txt"), said.to_string()).context("write what was said")?;
    let lines = stages.iter().flat_map(|stage| {
        let due = stage.due().into_iter();
        due.map(|due| format!("{} {due:?}\n", stage.name()))
    });
    std::fs::write(folder.join("due.txt"), lines.collect::<String>())
        .context("write what was due")?;
    let outcomes = stages.iter().zip(&endings).map(|(stage, ending)| {
        let outcome = judge(stage, &said, ending);
        (stage.case, stage.family, outcome)
    });
    Ok(Played {
        outcomes: outcomes.collect(),
        sweep_interval: said.sweep_interval,
    })
}

/// The stages of these cases, on ground with real servers.
fn set(folder: &Path, chosen: &[&'static Case]) -> Result<Vec<Stage>> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "the labelled scenarios need root (namespaces, TUN, eBPF): run them with sudo"
    );
    let site = Arc::new(Site::with_programs(folder).context("build the site")?);
    let chosen = chosen.iter().copied();
    Stage::set(&site, chosen, Plan::Wide, THRESHOLDS).context("set the stages")
}

/// Plays all before an agent with these options, until the main act is over; returns how each play ended and
/// what the agent said while they were on.
fn perform(
    stages: &[Stage],
    (folder, listener): (&Path, &Path),
    options: &AgentOptions,
    main_act: &dyn Fn(&Watch) -> Result<()>,
) -> (Vec<Result<()>>, Result<Said>) {
    std::thread::scope(|scope| {
        let mut endings: Vec<Result<()>> = stages.iter().map(|_| Ok(())).collect();
        let mut playing = Vec::new();
        let of = |when| {
            (0..)
                .zip(stages)
                .filter(move |(_, stage)| act_of(stage.case) == when)
        };
        for (place, stage) in of(When::BeforeAgent) {
            playing.push((place, scope.spawn(|| stage.play())));
            for flag in stage.case.flags() {
                let _unless_it_failed = stage.wait_due(flag.kind);
            }
        }
        let watch = Agent::start_with(folder, options)
            .and_then(|agent| Watch::start(agent, listener, folder));
        for (place, stage) in of(When::Alone) {
            endings[place] = stage.play();
        }
        for (place, stage) in of(When::Beside) {
            playing.push((place, scope.spawn(|| stage.play())));
            std::thread::sleep(STAGGER);
        }
        let said = watch.and_then(|watch| {
            main_act(&watch)?;
            watch.stop()
        });
        for stage in stages {
            stage.end();
        }
        for (place, thread) in playing {
            let ended = thread.join();
            endings[place] = ended.unwrap_or_else(|_| Err(anyhow!("the play panicked")));
        }
        (endings, said)
    })
}

/// Many are on at the same time, each in a place of its own: only what needs the agent or the
/// machine apart matters.
const fn act_of(case: &Case) -> When {
    match case.when {
        When::BeforeAgent => When::BeforeAgent,
        When::Alone => When::Alone,
        When::First | When::Beside | When::Last => When::Beside,
    }
}
