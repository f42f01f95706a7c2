//! `detector top`: a live table of who holds what.
//!
//! `state` (what is shown), `keys` (what they ask for) and `view` (how it is drawn) are pure;
//! `agent` asks, `screen` shows, `terminal` reads keys, `event_loop` and `print` bring them together.

mod agent;
mod event_loop;
mod keys;
mod past;
mod print;
mod screen;
mod settings_file;
mod source;
mod state;
mod terminal;
mod view;

use crate::columns::{Grouping, Sort};
use crate::filter::Filter;
use crate::prometheus::Prometheus;
use agent::Agent;
use detector_api::defaults::STATE_DIR;
use detector_api::failure::Failure;
use detector_api::row::PeerRow;
use detector_recorder::Reader;
use event_loop::Recorder;
pub use print::Printed;
pub use screen::Screen;
use settings_file::SettingsFile;
use state::State;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What `detector top` was asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Print one table and exit.
    pub once: bool,
    /// Print one table each interval.
    pub batch: bool,
    /// Tables or objects to print with `batch`; endlessly many unless it is given.
    pub count: Option<u64>,
    /// Print JSON, one object per table.
    pub json: bool,
    /// Time between refreshes.
    pub interval: Duration,
    /// Order; as last time unless it is given.
    pub sort: Option<Sort<PeerRow>>,
    /// Group the peers by this; as last time unless it is given.
    pub group: Option<Grouping>,
    /// Only peers that fit.
    pub filter: Option<Filter<PeerRow>>,
    /// Let keys reset and block peers.
    pub allow_actions: bool,
    /// Control socket of the agent.
    pub control_socket: Option<PathBuf>,
    /// A Prometheus that is asked about all hosts in place of an agent.
    pub prometheus: Option<Prometheus>,
    /// The recorder of which the past is shown, or its folder.
    pub state_dir: Option<PathBuf>,
    /// What starts an agent where the host has none; `None` in a build that has none to start.
    pub start_agent: Option<StartAgent>,
}

/// An agent started for this view alone; ended when dropped.
pub trait OwnAgent {
    /// Where it is asked, once it is ready.
    fn socket(&self) -> PathBuf;

    /// Why it has ended, if it has.
    fn failure(&mut self) -> Option<Failure>;
}

/// Starts an agent of our own.
pub type StartAgent = fn() -> Result<Box<dyn OwnAgent>, Failure>;

/// Runs `detector top` to its end.
pub async fn run(args: &Options) -> Result<(), Failure> {
    let mut state = State::new(args.interval, args.filter.clone().unwrap_or_default());
    let agent = Agent::new(args);
    let is_printed = args.once || args.batch || args.json;
    if is_printed {
        choose(&mut state, args);
        return print::run(args, state, agent).await;
    }
    if !io::stdout().is_terminal() {
        let hint = "`detector top --once` prints a table, `--json` an object, `--batch` goes on";
        return Err(Failure::usage("cannot draw the screen: stdout is not a terminal").hint(hint));
    }
    let path = args.state_dir.as_deref();
    let recorder = Recorder {
        path: path.unwrap_or(Path::new(STATE_DIR)).to_owned(),
        // Whoever names a recorder and no agent wants to see the recorder.
        is_first: path.is_some() && args.control_socket.is_none(),
    };
    if recorder.is_first {
        // Refused before the terminal is taken over.
        drop(Reader::open(&recorder.path)?);
    }
    let file = SettingsFile::of_user();
    match file.as_ref().map(SettingsFile::read) {
        Some(Ok(Some(settings))) => state.settings = settings,
        Some(Err(said)) => state.note = Some(detector_api::sanitize::text(&said)),
        Some(Ok(None)) | None => {}
    }
    choose(&mut state, args);
    state.actions.are_allowed = args.allow_actions;
    state.actions.session = crate::session::clients();
    event_loop::run(state, agent, file, recorder).await
}

/// What the command line says wins over what was remembered.
fn choose(state: &mut State, args: &Options) {
    state.is_of_fleet = args.prometheus.is_some();
    if let Some(grouping) = args.group {
        state.settings.grouping = grouping;
    }
    if let Some(sort) = args.sort {
        state.settings.sort = sort;
    }
}
