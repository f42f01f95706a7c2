//! Logs when an incident opens and when it is over.

use detector_api::text;
use detector_core::engine::Engine;

/// What was logged last.
#[derive(Debug, Default)]
pub(crate) struct IncidentLog {
    open: Option<String>,
}

impl IncidentLog {
    /// Whether there is something new to log; remembers that it is known.
    pub(crate) fn notices(&mut self, engine: &Engine) -> bool {
        let open = engine.open_incident().map(|open| open.id);
        let is_new = self.open != open;
        self.open = open;
        is_new
    }

    /// Logs what has changed since the last call.
    pub(crate) fn log(&mut self, engine: &Engine) {
        let open = engine.open_incident();
        if self.open.as_ref() == open.as_ref().map(|open| &open.id) {
            return;
        }
        if let Some(over) = self.open.take().and_then(|id| engine.incident(&id)) {
            let sentence = text::incident_over(&over);
            tracing::warn!("incident {} is over: {sentence}", over.id);
        }
        if let Some(open) = open {
            let kinds = text::incident_kinds(&open.kinds);
            tracing::warn!(
                "incident {} began: {kinds}; `detector incidents show {}` shows it",
                open.id,
                open.id
            );
            self.open = Some(open.id);
        }
    }
}
