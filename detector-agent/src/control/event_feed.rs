//! Feeds events to one reader, as newline-delimited JSON, at the reader's pace.
//!
//! The engine's ring of events is the queue: a reader that is too slow loses the oldest and gets
//! their number (`{"dropped": n}`). Nothing is stored for it but its position.

use super::event_filter::EventFilter;
use super::slots::{Slot, Slots};
use crate::http::Client;
use crate::state::AgentState;
use bytes::Bytes;
use detector_api::snapshot::Event;
use detector_core::engine::Engine;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;
use tokio::task::yield_now;

/// Events looked at while the engine is locked once.
const EVENTS_PER_STEP: usize = 512;
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
    /// Number of the last event looked at.
    position: u64,
    /// Whether there was nothing further to look at.
    is_at_end: bool,
}

/// Looks at the events after `position`.
fn step(state: &AgentState, filter: &EventFilter, position: u64) -> Step {
    let engine = state.engine();
    let before = engine.first_event_id().saturating_sub(1).max(position);
    let mut step = Step {
        events: Vec::new(),
        dropped: state.recording.numbers_between(position, before),
        position: before,
        is_at_end: true,
    };
    for (index, event) in engine.events_after(step.position).enumerate() {
        if index == EVENTS_PER_STEP {
            step.is_at_end = false;
            break;
        }
        step.position = event.id;
        if filter.wants(event) {
            step.events.push(event.clone());
        }
    }
    step
}

fn lines(step: &Step) -> Bytes {
    let mut text = Vec::new();
    if step.dropped > 0 {
        text.extend_from_slice(format!("{{\"dropped\":{}}}\n", step.dropped).as_bytes());
    }
    for event in &step.events {
        // Strings and numbers into memory: this cannot fail.
        if serde_json::to_writer(&mut text, event).is_ok() {
            text.push(b'\n');
        }
    }
    text.into()
}

/// Starts feeding; ends with the last event, or, if there is a follower, with the reader or the agent.
pub(super) fn start(
    state: Arc<AgentState>,
    filter: EventFilter,
    follower: Option<Follower>,
) -> mpsc::Receiver<Bytes> {
    let (sender, pieces) = mpsc::channel(PIECES);
    let position = begin(&state.engine(), filter.after);
    let meter = Arc::clone(&state.counters.served);
    let feed = feed(state, filter, position, sender, follower);
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

/// A follower is counted until this ends.
async fn feed(
    state: Arc<AgentState>,
    filter: EventFilter,
    mut position: u64,
    reader: mpsc::Sender<Bytes>,
    follower: Option<Follower>,
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
        if !piece.is_empty() && reader.send(piece).await.is_err() {
            return;
        }
        if !step.is_at_end {
            // A reader that wants none of them is never waited for.
            yield_now().await;
            continue;
        }
        if follower.is_none() {
            return;
        }
        tokio::select! {
            changed = newest.changed() => if changed.is_err() { return },
            () = reader.closed() => return,
            _ = stop.wait_for(|stops| *stops) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{begin, step};
    use crate::config::Config;
    use crate::control::event_filter::EventFilter;
    use crate::state::tests::state;
    use detector_api::fixtures::event;
    use detector_api::snapshot::FlagKind;

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
            let step = step(&state, &filter, position);
            let ids: Vec<_> = step.events.iter().map(|event| event.id).collect();
            (step.dropped, ids, step.position)
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
}
