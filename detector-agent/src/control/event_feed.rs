//! Feeds events to one reader, as newline-delimited JSON, at the reader's pace.
//!
//! The engine's ring of events is the queue: a reader that is too slow loses the oldest and gets
//! their number (`{"dropped": n}`). Nothing is stored for it but its position. Between them stands what the
//! agent says of itself, for readers who have not asked for some peers or kinds alone.

use super::event_filter::EventFilter;
use super::listing::wait_until_taken;
use super::slots::{Slot, Slots};
use crate::http::Client;
use crate::state::{AgentState, PlacedNote};
use bytes::Bytes;
use detector_api::snapshot::Event;
use detector_core::engine::Engine;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;
use tokio::task::yield_now;

/// Events looked at while the engine is locked once.
const EVENTS_PER_STEP: usize = 128;
/// Readers that may follow at the same time. They stay as long as they like, and must leave
/// connections of the socket to those who only ask, and to root, who may want to act.
pub(super) const FOLLOWERS_MAX: usize = 24;
/// Pieces that wait for a reader.
const PIECES: usize = 2;

/// What one step yields.
#[derive(Debug, PartialEq)]
struct Step {
    events: Vec<Event>,
    /// Events that were forgotten before this reader came to them.
    dropped: u64,
    /// What the agent says of itself, in its place among the events.
    notes: Vec<PlacedNote>,
    /// What has been looked at.
    position: Position,
    /// Whether there was nothing further to look at.
    is_at_end: bool,
}

/// Numbers of the last event and of the last note that a reader has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    event: u64,
    note: u64,
}

/// Looks at the events after `position`.
fn step(state: &AgentState, filter: &EventFilter, position: Position) -> Step {
    let engine = state.engine();
    let before = engine.first_event_id().saturating_sub(1);
    let before = before.max(position.event);
    let mut step = Step {
        events: Vec::new(),
        dropped: state.recording.numbers_between(position.event, before),
        notes: Vec::new(),
        position: Position {
            event: before,
            ..position
        },
        is_at_end: true,
    };
    for (index, event) in engine.events_after(before).enumerate() {
        if index == EVENTS_PER_STEP {
            step.is_at_end = false;
            break;
        }
        step.position.event = event.id;
        if filter.wants(event) {
            step.events.push(event.clone());
        }
    }
    drop(engine);
    step.notes = state.agent_notes.after(position.note, step.position.event);
    if let Some(last) = step.notes.last() {
        step.position.note = last.number;
    }
    step.notes.retain(|placed| filter.wants_note(&placed.note));
    step
}

fn lines(step: &Step) -> Bytes {
    let mut text = Vec::new();
    if step.dropped > 0 {
        text.extend_from_slice(format!("{{\"dropped\":{}}}\n", step.dropped).as_bytes());
    }
    let mut notes = step.notes.iter().peekable();
    for event in &step.events {
        while let Some(placed) = notes.next_if(|placed| placed.after_event < event.id) {
            write(&mut text, &placed.note);
        }
        write(&mut text, event);
    }
    for placed in notes {
        write(&mut text, &placed.note);
    }
    text.into()
}

fn write(text: &mut Vec<u8>, line: &impl Serialize) {
    // Strings and numbers into memory: this cannot fail.
    if serde_json::to_writer(&mut *text, line).is_ok() {
        text.push(b'\n');
    }
}

/// Starts feeding; ends with the last event or, if it is a follower, with the reader or the agent.
pub(super) fn start(
    state: Arc<AgentState>,
    filter: EventFilter,
    reader: Reader,
) -> mpsc::Receiver<Bytes> {
    let (sender, pieces) = mpsc::channel(PIECES);
    let event = begin(&state.engine(), filter.after);
    // Whoever has been here may have had the notes behind his last event, or not.
    let has_been_here = filter.after > 0 && event == filter.after;
    let note = if has_been_here {
        state.agent_notes.before_event(event)
    } else {
        0
    };
    let position = Position { event, note };
    let meter = Arc::clone(&state.counters.served);
    let feed = feed(state, filter, position, sender, reader);
    tokio::spawn(async move { meter.watch(feed).await });
    pieces
}

/// Where a reader begins that has the events up to this number.
fn begin(engine: &Engine, after: u64) -> u64 {
    if (1..=engine.last_event_id()).contains(&after) {
        return after;
    }
    // What was forgotten before the reader came was not its fault; from here on it is. And a number that nobody
    // has given yet is another agent's.
    engine.first_event_id().saturating_sub(1)
}

/// Who reads, with its place for as long as it does.
pub(super) struct Reader {
    /// Or it has enough once it has what there is.
    follows: bool,
    _place: (Option<Follower>, Option<Slot>),
}

impl Reader {
    pub(super) const fn that_follows(follower: Follower) -> Self {
        Self {
            follows: true,
            _place: (Some(follower), None),
        }
    }

