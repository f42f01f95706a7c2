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
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                Some(()) = self.hangup.recv() => {
                    supervisor::reloading();
                    reload(state, start);
                    supervisor::ready();
                }
            }
        }
    }
}

/// Reads the configuration again; keeps the old one if the new one is wrong.
fn reload(state: &AgentState, start: &Start) {
    let loaded = Config::load(start.config_file.as_deref(), &start.flags);
    let has_failed = loaded.is_err();
    match loaded {
        Ok(config) => {
            state.reconfigure(&config, &start.config);
            let waiting = config.needs_restart(&start.config);
            if waiting.is_empty() {
                tracing::info!("configuration reloaded");
                note(state, "configuration reloaded");
            } else {
                let waiting = waiting.join(", ");
                tracing::warn!("configuration reloaded, but a restart is needed for {waiting}");
                note(
                    state,
                    &format!("configuration reloaded but for {waiting}, which need a restart"),
                );
            }
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

fn note(state: &AgentState, text: &str) {
    state.recording.note(NoteKind::Configuration, None, text);
}
