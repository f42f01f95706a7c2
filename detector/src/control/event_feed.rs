//! Feeds events to one reader, as newline-delimited JSON, at the reader's pace.
//!
//! The core's ring of events is the queue: a reader that is too slow loses the oldest and is told
//! how many (`{"dropped": n}`). Nothing is stored for it but its place.

use super::event_filter::EventFilter;
use crate::live::Live;
use bytes::Bytes;
use detector_core::engine::Engine;
use detector_core::snapshot::Event;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;

/// Events looked at while the engine is locked once.
const EVENTS_PER_STEP: usize = 512;
/// Pieces on the way to a reader.
const PIECES: usize = 2;

/// What one step yields.
#[derive(Debug, PartialEq)]
struct Step {
    events: Vec<Event>,
    /// Events that were forgotten before this reader came to them.
    dropped: u64,
    /// Number of the last event looked at.
    place: u64,
    /// Whether there was nothing further to look at.
    is_at_end: bool,
}

/// Looks at the events after `place`.
fn step(engine: &Engine, filter: &EventFilter, place: u64) -> Step {
    let dropped = engine
        .first_event_id()
        .saturating_sub(place.saturating_add(1));
    let mut step = Step {
        events: Vec::new(),
        dropped,
        place: place + dropped,
        is_at_end: true,
    };
    for (index, event) in engine.events_after(step.place).enumerate() {
        if index == EVENTS_PER_STEP {
            step.is_at_end = false;
            break;
        }
        step.place = event.id;
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

/// Starts feeding; ends with the last event, or, if the filter follows, with the reader or the
/// agent.
pub(super) fn start(live: Arc<Live>, filter: EventFilter) -> mpsc::Receiver<Bytes> {
    let (sender, pieces) = mpsc::channel(PIECES);
    // What was forgotten before the reader came was not its fault; from here on it is.
    let first = live.engine().first_event_id().saturating_sub(1);
    let place = if filter.after > 0 {
        filter.after
    } else {
        first
    };
    tokio::spawn(feed(live, filter, place, sender));
    pieces
}

/// Counts a follower for as long as it lives.
struct Follower<'a>(&'a Live);

impl<'a> Follower<'a> {
    fn new(live: &'a Live) -> Self {
        live.counts.followers.fetch_add(1, Ordering::Relaxed);
        Self(live)
    }
}

impl Drop for Follower<'_> {
    fn drop(&mut self) {
        self.0.counts.followers.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn feed(live: Arc<Live>, filter: EventFilter, mut place: u64, reader: mpsc::Sender<Bytes>) {
    let _follower = filter.follows.then(|| Follower::new(&live));
    let mut news = live.watch_events();
    let mut stop = live.watch_stop();
    loop {
        news.mark_unchanged();
        let step = step(&live.engine(), &filter, place);
        place = step.place;
        live.counts
            .events_missed
            .fetch_add(step.dropped, Ordering::Relaxed);
        let piece = lines(&step);
        if !piece.is_empty() && reader.send(piece).await.is_err() {
            return;
        }
        if !step.is_at_end {
            continue;
        }
        if !filter.follows {
            return;
        }
        tokio::select! {
            changed = news.changed() => if changed.is_err() { return },
            () = reader.closed() => return,
            _ = stop.wait_for(|stops| *stops) => return,
        }
    }
}
