//! How many unrelated networks show one symptom at the same time. Bounded.
//!
//! A symptom of many networks at once is hardly the doing of one peer. Its cause is something that
//! all of them share: the path to us, or this host.

use crate::observe::observation::InterfaceCounts;
use crate::observe::peer_address::Network;
use crate::time::{MonotonicTime, SECOND_NS};
use std::collections::{HashMap, VecDeque};

/// "At the same time" is within this span.
pub(crate) const SPAN_NS: u64 = 60 * SECOND_NS;

/// Networks kept; so many need not be counted further.
const NETWORKS_MAX: usize = 1_024;

/// What was added up within the span, give or take a half of it: two halves, the older one dropped
/// whole.
#[derive(Debug, Default)]
pub(crate) struct SlidingWindow {
    halves: [InterfaceCounts; 2],
    began: MonotonicTime,
}

impl SlidingWindow {
    /// Adds what was counted up to `now`.
    pub(crate) fn add(&mut self, errors: &InterfaceCounts, now: MonotonicTime) {
        self.forget_old(now);
        self.halves[1] = self.halves[1].plus(errors);
    }

    /// Moves on to `now`.
    pub(crate) fn forget_old(&mut self, now: MonotonicTime) {
        let passed_ns = now.since_ns(self.began);
        if passed_ns < SPAN_NS / 2 {
            return;
        }
        let [_, younger] = self.halves;
        let is_all_old = passed_ns >= SPAN_NS;
        let older = if is_all_old {
            InterfaceCounts::default()
        } else {
            younger
        };
        self.halves = [older, InterfaceCounts::default()];
        self.began = now;
    }

    pub(crate) const fn sum(&self) -> InterfaceCounts {
        self.halves[0].plus(&self.halves[1])
    }
}

/// Networks with one symptom, and when each showed it last.
#[derive(Debug, Default)]
pub(crate) struct SymptomWindow {
    last_shown: HashMap<Network, MonotonicTime>,
    // Each network once, at a moment that may be older than its last.
    order: VecDeque<(MonotonicTime, Network)>,
}

impl SymptomWindow {
    /// A peer of `network` shows the symptom at `now`.
    pub(crate) fn note(&mut self, network: Network, now: MonotonicTime) {
        self.forget_old(now);
        if let Some(last) = self.last_shown.get_mut(&network) {
            *last = now;
        } else if self.last_shown.len() < NETWORKS_MAX {
            self.last_shown.insert(network, now);
            self.order.push_back((now, network));
        }
    }

    /// Networks that showed it within the span before the last call with a moment.
    pub(crate) fn networks(&self) -> u64 {
        self.last_shown.len() as u64
    }

    /// Moves on to `now`. Costs nothing while nothing is old.
    pub(crate) fn forget_old(&mut self, now: MonotonicTime) {
        while let Some(&(from, network)) = self.order.front() {
            if now.since_ns(from) <= SPAN_NS {
                return;
            }
            self.order.pop_front();
            match self.last_shown.get(&network) {
                Some(&last) if last > from => self.order.push_back((last, network)),
                _ => drop(self.last_shown.remove(&network)),
            }
        }
    }
}

/// What many peers at once, and this host's interfaces, have shown within that span.
#[derive(Debug, Default)]
pub(crate) struct Symptoms {
    /// Networks whose peers fell silent.
    pub(crate) silent: SymptomWindow,
    /// Networks whose peers shrank windows.
    pub(crate) shrinking: SymptomWindow,
    pub(crate) interface_errors: SlidingWindow,
}

impl Symptoms {
    /// Moves on to `now`.
    pub(crate) fn forget_old(&mut self, now: MonotonicTime) {
        self.silent.forget_old(now);
        self.shrinking.forget_old(now);
        self.interface_errors.forget_old(now);
    }
}

#[cfg(test)]
mod tests {
    use super::{NETWORKS_MAX, SPAN_NS, SymptomWindow};
    use crate::observe::peer_address::Network;
    use crate::time::MonotonicTime;
    use std::net::Ipv4Addr;

    fn network(number: u32) -> Network {
        Network::of(Ipv4Addr::from_bits(number << 8).into())
    }

    #[test]
    fn networks_count_once_and_for_a_minute() {
        let mut symptom = SymptomWindow::default();
        let at = |seconds: u64| MonotonicTime::from_ns(seconds * 1_000_000_000);
        symptom.note(network(1), at(0));
        symptom.note(network(1), at(50));
        symptom.note(network(2), at(10));
        for (seconds, networks) in [(60, 2), (71, 1), (111, 0)] {
            symptom.forget_old(at(seconds));
            assert_eq!(symptom.networks(), networks);
        }
    }

    #[test]
    fn a_million_networks_stay_bounded() {
        let mut symptom = SymptomWindow::default();
        for number in 0..1_000_000 {
            symptom.note(network(number), MonotonicTime::from_ns(u64::from(number)));
        }
        symptom.forget_old(MonotonicTime::from_ns(SPAN_NS));
        assert_eq!(symptom.networks(), NETWORKS_MAX as u64);
        assert!(symptom.order.len() <= NETWORKS_MAX);
    }
}
