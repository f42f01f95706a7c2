//! One host, and what a setting would have done to what it recorded.

use super::Verdicts;
use crate::report::model::{Time, WorstMoment};
use crate::report::recording::{Recording, natural, time_of};
use crate::report::stalls::Stall;
use detector_api::snapshot::{Incident, Verdict};
use detector_recorder::{HoardSeconds, PEERS_EACH_SECOND, Second};
use std::collections::{BTreeSet, HashMap, HashSet};

/// One host, and what can be tried on it.
pub(super) struct Trial<'a> {
    pub(super) recording: &'a Recording,
    pub(super) stalls: &'a [Stall],
    /// All seconds in which there may have been danger.
    pub(super) hoard: &'a HoardSeconds,
    /// Peers that took part in an incident of this host.
    involved: BTreeSet<&'a str>,
    /// Incidents of which not all who took part may be known at each moment.
    casts: Vec<Cast<'a>>,
    pub(super) only: Option<&'a str>,
    pub(super) worst: Option<&'a Second>,
}
/// A setting to try.
#[derive(Clone, Copy)]
pub(super) enum Setting {
    Timeout(u64),
    Limit(u64),
}
/// Connections and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Held {
    pub(super) bytes: u64,
    pub(super) connections: u64,
}

/// What the peer, or all, held in that second.
pub(super) fn held_in(second: &Second, only: Option<&str>) -> Held {
    let (connections, bytes) = match only {
        Some(only) => {
            let mut peers = second.peers.iter();
            let peer = peers.find(|peer| peer.peer == only);
            peer.map_or((0, 0), |peer| (peer.stalled_connections, peer.pinned_bytes))
        }
        None => {
            let host = &second.host;
            let bytes = host.pinned_bytes.unwrap_or(0);
            (host.stalled_connections.unwrap_or(0), bytes)
        }
    };
    Held {
        bytes: natural(bytes),
        connections: natural(connections),
    }
}
/// Whether a peer counts as honest: nobody accuses it, and it is there.
fn is_honest(verdicts: &Verdicts, peer: &str) -> bool {
    !matches!(
        verdicts.get(peer).copied().flatten(),
        Some(
            Verdict::SlowReadAttack
                | Verdict::ZeroWindowAttack
                | Verdict::Tarpit
                | Verdict::Vanished
        )
    )
}
impl<'a> Trial<'a> {
    pub(super) fn of(
        recording: &'a Recording,
        stalls: &'a [Stall],
        hoard: &'a HoardSeconds,
        only: Option<&'a str>,
    ) -> Self {
        let incidents = recording.incidents.iter();
        let peers = incidents.flat_map(|incident| &incident.peers);
        let seconds = recording.seconds.iter();
        Self {
            recording,
            stalls,
            hoard,
            involved: match only {
                Some(only) => BTreeSet::from([only]),
                None => peers.map(|peer| peer.peer.as_str()).collect(),
            },
            only,
            casts: match only {
                Some(_) => Vec::new(),
                None => recording.incidents.iter().filter_map(Cast::of).collect(),
            },
            // The first of several, if it is known how many workers waited at one of them at such a one.
            worst: seconds
                .filter(|second| held_in(second, only).connections > 0)
                .rev()
                .max_by_key(|second| (held_in(second, only), second.host.held_workers.is_some())),
        }
    }

    /// Whether a setting is tried on this peer.
    fn concerns(&self, peer: &str) -> bool {
        self.only.is_none_or(|only| only == peer)
    }

    /// Whether it took part in an incident.
    pub(super) fn is_involved(&self, peer: &str) -> bool {
        self.involved.contains(peer)
    }

    pub(super) fn worst_moment(&self) -> Option<WorstMoment> {
        let second = self.worst?;
        let at = Time(second.at.unix_ms);
        let held = held_in(second, self.only);
        let dated = self
            .stalls
            .iter()
            .filter(|stall| self.concerns(&stall.peer) && stall.age_ms(at).is_some());
        Some(WorstMoment {
            host: self.recording.host().to_owned(),
            time: at,
            stalled_connections: held.connections,
            pinned_bytes: held.bytes,
            held_workers: second.host.held_workers.map(natural),
            dated_connections: (dated.count() as u64).min(held.connections),
        })
    }

    /// Whether more took part in an incident of that moment than anybody wrote down: then all that is
    /// stalled counts.
    pub(super) fn is_crowded(&self, second: &Second) -> bool {
        let at = Time(second.at.unix_ms);
        let in_it = self.casts.iter();
        let mut in_it = in_it.filter(|cast| cast.lasted.contains(at)).peekable();
        if in_it.peek().is_none() {
            return false;
        }
        // The second's peers are added up once, however many incidents there are.
        let lacks_peers = lacks_peers(second);
        in_it.any(|cast| !cast.names_all || (lacks_peers && cast.is_lacking_in(second, at)))
    }

    /// Whether it was so at any moment of a hoard: what is told of danger is an upper bound then.
    pub(super) fn is_ever_crowded(&self) -> bool {
        let mut seconds = self.hoard.seconds.iter();
        seconds.any(|each| self.is_crowded(&each.second))
    }

    /// What peers of incidents hold in that second.
    pub(super) fn held(&self, second: &Second) -> Held {
        if self.is_crowded(second) {
            return held_in(second, None);
        }
        let mut held = Held::default();
        for peer in &second.peers {
            if self.is_involved(&peer.peer) {
                let stalled = natural(peer.stalled_connections);
                held.connections = held.connections.saturating_add(stalled);
                held.bytes = held.bytes.saturating_add(natural(peer.pinned_bytes));
            }
        }
        held
    }

