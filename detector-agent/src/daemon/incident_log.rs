//! Logs when an incident opens and when it is over.

use detector_api::snapshot::Incident;
use detector_api::text;
use detector_core::engine::Engine;

/// What was logged last.
#[derive(Debug, Default)]
pub(super) struct IncidentLog {
    open: Option<String>,
    /// Kinds that had joined it when it was looked at last.
    kinds: usize,
}

impl IncidentLog {
    /// Whether there is something new: an incident, its end, or one more kind in it. Remembers that it is
    /// known.
    pub(super) fn notices(&mut self, engine: &Engine) -> bool {
        let open = engine.open_incident();
        let kinds = open.as_ref().map_or(0, |open| open.kinds.len());
        let open = open.map(|open| open.id);
        let is_new = self.open != open || self.kinds != kinds;
        (self.open, self.kinds) = (open, kinds);
        is_new
    }

    /// Logs what has changed since the last call, if anything has; says whether.
    pub(super) fn log(&mut self, engine: &Engine) -> bool {
        let open = engine.open_incident().map(|open| open.id);
        if self.open == open {
            return false;
        }
        let over = self.open.clone();
        for id in over.into_iter().chain(open) {
            match engine.incident(&id) {
                Some(incident) => self.log_one(&incident),
                // Forgotten for newer ones: nothing more can be said of it.
                None => self.open = None,
            }
        }
        true
    }

    /// The one that was told to have begun, and not yet to be over.
    #[cfg(test)]
    pub(super) fn open(&self) -> Option<&str> {
        self.open.as_deref()
    }

    /// Logs that this incident has begun or is over, if that is news.
    pub(super) fn log_one(&mut self, incident: &Incident) {
        let id = &incident.id;
        let is_known = self.open.as_ref() == Some(id);
        if is_known && !incident.open {
            let sentence = text::incident_over(incident);
            tracing::warn!("incident {id} is over: {sentence}");
            self.open = None;
        } else if !is_known && incident.open {
            let kinds = text::incident_kinds(&incident.kinds);
            tracing::warn!("incident {id} began: {kinds}; `detector incidents show {id}` shows it");
            self.open = Some(id.clone());
        }
    }
}