    pub(super) const fn once(place: Slot) -> Self {
        Self {
            follows: false,
            _place: (None, Some(place)),
        }
    }
}

/// A reader that follows, counted for as long as it lives.
pub(super) struct Follower {
    state: Arc<AgentState>,
    _slot: Slot,
}

impl Follower {
    /// `None` if it would be one too many.
    pub(super) fn new(
        state: &Arc<AgentState>,
        slots: &Slots,
        client: Option<Client>,
    ) -> Option<Self> {
        let slot = slots.take(client)?;
        state.counters.followers.fetch_add(1, Ordering::Relaxed);
        Some(Self {
            state: Arc::clone(state),
            _slot: slot,
        })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let followers = &self.state.counters.followers;
        followers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A reader has its place until this ends.
async fn feed(
    state: Arc<AgentState>,
    filter: EventFilter,
    mut position: Position,
    pieces: mpsc::Sender<Bytes>,
    reader: Reader,
) {
    let mut newest = state.watch_events();
    let mut stop = state.watch_stop();
    loop {
        newest.mark_unchanged();
        let step = step(&state, &filter, position);
        position = step.position;
        state
            .counters
            .events_missed
            .fetch_add(step.dropped, Ordering::Relaxed);
        let piece = lines(&step);
        if !piece.is_empty() && pieces.send(piece).await.is_err() {
            return;
        }
        if !step.is_at_end {
            // A reader that wants none of them is never waited for.
            yield_now().await;
            continue;
        }
        if !reader.follows {
            wait_until_taken(&pieces).await;
            return;
        }
        tokio::select! {
            changed = newest.changed() => if changed.is_err() { return },
            () = pieces.closed() => return,
            _ = stop.wait_for(|stops| *stops) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Position, begin, lines, step};
    use crate::config::Config;
    use crate::control::event_filter::EventFilter;
    use crate::state::tests::state;
    use detector_api::fixtures::event;
    use detector_api::snapshot::{AgentNote, FlagKind};

    /// The agent before was killed after it had announced more than it had written.
    #[test]
    fn whoever_has_more_than_there_is_gets_what_there_is_and_a_jump_of_numbers_is_no_loss() {
        let (state, _pings) = state(&Config::default());
        let flag = |id| event(id, FlagKind::ZeroWindowStall, &[]);
        let (recorded, until) = (7, 100_000_007);
        let mut engine = state.engine();
        engine.go_on_after(until, 0);
        engine.remember((4..=recorded).map(flag).collect(), Vec::new());
        assert_eq!(begin(&engine, until + 1), 3);
        assert_eq!(begin(&engine, until), until);
        assert_eq!(begin(&engine, 5), 5);
        assert_eq!(begin(&engine, 0), 3);
        drop(engine);
        state.recording.skip_numbers(recorded, until);
        let filter = EventFilter::default();
        let looked = |position| {
            let begin = Position {
                event: position,
                note: 0,
            };
            let step = step(&state, &filter, begin);
            let ids: Vec<_> = step.events.iter().map(|event| event.id).collect();
            (step.dropped, ids, step.position.event)
        };
        assert_eq!(looked(1), (2, vec![4, 5, 6, 7], 7));
        assert_eq!(looked(6), (0, vec![7], 7));
        assert_eq!(looked(20_007), (0, vec![], 20_007));
        let missed = |above, until| state.recording.numbers_between(above, until);
        // Those of this agent that were forgotten count, and those of the one before.
        assert_eq!(missed(20_007, until + 5), 5);
        assert_eq!(missed(3, until + 5), 4 + 5);
        assert_eq!(missed(until + 2, until + 5), 3);
        assert_eq!(missed(5, 5), 0);
    }

    #[test]
    fn what_the_agent_gives_up_stands_among_the_events_of_those_who_asked_for_all() {
        let (state, _pings) = state(&Config::default());
        let flag = |id| event(id, FlagKind::ZeroWindowStall, &[]);
        let mut engine = state.engine();
        engine.go_on_after(3, 0);
        engine.remember((1..=3).map(flag).collect(), Vec::new());
        drop(engine);
        state.tell_budget();
        let start = Position { event: 0, note: 0 };
        let all = step(&state, &EventFilter::default(), start);
        let text = String::from_utf8(lines(&all).to_vec()).unwrap();
        let last: AgentNote = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(text.lines().count(), 4);
        assert_eq!(last.budget, Some(state.governor.status()));
        assert!(last.text.contains("cpu_share"), "{last:?}");
        // Once is enough for a reader who stays; one who comes again may not have it.
        let again = step(&state, &EventFilter::default(), all.position);
        assert_eq!(lines(&again).len(), 0);
        assert_eq!(state.agent_notes.before_event(3), 0);
        assert_eq!(state.agent_notes.before_event(4), 1);
        let of_peer = step(&state, &EventFilter::of_peer("198.51.100.7"), start);
        assert_eq!(of_peer.notes, []);
    }
}
