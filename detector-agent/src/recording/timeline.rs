//! How the windows of suspects' connections moved lately: a ring of all that the kernel side told, from
//! which those of flagged connections are written, from before the flag on.

use detector_core::observe::observation::Observation;
use detector_core::time::MonotonicTime;
use detector_recorder::{ClockReading, WindowPoint};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// States kept; one takes about a hundred bytes.
const STATES: usize = 8_192;
/// Connections that are written at the same time; more are left out, and what they did is counted.
const FOLLOWED: usize = 256;
/// States written at once.
const POINTS_AT_ONCE: usize = 2_000;
/// A connection is followed for so long after its last flag.
const FOLLOW_FOR: Duration = Duration::from_secs(60);

/// Local and remote end of a connection.
pub(crate) type Ends = (SocketAddr, SocketAddr);

#[derive(Clone, Copy, Debug, PartialEq)]
struct State {
    at: MonotonicTime,
    ends: Ends,
    snd_una: u32,
    snd_nxt: u32,
    edge_max: Option<u32>,
    window_bytes: u32,
    queued_bytes: u32,
}

#[derive(Debug)]
struct Followed {
    peer: String,
    until: MonotonicTime,
    /// The last that was written.
    written: Option<State>,
    /// States from this number on were not looked at for it.
    looked_until: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    states: VecDeque<State>,
    /// Number of the next state; the ring's last has the one before.
    next: u64,
    followed: HashMap<Ends, Followed>,
    /// Up to which number states of connections were written that are followed no more, while the ring has
    /// any of those.
    written_until: HashMap<Ends, u64>,
    /// States of flagged connections that were not written.
    pub(crate) lost: u64,
}

impl Timeline {
    pub(crate) fn push(&mut self, observation: &Observation) {
        if self.states.len() == STATES {
            self.states.pop_front();
        }
        self.next += 1;
        self.states.push_back(State {
            at: observation.at,
            ends: (observation.connection.local, observation.connection.remote),
            snd_una: observation.snd_una,
            snd_nxt: observation.snd_nxt,
            edge_max: observation.edge_max,
            window_bytes: observation.window_bytes,
            queued_bytes: observation.queued_bytes(),
        });
    }

    /// A connection was flagged: it is followed from now on, and from before.
    pub(crate) fn follow(&mut self, ends: Ends, peer: &str, now: MonotonicTime) {
        let follow_ns = u64::try_from(FOLLOW_FOR.as_nanos()).unwrap_or(u64::MAX);
        let until = MonotonicTime::from_ns(now.as_ns().saturating_add(follow_ns));
        if let Some(followed) = self.followed.get_mut(&ends) {
            followed.until = until;
        } else if self.followed.len() < FOLLOWED {
            let followed = Followed {
                peer: peer.to_owned(),
                until,
                written: None,
                looked_until: self.written_until.remove(&ends).unwrap_or(0),
            };
            self.followed.insert(ends, followed);
        } else {
            self.lost += 1;
        }
    }

    /// What is to be written; `moment` is `now` by the other clocks.
    pub(crate) fn take(&mut self, now: MonotonicTime, moment: ClockReading) -> Vec<WindowPoint> {
        let first = self.next - self.states.len() as u64;
        self.written_until.retain(|_, until| *until > first);
        let is_over = |_: &Ends, followed: &mut Followed| followed.until <= now;
        for (ends, followed) in self.followed.extract_if(is_over) {
            self.written_until.insert(ends, followed.looked_until);
        }
        let mut points = Vec::new();
        for (number, state) in (first..).zip(&self.states) {
            let Some(followed) = self.followed.get_mut(&state.ends) else {
                continue;
            };
            if number < followed.looked_until
                || followed
                    .written
                    .is_some_and(|written| written.is_like(state))
            {
                continue;
            }
            if points.len() >= POINTS_AT_ONCE {
                self.lost += 1;
                continue;
            }
            followed.written = Some(*state);
            points.push(state.point(&followed.peer, now, moment));
        }
        for followed in self.followed.values_mut() {
            followed.looked_until = self.next;
        }
        points
    }
}

impl State {
    /// Whether nothing that is shown differs.
    fn is_like(&self, other: &Self) -> bool {
        Self {
            at: other.at,
            ..*self
        } == *other
    }

    fn point(&self, peer: &str, now: MonotonicTime, moment: ClockReading) -> WindowPoint {
        let ago_ms = i64::try_from(now.since_ns(self.at) / 1_000_000).unwrap_or(i64::MAX);
        let edge = self.snd_una.wrapping_add(self.window_bytes);
        let (local, remote) = self.ends;
        WindowPoint {
            at: ClockReading {
                unix_ms: moment.unix_ms.saturating_sub(ago_ms),
                boot_ms: moment.boot_ms.saturating_sub(ago_ms),
            },
            peer: peer.to_owned(),
            local: local.to_string(),
            remote: remote.to_string(),
            snd_una: self.snd_una,
            snd_nxt: self.snd_nxt,
            edge,
            edge_max: self.edge_max.unwrap_or(edge),
            window_bytes: self.window_bytes.into(),
            queued_bytes: self.queued_bytes.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FOLLOW_FOR, Timeline};
    use crate::state::tests::stalled;
    use detector_core::time::MonotonicTime;
    use detector_recorder::ClockReading;

    const MOMENT: ClockReading = ClockReading {
        unix_ms: 1_000_000,
        boot_ms: 1_000_000,
    };

    #[test]
    fn what_was_written_of_a_connection_is_not_written_when_it_is_flagged_again() {
        let mut timeline = Timeline::default();
        let seen = stalled("198.51.100.7:40000", 10);
        let ends = (seen.connection.local, seen.connection.remote);
        let now = |seconds: u64| MonotonicTime::from_ns(seconds * 1_000_000_000);
        timeline.push(&seen);
        timeline.follow(ends, "198.51.100.7", now(20));
        assert_eq!(timeline.take(now(20), MOMENT).len(), 1);
        let later = 21 + FOLLOW_FOR.as_secs();
        assert_eq!(timeline.take(now(later), MOMENT).len(), 0);
        let mut moved = seen;
        moved.snd_una += 1;
        timeline.push(&moved);
        assert_eq!(timeline.take(now(later), MOMENT).len(), 0);
        timeline.follow(ends, "198.51.100.7", now(later));
        assert_eq!(timeline.take(now(later), MOMENT).len(), 1);
        assert!(timeline.written_until.is_empty());
    }
}
