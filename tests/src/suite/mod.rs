//! The labelled scenarios: bad peers that must be found, honest ones that must not be accused, all
//! played at the same time before one agent with default thresholds.
//!
//! Start reading at `table`: what is played and what the agent has to say of it.

mod listener;
mod network;
mod outcome;
mod page;
mod plays;
mod scenario;
mod site;
mod stage;
mod table;
mod watch;

use crate::agent::{Agent, AgentOptions};
use crate::lab::Family;
use anyhow::{Context, Result, anyhow};
pub use listener::listen;
use network::Network;
use outcome::{Outcome, family_name, judge};
use page::Tally;
use scenario::{Act, Scenario};
use site::Site;
use stage::{Curtain, Stage};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use watch::{Said, Watch};

/// How long the main act lasts: longer than an idle minute, and than a hoard has to hold before
/// it is called an attack.
const MAIN_ACT: Duration = Duration::from_secs(66);
/// Between the starts of two plays: a burst of starts would only measure this machine.
const STAGGER: Duration = Duration::from_millis(40);
/// The agent's `stall_after` without a configuration.
const STALL_AFTER: Duration = Duration::from_secs(5);

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
    let mut scenarios = table::scenarios();
    scenarios.retain(|each| filter.is_none_or(|filter| each.name.contains(filter)));
    let mut report = Report {
        tally: Tally::new(&scenarios),
        wrongs: Vec::new(),
    };
    for run in 1..=runs {
        let folder = folder.join(format!("run-{run}"));
        std::fs::create_dir_all(&folder).context("make the folder of a run")?;
        let played =
            play_once(&folder, listener, &scenarios).with_context(|| format!("run {run}"))?;
        let mut wrongs = 0;
        for (index, family, outcome) in &played.outcomes {
            for wrong in &outcome.wrongs {
                let name = scenarios[*index].name;
                let line = format!("run {run}: {name} {}: {wrong}", family_name(*family));
                say(&line);
                report.wrongs.push(line);
                wrongs += 1;
            }
        }
        report.tally.add(played.outcomes, played.sweep_interval);
        say(&format!(
            "run {run} of {runs}: {} plays, {wrongs} wrong",
            scenarios.len() * 2
        ));
    }
    Ok(report)
}

struct Played {
    /// Number of the scenario, family, what came of it.
    outcomes: Vec<(usize, Family, Outcome)>,
    sweep_interval: Duration,
}

fn play_once(folder: &Path, listener: &Path, scenarios: &[Scenario]) -> Result<Played> {
    let site = Site::build(folder).context("build the site")?;
    let curtain = Arc::new(Curtain::default());
    let casts = cast(&site, scenarios, &curtain)?;
    let agent = Agent::start_with(folder, &AgentOptions::without_configuration())?;
    let watch = Watch::start(&agent, listener, folder)?;
    let (endings, said) = perform(scenarios, &casts, &curtain, watch);
    let said = said?;
    std::fs::write(folder.join("said.txt"), said.to_string()).context("write what was said")?;
    let due: Vec<_> = casts.iter().map(|(_, stage)| stage.all_due()).collect();
    std::fs::write(folder.join("due.txt"), due.concat()).context("write what was due")?;
    let mut outcomes = Vec::new();
    for ((index, stage), ending) in casts.iter().zip(&endings) {
        let outcome = judge(&scenarios[*index], stage, &said, ending)?;
        outcomes.push((*index, stage.family, outcome));
    }
    Ok(Played {
        outcomes,
        sweep_interval: said.sweep_interval,
    })
}

type Cast<'s> = (usize, Stage<'s>);

/// A stage for each scenario and family, with addresses of its own.
fn cast<'s>(
    site: &'s Site,
    scenarios: &[Scenario],
    curtain: &Arc<Curtain>,
) -> Result<Vec<Cast<'s>>> {
    let mut casts = Vec::new();
    let mut number = 1;
    for (index, scenario) in scenarios.iter().enumerate() {
        for family in [Family::V4, Family::V6] {
            let network = Network::new(family, std::process::id(), number);
            site.settle(scenario.place, network, scenario.networks)?;
            let stage = Stage {
                site,
                family,
                network,
                place: scenario.place,
                name: format!("{}-{}", scenario.name, family_name(family)),
                curtain: Arc::clone(curtain),
                stall_after: STALL_AFTER,
                due: Mutex::default(),
            };
            casts.push((index, stage));
        }
        number += scenario.networks;
    }
    Ok(casts)
}

/// Plays all; returns how each play ended and what the agent said while they were on.
fn perform(
    scenarios: &[Scenario],
    casts: &[Cast],
    curtain: &Curtain,
    watch: Watch,
) -> (Vec<Result<()>>, Result<Said>) {
    std::thread::scope(|scope| {
        let mut endings: Vec<Result<()>> = casts.iter().map(|_| Ok(())).collect();
        let mut playing = Vec::new();
        for act in [Act::Load, Act::Main] {
            for (place, (index, stage)) in casts.iter().enumerate() {
                let scenario = &scenarios[*index];
                let play = scenario.play;
                if scenario.act != act {
                    continue;
                }
                if act == Act::Load {
                    endings[place] = play(stage);
                } else {
                    playing.push((place, scope.spawn(move || play(stage))));
                    std::thread::sleep(STAGGER);
                }
            }
        }
        // Nobody else lets the curtain fall: this waits for the whole act.
        curtain.is_down_within(MAIN_ACT);
        let said = watch.stop();
        curtain.fall();
        for (place, thread) in playing {
            let ended = thread.join();
            endings[place] = ended.unwrap_or_else(|_| Err(anyhow!("the play panicked")));
        }
        (endings, said)
    })
}
