//! What the agent gives up to cost less, and how it says so.

use super::{AgentState, own_time};
use crate::clock;
use crate::lock::lock;
use detector_api::budget::Saving;
use detector_api::snapshot::{AgentNote, AgentNoteType};
use detector_api::text::budget_line;
use detector_api::time::rfc3339;
use detector_recorder::NoteKind;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Instant;

/// Notes kept for those who come later: with a step each ten seconds, those of ten minutes.
const KEPT: usize = 64;

/// What readers of events are told of the agent itself.
#[derive(Debug, Default)]
pub(crate) struct AgentNotes(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    notes: VecDeque<PlacedNote>,
    /// How many there have been.
    told: u64,
}

/// A note, and where it stands among the events.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlacedNote {
    /// Its own number, from 1 on.
    pub(crate) number: u64,
    /// Number of the event that it follows.
    pub(crate) after_event: u64,
    pub(crate) note: AgentNote,
}

impl AgentNotes {
    fn tell(&self, after_event: u64, note: AgentNote) {
        let mut kept = lock(&self.0);
        kept.told += 1;
        let number = kept.told;
        kept.notes.push_back(PlacedNote {
            number,
            after_event,
            note,
        });
        if kept.notes.len() > KEPT {
            kept.notes.pop_front();
        }
    }

    /// Those with a number above this, up to the event `until`, oldest first.
    pub(crate) fn after(&self, number: u64, until: u64) -> Vec<PlacedNote> {
        let kept = lock(&self.0);
        let notes = kept.notes.iter().filter(|note| note.number > number);
        let notes = notes.take_while(|note| note.after_event <= until);
        notes.cloned().collect()
    }

    /// Number of the last note that somebody has who has the events before this one.
    pub(crate) fn before_event(&self, id: u64) -> u64 {
        let kept = lock(&self.0);
        let mut notes = kept.notes.iter().rev();
        let before = notes.find(|note| note.after_event < id);
        before.map_or(0, |note| note.number)
    }
}

impl AgentState {
    /// Takes what the agent has used of the processors; gives something up, or takes it up again, and
    /// says so.
    pub(crate) fn govern(&self) {
        let hooks = self.kernel_status().unwrap_or_default().hook_time();
        let served = self.counters.served.used();
        let used = own_time(clock::process_time(), hooks, served);
        if !self.governor.look(used, Instant::now()) {
            return;
        }
        if let Some(kernel) = self.kernel().as_ref() {
            kernel.sweep_seldom(self.governor.saves(Saving::Sweeps));
        }
        self.tell_budget();
    }

    /// In the log, in the recorder and among the events; metrics and status say it whenever they are asked.
    pub(crate) fn tell_budget(&self) {
        let budget = self.governor.status();
        let text = budget_line(&budget);
        tracing::warn!("{text}");
        self.recording.note(NoteKind::Budget, None, &text);
        let note = AgentNote {
            event: AgentNoteType::Budget,
            time: rfc3339(clock::unix_ns()),
            text,
            budget: Some(budget),
        };
        let after_event = self.engine().last_event_id();
        self.agent_notes.tell(after_event, note);
        // There is something new, though no event.
        self.newest_event.send_modify(|_| {});
    }
}