    /// Connections of honest peers that were stalled in all that is recorded.
    pub(super) fn honest(&self, verdicts: &Verdicts) -> u64 {
        let stalls = self.stalls.iter();
        connections(stalls.filter(|stall| is_honest(verdicts, &stall.peer)))
    }

    pub(super) fn honest_cost(&self, verdicts: &Verdicts, setting: Setting) -> u64 {
        match setting {
            Setting::Timeout(seconds) => {
                let is_cost = |stall: &&Stall| {
                    stall.makes_no_progress
                        && stall.lasted_ms() >= as_milliseconds(seconds)
                        && is_honest(verdicts, &stall.peer)
                };
                connections(self.stalls.iter().filter(is_cost))
            }
            Setting::Limit(limit) => {
                let honest = self.most_connections().into_iter();
                let honest = honest.filter(|(peer, _)| is_honest(verdicts, peer));
                honest
                    .map(|(_, connections)| connections.saturating_sub(limit))
                    .fold(0, u64::saturating_add)
            }
        }
    }

    /// How many connections each peer had at once, as far as it was written down: a limit counts all of
    /// them, not only those that stall.
    fn most_connections(&self) -> HashMap<&str, u64> {
        let stalled = self.recording.peaks_ever.iter();
        let stalled = stalled.map(|peak| (peak.peer.as_str(), natural(peak.stalled_connections)));
        let counted = self.recording.cards.iter().filter_map(|card| {
            let peer = card.peer();
            Some((peer.peer.as_str(), peer.connections_all?))
        });
        let mut most = HashMap::new();
        for (peer, connections) in stalled.chain(counted) {
            let known = most.entry(peer).or_insert(0);
            *known = connections.max(*known);
        }
        most
    }
}
/// Of how many connections these stalls are: one may pause often.
fn connections<'a>(stalls: impl Iterator<Item = &'a Stall>) -> u64 {
    stalls.map(Stall::connection).collect::<HashSet<_>>().len() as u64
}

/// From one moment to another.
#[derive(Clone, Copy)]
struct Lasted {
    began: Time,
    ended: Time,
}

impl Lasted {
    fn contains(self, at: Time) -> bool {
        self.began <= at && at <= self.ended
    }
}

/// Who took part in an incident.
struct Cast<'a> {
    lasted: Lasted,
    names_all: bool,
    peers: Vec<(&'a str, Lasted)>,
}

impl<'a> Cast<'a> {
    fn of(incident: &'a Incident) -> Option<Self> {
        let lasted = |began: &str, ended: Option<&str>| {
            let ended = ended.and_then(time_of);
            Some(Lasted {
                began: time_of(began)?,
                ended: ended.unwrap_or(Time(i64::MAX)),
            })
        };
        let peers = incident.peers.iter().filter_map(|peer| {
            let lasted = lasted(&peer.since, Some(&peer.until))?;
            Some((peer.peer.as_str(), lasted))
        });
        Some(Self {
            lasted: lasted(&incident.began, incident.ended.as_deref())?,
            names_all: incident.peers_total <= incident.peers.len() as u64,
            peers: peers.collect(),
        })
    }

    /// Whether somebody who took part at this moment is not among those that were written: others held more.
    fn is_lacking_in(&self, second: &Second, at: Time) -> bool {
        let mut taking_part = self.peers.iter().filter(|(_, lasted)| lasted.contains(at));
        taking_part.any(|(name, _)| second.peers.iter().all(|peer| peer.peer != *name))
    }
}

/// Whether more was stalled in that second than the peers held that were written.
fn lacks_peers(second: &Second) -> bool {
    let written = second
        .peers
        .iter()
        .map(|peer| natural(peer.stalled_connections));
    let stalled = natural(second.host.stalled_connections.unwrap_or(0));
    second.peers.len() >= PEERS_EACH_SECOND && written.fold(0, u64::saturating_add) < stalled
}

pub(super) fn as_milliseconds(seconds: u64) -> i64 {
    i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX)
}
#[cfg(test)]
mod tests {
    use super::{Setting, Trial, is_honest};
    use crate::report::remedies::tests::NO_HOARD;
    use crate::report::tests::{card, quiet_recording};
    use detector_api::snapshot::Verdict;
    use std::collections::HashMap;

    #[test]
    fn those_who_are_accused_or_gone_cost_nothing() {
        let mut verdicts = HashMap::new();
        verdicts.insert("a".to_owned(), Some(Verdict::SlowReadAttack));
        verdicts.insert("b".to_owned(), Some(Verdict::Vanished));
        verdicts.insert("c".to_owned(), Some(Verdict::SlowClient));
        let honest = ["a", "b", "c", "unheard-of"].map(|peer| is_honest(&verdicts, peer));
        assert_eq!(honest, [false, false, true, true]);
    }

    #[test]
    fn a_limit_costs_what_honest_peers_had_beyond_it() {
        let recording = quiet_recording();
        let trial = Trial::of(&recording, &[], &NO_HOARD, None);
        // One peer had eight at once, the other one.
        let costs = [5, 10].map(|limit| trial.honest_cost(&HashMap::new(), Setting::Limit(limit)));
        assert_eq!(costs, [3, 0]);
    }

    /// Of an address that many share a limit cuts those that do well.
    #[test]
    fn a_limit_costs_connections_that_never_stalled() {
        let mut recording = quiet_recording();
        let at = recording.source.runs[0].last;
        let mut card = card(at, "203.0.113.9", 8);
        card.detail.peer.connections_all = Some(400);
        recording.cards.push(card);
        let trial = Trial::of(&recording, &[], &NO_HOARD, None);
        let cost = trial.honest_cost(&HashMap::new(), Setting::Limit(10));
        assert_eq!(cost, 390);
    }
}
