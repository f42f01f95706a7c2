//! The stalls of single connections, put together from flags and from the newest cards.
//!
//! A peer may cause only so many events, so that of a flood not every stall has flags: what is counted
//! here is a lower bound.

use super::model::Time;
use super::recording::{Recording, time_of};
use detector_api::snapshot::{Connection, Event, EventType, FlagKind, StallCause};
use detector_recorder::Card;
use std::collections::HashMap;

/// One connection that took nothing for a while.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stall {
    pub(super) peer: String,
    /// The connection.
    pub(super) local: String,
    pub(super) remote: String,
    pub(super) netns: Option<u32>,
    pub(super) began: Time,
    /// When it was seen to be over, or last seen.
    pub(super) ended: Time,
    /// Most that it held.
    pub(super) pinned_bytes: u64,
    /// Whether a timeout between two writes sees it: one that reads a few bytes now and then is no
    /// stall to a timeout.
    pub(super) makes_no_progress: bool,
}

impl Stall {
    pub(super) const fn lasted_ms(&self) -> i64 {
        self.ended.0.saturating_sub(self.began.0)
    }

    /// Tells connections of the host apart; one of the same ends later is taken for the same.
    pub(super) fn connection(&self) -> Key<'_> {
        (&self.local, &self.remote, self.netns)
    }

    fn extend(&mut self, at: Time, pinned_bytes: u64) {
        self.ended = self.ended.max(at);
        self.pinned_bytes = self.pinned_bytes.max(pinned_bytes);
    }

    /// Its age at that moment, if it goes on then.
    pub(super) fn age_ms(&self, at: Time) -> Option<i64> {
        (self.began <= at && at <= self.ended).then(|| at.0.saturating_sub(self.began.0))
    }
}

/// A stall that goes on, and the kinds of flags that stand for it.
struct Open {
    stall: Stall,
    standing: Vec<FlagKind>,
}

/// Tells connections apart, across the namespaces of one host.
pub(super) type Key<'a> = (&'a str, &'a str, Option<u32>);

/// The stalls of one host, in the order in which they began.
pub(super) fn stalls(recording: &Recording) -> Vec<Stall> {
    let mut book = Book {
        open: HashMap::new(),
        over: HashMap::new(),
        all: Vec::new(),
        ends: ends(recording),
    };
    for event in &recording.events {
        let at = time_of(&event.time);
        if let (Some(key), Some(at)) = (key_of(event), at) {
            book.take_event(key, at, event);
        }
    }
    for card in &recording.cards {
        for connection in &card.detail.connections {
            book.take_card(card, connection);
        }
    }
    let mut all = book.all;
    for open in book.open.into_values() {
        all.push(unseen(open.stall, &book.ends, Time(i64::MAX)));
    }
    all.sort_by(|a, b| (a.began, &a.peer).cmp(&(b.began, &b.peer)));
    all
}

/// Nobody saw it end: it is told as going on until its agent ended or no connection of the host was
/// stalled, and no longer.
fn unseen(mut stall: Stall, ends: &[Time], at_most: Time) -> Stall {
    let after = ends.partition_point(|end| *end < stall.ended);
    let end = ends.get(after).copied();
    stall.ended = end.unwrap_or(stall.ended).min(at_most).max(stall.ended);
    stall
}

/// Moments at which no stall was seen to go on, in order: runs ended, or nothing was stalled.
fn ends(recording: &Recording) -> Vec<Time> {
    let runs = recording.source.runs.iter().map(|run| run.last);
    let runs = runs.map(|at| at.unix_ms);
    let calm = recording.calm_ms.iter().copied();
    let mut ends: Vec<_> = runs.chain(calm).map(Time).collect();
    ends.sort_unstable();
    ends
}

fn key_of(event: &Event) -> Option<Key<'_>> {
    Some((
        event.local.as_deref()?,
        event.remote.as_deref()?,
        event.netns,
    ))
}

/// The stalls of a host while they are put together.
struct Book<'a> {
    open: HashMap<Key<'a>, Open>,
    /// When the last stall of a connection was seen to be over.
    over: HashMap<Key<'a>, Time>,
    all: Vec<Stall>,
    /// When no stall went on.
    ends: Vec<Time>,
}

impl<'a> Book<'a> {
    fn take_event(&mut self, key: Key<'a>, at: Time, event: &'a Event) {
        let Some(seconds) = event.flag.stalled_seconds() else {
            return;
        };
        if event.event == EventType::Episode {
            return;
        }
        let kind = event.kind();
        let began = Time(at.0.saturating_sub(milliseconds(seconds)));
        // After a restart of the agent or of the host it begins anew. The end of a dribble dates no
        // begin: by then the connection has moved on.
        let is_another = |open: &Open| event.event == EventType::Flag && began > open.stall.ended;
        if self.open.get(&key).is_some_and(is_another)
            && let Some(open) = self.open.remove(&key)
        {
            self.all.push(unseen(open.stall, &self.ends, began));
        }
        if event.event == EventType::Cleared && began == at && !self.open.contains_key(&key) {
            return;
        }
        let open = self.open.entry(key);
        let open = open.or_insert_with(|| Open::new(key, &event.peer, began));
        open.stall.makes_no_progress |= kind != FlagKind::Dribble;
        open.stall
            .extend(at, event.flag.pinned_bytes().unwrap_or(0));
        if event.event == EventType::Flag {
            if !open.standing.contains(&kind) {
                open.standing.push(kind);
            }
            return;
        }
        // It may stand on another kind still.
        open.standing.retain(|standing| *standing != kind);
        if open.standing.is_empty()
            && let Some(open) = self.open.remove(&key)
        {
            self.over.insert(key, at);
            self.all.push(open.stall);
        }
    }

    /// What is known from a card of a connection that was stalled when it was written.
    fn take_card(&mut self, card: &'a Card, connection: &'a Connection) {
        let Some(cause) = connection.stall else {
            return;
        };
        let at = Time(card.at.unix_ms);
        let key = (
            connection.local.as_str(),
            connection.remote.as_str(),
            Some(connection.netns),
        );
        if self.over.get(&key).is_some_and(|over| *over >= at) {
            return;
        }
        let began = Time(at.0.saturating_sub(milliseconds(connection.stalled_seconds)));
        let open = self.open.entry(key);
        let open = open.or_insert_with(|| Open::new(key, &connection.peer, began));
        open.stall.makes_no_progress |= cause != StallCause::Dribble;
        open.stall.extend(at, connection.pinned_bytes);
    }
}

impl Open {
    fn new((local, remote, netns): Key<'_>, peer: &str, began: Time) -> Self {
        Self {
            stall: Stall {
                peer: peer.to_owned(),
                local: local.to_owned(),
                remote: remote.to_owned(),
                netns,
                began,
                ended: began,
                pinned_bytes: 0,
                makes_no_progress: false,
            },
            standing: Vec::new(),
        }
    }
}

/// A span that a file tells, in milliseconds; none below zero.
pub(super) fn milliseconds(seconds: f64) -> i64 {
    let span = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
