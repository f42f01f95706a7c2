//! One host under a setting: what would have been gone at any moment, found without a walk over all
//! stalls.

use super::trial::{Held, Setting, Trial, as_milliseconds, held_in};
use crate::report::model::Time;
use crate::report::recording::natural;
use crate::report::stalls::Stall;
use detector_recorder::Second;

/// A host, and a setting that is tried on it.
pub(super) struct Under<'a> {
    trial: &'a Trial<'a>,
    gone: Gone,
}

enum Gone {
    /// Stalls that a timeout ended: of all peers, and of those of incidents.
    Stalls { all: Sums, involved: Sums },
    /// Connections beyond a limit.
    Beyond(u64),
}

/// Stalls by when the timeout ended them, and by when they were over anyway, each with the bytes of all up
/// to it.
struct Sums {
    ended: Vec<(i64, u128)>,
    over: Vec<(i64, u128)>,
}

impl Sums {
    fn of<'a>(stalls: impl Iterator<Item = &'a Stall> + Clone, timeout_ms: i64) -> Self {
        let ended = |stall: &Stall| stall.began.0.saturating_add(timeout_ms);
        Self {
            ended: summed(
                stalls
                    .clone()
                    .map(|stall| (ended(stall), stall.pinned_bytes)),
            ),
            over: summed(stalls.map(|stall| (stall.ended.0, stall.pinned_bytes))),
        }
    }

    /// What was ended by then and would still have gone on.
    fn at(&self, at: Time) -> Held {
        let ended = up_to(&self.ended, |time| time <= at.0);
        let over = up_to(&self.over, |time| time < at.0);
        Held {
            connections: ended.0.saturating_sub(over.0),
            bytes: u64::try_from(ended.1.saturating_sub(over.1)).unwrap_or(u64::MAX),
        }
    }
}

fn summed(times: impl Iterator<Item = (i64, u64)>) -> Vec<(i64, u128)> {
    let mut times: Vec<_> = times
        .map(|(time, bytes)| (time, u128::from(bytes)))
        .collect();
    times.sort_unstable();
    let mut sum = 0;
    for (_, bytes) in &mut times {
        sum += *bytes;
        *bytes = sum;
    }
    times
}

/// How many, and their bytes.
fn up_to(sums: &[(i64, u128)], is_before: impl Fn(i64) -> bool) -> (u64, u128) {
    let count = sums.partition_point(|(time, _)| is_before(*time));
    let last = count.checked_sub(1).and_then(|last| sums.get(last));
    (count as u64, last.map_or(0, |(_, bytes)| *bytes))
}

impl<'a> Under<'a> {
    pub(super) fn of(trial: &'a Trial<'a>, setting: Setting) -> Self {
        let gone = match setting {
            Setting::Limit(limit) => Gone::Beyond(limit),
            Setting::Timeout(seconds) => {
                let timeout_ms = as_milliseconds(seconds);
                let is_ended = move |stall: &&Stall| {
                    stall.makes_no_progress && stall.lasted_ms() >= timeout_ms
                };
                let all = trial.stalls.iter().filter(is_ended);
                let involved = all.clone().filter(|stall| trial.is_involved(&stall.peer));
                Gone::Stalls {
                    involved: Sums::of(involved, timeout_ms),
                    all: Sums::of(all, timeout_ms),
                }
            }
        };
        Self { trial, gone }
    }

    /// What would not be held in that second, of peers of incidents or of all.
    pub(super) fn ended(&self, second: &Second, of_all: bool) -> Held {
        let mut ended = Held::default();
        match &self.gone {
            Gone::Stalls { all, involved } => {
                let sums = if of_all { all } else { involved };
                ended = sums.at(Time(second.at.unix_ms));
            }
            Gone::Beyond(limit) => {
                let peers = second.peers.iter();
                for peer in peers.filter(|peer| of_all || self.trial.is_involved(&peer.peer)) {
                    let stalled = natural(peer.stalled_connections);
                    let over = stalled.saturating_sub(*limit);
                    ended.connections = ended.connections.saturating_add(over);
                    let bytes = u128::from(natural(peer.pinned_bytes));
                    let share = bytes * u128::from(over) / u128::from(stalled.max(1));
                    ended.bytes = ended
                        .bytes
                        .saturating_add(u64::try_from(share).unwrap_or(0));
                }
            }
        }
        // Not more than was held: what single connections held is known at their worst only.
        let held = held_in(second, self.trial.only);
        Held {
            connections: ended.connections.min(held.connections),
            bytes: ended.bytes.min(held.bytes),
        }
    }

    /// At the worst moment, of the peers that it is tried on.
    pub(super) fn ended_at_worst(&self, worst: &Second) -> Held {
        self.ended(worst, self.trial.only.is_none())
    }

    /// What is left under the setting of what peers of incidents held.
    pub(super) fn left(&self, held: Held, second: &Second) -> Held {
        let ended = self.ended(second, self.trial.is_crowded(second));
        Held {
            connections: held.connections.saturating_sub(ended.connections),
            bytes: held.bytes.saturating_sub(ended.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Setting, Trial, Under};
    use crate::report::remedies::tests::NO_HOARD;
    use crate::report::stalls::stalls;
    use crate::report::tests::quiet_recording;

    #[test]
    fn a_limit_ends_what_is_above_it_and_a_timeout_what_is_older() {
        let recording = quiet_recording();
        let stalls = stalls(&recording);
        let trial = Trial::of(&recording, &stalls, &NO_HOARD, None);
        let worst = trial.worst.unwrap();
        let ended = |setting| Under::of(&trial, setting).ended(worst, true);
        // Eight of one peer and one of another, of 4 MB each; the first eight for 40 s.
        let limit = ended(Setting::Limit(5));
        assert_eq!((limit.connections, limit.bytes), (3, 12_000_000));
        let timeout = ended(Setting::Timeout(30));
        assert_eq!((timeout.connections, timeout.bytes), (8, 32_000_000));
        assert_eq!(ended(Setting::Timeout(60)).connections, 0);
        assert_eq!(ended(Setting::Limit(50)).connections, 0);
    }
}
