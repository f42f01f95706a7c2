//! What would have helped: timeouts and limits, tried on what was recorded.

use super::model::{Remedies, Remedy, Time, WorstMoment};
use super::recording::{Recording, Second, natural};
use super::stalls::{Stall, stalls};
use detector_api::snapshot::{Evidence, HoardThresholds, Verdict};
use std::collections::{BTreeSet, HashMap};

/// Seconds between two writes that make progress.
pub(super) const TIMEOUTS: [u64; 5] = [5, 10, 15, 30, 60];
/// Connections that one address may have.
pub(super) const LIMITS: [u64; 4] = [5, 10, 20, 50];
/// Of the agent's configuration, where no card says otherwise.
const HOARD: HoardThresholds = HoardThresholds {
    hoard_connections: 20,
    hoard_bytes: 64 << 20,
};

/// What each peer is taken to be, over all hosts.
pub(super) type Verdicts = HashMap<String, Option<Verdict>>;

/// One host, and what can be tried on it.
struct Trial<'a> {
    recording: &'a Recording,
    stalls: Vec<Stall>,
    /// Peers that took part in an incident of this host.
    involved: BTreeSet<&'a str>,
    worst: Option<&'a Second>,
}

/// A setting to try.
#[derive(Clone, Copy)]
enum Setting {
    Timeout(u64),
    Limit(u64),
}

/// Connections and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    connections: u64,
    bytes: u64,
}

/// Tries all settings.
pub(super) fn remedies(recordings: &[Recording], verdicts: &Verdicts) -> Remedies {
    let trials: Vec<_> = recordings.iter().map(Trial::of).collect();
    let hoard = thresholds(recordings);
    let of_trials = |setting| remedy(&trials, verdicts, hoard, setting);
    let (danger_seconds, out_of_danger) = danger(&trials, hoard, None);
    Remedies {
        worst: trials.iter().filter_map(Trial::worst_moment).collect(),
        hoard_connections: hoard.hoard_connections,
        hoard_bytes: hoard.hoard_bytes,
        danger_seconds,
        out_of_danger,
        honest_stalled_connections: trials.iter().map(|trial| trial.honest(verdicts)).sum(),
        timeouts: TIMEOUTS.map(Setting::Timeout).map(of_trials).into(),
        limits: LIMITS.map(Setting::Limit).map(of_trials).into(),
        undecided: undecided(&trials),
    }
}

