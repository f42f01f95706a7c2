//! What signals make the agent do: stop, or reload its configuration.

use super::start::Start;
use super::supervisor;
use crate::config::{Config, ConfigError};
use crate::privilege::files::explain;
use crate::state::AgentState;
use detector_recorder::NoteKind;
use std::io;
use std::sync::atomic::Ordering;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that the agent acts on.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Reloads on `SIGHUP`; returns on `SIGTERM` and `SIGINT`.
    pub(super) async fn handle(&mut self, state: &AgentState, start: &Start) {
        let mut applied = start.config.clone();
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                Some(()) = self.hangup.recv() => {
                    supervisor::reloading();
                    reload(state, start, &mut applied);
                    supervisor::ready();
                }
            }
        }
    }
}

/// Reads the configuration again; keeps the old one, which is `applied`, if the new one is wrong.
fn reload(state: &AgentState, start: &Start, applied: &mut Config) {
    let loaded = Config::load(start.config_file.as_deref(), &start.flags);
    let has_failed = loaded.is_err();
    match loaded {
        Ok(config) => {
            state.reconfigure(&config, &start.config);
            let changes = config.changes(applied);
            let waiting = config.needs_restart(&start.config);
            *applied = config;
            let mut told = match changes.as_slice() {
                [] => "configuration reloaded: nothing has changed".to_owned(),
                changes => format!("configuration reloaded: {}", changes.join(", ")),
            };
            if waiting.is_empty() {
                tracing::info!("configuration reloaded");
            } else {
                let waiting = waiting.join(", ");
                tracing::warn!("configuration reloaded, but a restart is needed for {waiting}");
                told += &format!("; a restart is needed for {waiting}");
            }
            note(state, &told);
        }
        Err(error) => {
            let why = match &error {
                ConfigError::Unreadable { source, .. } => explain(source),
                _ => "",
            };
            tracing::error!("configuration not reloaded, the old one stays: {error}{why}");
            note(state, &format!("configuration not reloaded: {error}{why}"));
        }
    }
    // Last, so that whoever reads it finds the rest done.
    let failed = &state.counters.last_reload_failed;
    failed.store(has_failed, Ordering::Relaxed);
}

/// Writes down what the agent begins with.
pub(super) fn note_start(state: &AgentState, config: &Config) {
    let text = match config.settings().as_slice() {
        [] => "the agent runs with its defaults".to_owned(),
        set => format!("the agent runs with {}", set.join(", ")),
    };
    note(state, &text);
}

fn note(state: &AgentState, text: &str) {
    state.recording.note(NoteKind::Configuration, None, text);
}
