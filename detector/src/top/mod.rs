//! `detector top`: a live table of who holds what.
//!
//! `state` (what is shown), `action` (what keys ask for) and `view` (how it is drawn) are pure;
//! `agent` asks, `terminal` shows, `watch` and `print` bring them together.

mod action;
mod agent;
mod own_agent;
mod print;
mod provoke;
mod settings_file;
mod source;
mod state;
mod terminal;
mod view;
mod watch;

use crate::cli::TopArgs;
use crate::control::client::ClientError;
use crate::failure::Failure;
use agent::Agent;
pub(crate) use print::Printed;
use settings_file::SettingsFile;
use state::State;
use std::io::{self, IsTerminal};
use std::path::Path;

/// Tells a user what to do about an agent that cannot be asked.
pub(crate) type Advise = fn(&Path, ClientError) -> Failure;

/// Runs `detector top` to its end.
pub(crate) async fn run(args: &TopArgs, advise: Advise) -> Result<(), Failure> {
    let mut state = State::new(args.interval, args.filter.clone().unwrap_or_default());
    let agent = Agent::new(args.control_socket.as_deref(), advise);
    let is_printed = args.once || args.batch || args.json;
    if is_printed {
        choose(&mut state, args);
        return print::run(args, state, agent).await;
    }
    if !io::stdout().is_terminal() {
        let hint = "`detector top --once` prints a table, `--json` an object, `--batch` goes on";
        return Err(Failure::usage("stdout is no terminal").hint(hint));
    }
    let file = SettingsFile::of_user();
    match file.as_ref().map(SettingsFile::read) {
        Some(Ok(Some(settings))) => state.settings = settings,
        Some(Err(said)) => state.note = Some(crate::scrub::text(&said)),
        Some(Ok(None)) | None => {}
    }
    choose(&mut state, args);
    state.allows_actions = args.allow_actions;
    state.session = crate::session::clients();
    watch::run(state, agent, file, args.interval).await
}

/// What the command line says wins over what was remembered.
fn choose(state: &mut State, args: &TopArgs) {
    if let Some(grouping) = args.group {
        state.settings.grouping = grouping;
    }
    if let Some(sort) = args.sort {
        state.settings.sort = sort;
    }
}