/// The thresholds that were in force, as far as a card tells them.
fn thresholds(recordings: &[Recording]) -> HoardThresholds {
    let cards = recordings.iter().flat_map(|recording| &recording.cards);
    let all = cards.flat_map(|card| {
        let assessment = &card.detail.assessment;
        let evidence = assessment.evidence_for.iter();
        evidence.chain(&assessment.evidence_against)
    });
    let mut told = all.filter_map(|evidence| match evidence {
        Evidence::HoardOfPeer { hoard, .. }
        | Evidence::HoardOfNetwork { hoard, .. }
        | Evidence::HoardByLikeness { hoard, .. }
        | Evidence::BelowThresholds { hoard, .. } => Some(*hoard),
        _ => None,
    });
    told.next().unwrap_or(HOARD)
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

fn remedy(
    trials: &[Trial<'_>],
    verdicts: &Verdicts,
    hoard: HoardThresholds,
    setting: Setting,
) -> Remedy {
    let mut ended = Held::default();
    let mut freed_workers = None;
    for trial in trials {
        let Some(worst) = trial.worst else { continue };
        let gone = trial.ended(worst, setting, |_| true);
        ended.connections = ended.connections.saturating_add(gone.connections);
        ended.bytes = ended.bytes.saturating_add(gone.bytes);
        if let Some(workers) = worst.host.held_workers.map(natural) {
            let stalled = natural(worst.host.stalled_connections.unwrap_or(0)).max(1);
            let share = workers.saturating_mul(gone.connections) / stalled;
            *freed_workers.get_or_insert(0) += share.min(workers);
        }
    }
    let (danger_seconds, out_of_danger) = danger(trials, hoard, Some(setting));
    Remedy {
        value: match setting {
            Setting::Timeout(value) | Setting::Limit(value) => value,
        },
        ended_connections: ended.connections,
        freed_bytes: ended.bytes,
        freed_workers,
        danger_seconds,
        out_of_danger,
        honest_connections: trials
            .iter()
            .map(|trial| trial.honest_cost(verdicts, setting))
            .sum(),
    }
}

/// For how long the host that is longest in danger is so under the setting, and when the last of them
/// is not any more.
fn danger(
    trials: &[Trial<'_>],
    hoard: HoardThresholds,
    setting: Option<Setting>,
) -> (f64, Option<Time>) {
    let mut longest_ms = 0;
    let mut out = None;
    let mut is_over = true;
    for trial in trials {
        let seconds = &trial.recording.seconds;
        let is_danger = |held: Held| {
            held.connections >= hoard.hoard_connections || held.bytes >= hoard.hoard_bytes
        };
        let mut in_danger_ms = 0_i64;
        for (place, second) in seconds.iter().enumerate() {
            let held = trial.held(second);
            // What was no danger is none under any setting; trying costs most of the time.
            if !is_danger(held) || !is_danger(trial.left(held, second, setting)) {
                continue;
            }
            // Until somebody has seen otherwise.
            match seconds.get(place + 1) {
                Some(next) => {
                    let lasted = next.at.unix_ms.saturating_sub(second.at.unix_ms);
                    in_danger_ms = in_danger_ms.saturating_add(lasted);
                    out = out.max(Some(Time(next.at.unix_ms)));
                }
                None => {
                    in_danger_ms = in_danger_ms.max(1);
                    is_over = false;
                }
            }
        }
        longest_ms = longest_ms.max(in_danger_ms);
    }
    #[allow(clippy::cast_precision_loss, reason = "shown with few digits")]
    let danger_seconds = longest_ms as f64 / 1_000.0;
    (danger_seconds, out.filter(|_| is_over))
}

impl<'a> Trial<'a> {
    fn of(recording: &'a Recording) -> Self {
        let peers = recording
            .incidents
            .iter()
            .flat_map(|incident| &incident.peers);
        let worst = recording.seconds.iter().filter(|second| {
            let host = &second.host;
            host.stalled_connections.unwrap_or(0) > 0
        });
        Self {
            recording,
            stalls: stalls(recording),
            involved: peers.map(|peer| peer.peer.as_str()).collect(),
            // The first of several.
            worst: worst.rev().max_by_key(|second| {
                let host = &second.host;
                (host.pinned_bytes, host.stalled_connections)
            }),
        }
    }

    fn worst_moment(&self) -> Option<WorstMoment> {
        let second = self.worst?;
        let at = Time(second.at.unix_ms);
        let stalled = natural(second.host.stalled_connections?);
        let dated = self
            .stalls
            .iter()
            .filter(|stall| stall.age_ms(at).is_some());
        Some(WorstMoment {
            host: self.recording.host().to_owned(),
            time: at,
            stalled_connections: stalled,
            pinned_bytes: natural(second.host.pinned_bytes.unwrap_or(0)),
            held_workers: second.host.held_workers.map(natural),
            dated_connections: (dated.count() as u64).min(stalled),
        })
    }

    /// What would not be held in that second, of the peers asked for.
    fn ended(&self, second: &Second, setting: Setting, wants: impl Fn(&str) -> bool) -> Held {
        let mut ended = Held::default();
        match setting {
            Setting::Timeout(seconds) => {
                let at = Time(second.at.unix_ms);
                let is_over = |stall: &&Stall| {
                    stall.makes_no_progress
                        && wants(&stall.peer)
                        && stall
                            .age_ms(at)
                            .is_some_and(|age| age >= as_milliseconds(seconds))
                };
                for stall in self.stalls.iter().filter(is_over) {
                    ended.connections += 1;
                    ended.bytes = ended.bytes.saturating_add(stall.pinned_bytes);
                }
            }
            Setting::Limit(limit) => {
                for peer in second.peers.iter().filter(|peer| wants(&peer.peer)) {
                    let stalled = natural(peer.stalled_connections);
                    let over = stalled.saturating_sub(limit);
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
        let host = &second.host;
        Held {
            connections: ended
                .connections
                .min(natural(host.stalled_connections.unwrap_or(0))),
            bytes: ended.bytes.min(natural(host.pinned_bytes.unwrap_or(0))),
        }
    }

    fn is_involved(&self, peer: &str) -> bool {
        self.involved.contains(peer)
    }

    /// What peers of incidents hold in that second.
    fn held(&self, second: &Second) -> Held {
        let mut held = Held::default();
        let peers = second.peers.iter();
        for peer in peers.filter(|peer| self.is_involved(&peer.peer)) {
            held.connections = held
                .connections
                .saturating_add(natural(peer.stalled_connections));
            held.bytes = held.bytes.saturating_add(natural(peer.pinned_bytes));
        }
        held
    }

    /// What is left of that under the setting.
    fn left(&self, held: Held, second: &Second, setting: Option<Setting>) -> Held {
        let Some(setting) = setting else { return held };
        let ended = self.ended(second, setting, |peer| self.is_involved(peer));
        Held {
            connections: held.connections.saturating_sub(ended.connections),
            bytes: held.bytes.saturating_sub(ended.bytes),
        }
    }

    /// Stalls of honest peers in all that is recorded.
    fn honest(&self, verdicts: &Verdicts) -> u64 {
        let stalls = self.stalls.iter();
        stalls
            .filter(|stall| is_honest(verdicts, &stall.peer))
            .count() as u64
    }

    fn honest_cost(&self, verdicts: &Verdicts, setting: Setting) -> u64 {
        match setting {
            Setting::Timeout(seconds) => {
                let is_cost = |stall: &&Stall| {
                    stall.makes_no_progress
                        && stall.lasted_ms() >= as_milliseconds(seconds)
                        && is_honest(verdicts, &stall.peer)
                };
                self.stalls.iter().filter(is_cost).count() as u64
            }
            Setting::Limit(limit) => {
                let peaks = self.recording.peaks_ever.iter();
                let honest = peaks.filter(|peak| is_honest(verdicts, &peak.peer));
                honest
                    .map(|peak| natural(peak.stalled_connections).saturating_sub(limit))
                    .fold(0, u64::saturating_add)
            }
        }
    }
}

fn as_milliseconds(seconds: u64) -> i64 {
    i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX)
}

/// What no record of what was can say of what would have been.
fn undecided(trials: &[Trial<'_>]) -> Vec<String> {
    let mut told = vec![
        "Whether those who meant harm would have come back: a connection that was ended can be \
         opened again at once. A timeout bounds what each holds, a limit how many there are."
            .to_owned(),
        "What healthy connections a limit would have refused: only connections that misbehaved are \
         recorded. Many users behind one address may have more."
            .to_owned(),
        "Whether the program would have freed a connection at once: nginx without \
         `reset_timedout_connection on` leaves the kernel to send what is queued."
            .to_owned(),
    ];
    let slow = trials.iter().flat_map(|trial| &trial.stalls);
    let slow = slow.filter(|stall| !stall.makes_no_progress).count();
    if slow > 0 {
        told.push(format!(
            "A timeout between two writes does not see {slow} of the recorded stalls: those peers \
             took a few bytes now and then. They are counted as not ended."
        ));
    }
    let dated = trials.iter().filter_map(Trial::worst_moment);
    let undated: u64 = dated
        .map(|worst| worst.stalled_connections - worst.dated_connections)
        .sum();
    if undated > 0 {
        told.push(format!(
            "Since when {undated} of the connections stalled at the worst moment were stalled: a \
             peer may cause only so many events. They are counted as not ended by a timeout."
        ));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::{Setting, Trial, is_honest};
    use crate::report::tests::quiet_recording;
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
    fn a_limit_ends_what_is_above_it_and_a_timeout_what_is_older() {
        let recording = quiet_recording();
        let trial = Trial::of(&recording);
        let worst = trial.worst.unwrap();
        let ended = |setting| trial.ended(worst, setting, |_| true);
        // Eight of one peer and one of another, of 4 MB each; the first eight for 40 s.
        let limit = ended(Setting::Limit(5));
        assert_eq!((limit.connections, limit.bytes), (3, 12_000_000));
        let timeout = ended(Setting::Timeout(30));
        assert_eq!((timeout.connections, timeout.bytes), (8, 32_000_000));
        assert_eq!(ended(Setting::Timeout(60)).connections, 0);
        assert_eq!(ended(Setting::Limit(50)).connections, 0);
    }
}
