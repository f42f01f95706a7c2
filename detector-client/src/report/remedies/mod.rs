//! What would have helped: timeouts and limits, tried on what was recorded.

mod trial;
mod under;

use super::model::{Remedies, Remedy, Time, WorkersFreed};
use super::recording::{Recording, natural};
use super::stalls::Stall;
use detector_api::snapshot::{Evidence, HoardThresholds, Incident, Verdict};
use detector_recorder::PEERS_EACH_SECOND;
use std::collections::HashMap;
use trial::{Held, Setting, Trial};
use under::Under;

/// The agent's defaults, where no card says otherwise.
const HOARD: HoardThresholds = HoardThresholds {
    hoard_connections: 20,
    hoard_bytes: 64 << 20,
};

/// What each peer is taken to be, over all hosts.
pub(super) type Verdicts = HashMap<String, Option<Verdict>>;

/// On what settings are tried.
#[derive(Clone, Copy)]
pub(super) struct Tried<'a> {
    pub(super) recordings: &'a [Recording],
    /// Of each recording.
    pub(super) stalls: &'a [Vec<Stall>],
    pub(super) verdicts: &'a Verdicts,
    /// Only what this peer held.
    pub(super) only: Option<&'a str>,
}
/// Tries all settings.
pub(super) fn remedies(tried: Tried<'_>) -> Remedies {
    let Tried {
        recordings,
        verdicts,
        only,
        ..
    } = tried;
    let each = recordings.iter().zip(tried.stalls);
    let trials: Vec<_> = each
        .map(|(recording, stalls)| Trial::of(recording, stalls, only))
        .collect();
    let hoard = thresholds(recordings);
    let of_trials = |setting| remedy(&trials, verdicts, hoard, setting);
    let (danger_seconds, out_of_danger) = danger(&trials, hoard, &[]);
    Remedies {
        worst: trials.iter().filter_map(Trial::worst_moment).collect(),
        hoard_connections: hoard.hoard_connections,
        hoard_bytes: hoard.hoard_bytes,
        danger_seconds,
        out_of_danger,
        honest_stalled_connections: trials.iter().map(|trial| trial.honest(verdicts)).sum(),
        timeouts: Remedies::TIMEOUTS
            .map(Setting::Timeout)
            .map(of_trials)
            .into(),
        limits: Remedies::LIMITS.map(Setting::Limit).map(of_trials).into(),
        undecided: undecided(&trials),
    }
}

/// The thresholds that were in force, last where they were changed. Of recorders that do not keep them, those that
/// the evidence on a card names.
fn thresholds(recordings: &[Recording]) -> HoardThresholds {
    let cards = || recordings.iter().flat_map(|recording| &recording.cards);
    let newest = cards().filter(|card| card.thresholds.is_some());
    let newest = newest.max_by_key(|card| card.at.unix_ms);
    if let Some(thresholds) = newest.and_then(|card| card.thresholds) {
        return HoardThresholds {
            hoard_connections: thresholds.hoard_connections,
            hoard_bytes: thresholds.hoard_bytes,
        };
    }
    let all = cards().flat_map(|card| {
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

fn remedy(
    trials: &[Trial<'_>],
    verdicts: &Verdicts,
    hoard: HoardThresholds,
    setting: Setting,
) -> Remedy {
    let under: Vec<_> = trials
        .iter()
        .map(|trial| Under::of(trial, setting))
        .collect();
    let mut ended = Held::default();
    let mut freed_workers = None;
    for (trial, under) in trials.iter().zip(&under) {
        let Some(worst) = trial.worst else { continue };
        let gone = under.ended_at_worst(worst);
        ended.connections = ended.connections.saturating_add(gone.connections);
        ended.bytes = ended.bytes.saturating_add(gone.bytes);
        if let Some(workers) = worst.host.held_workers.map(natural) {
            let stalled = natural(worst.host.stalled_connections.unwrap_or(0));
            let stay = stalled.saturating_sub(gone.connections);
            let freed: &mut WorkersFreed = freed_workers.get_or_insert_default();
            freed.least = freed.least.saturating_add(workers.saturating_sub(stay));
            freed.most = freed.most.saturating_add(workers.min(gone.connections));
        }
    }
    let (danger_seconds, out_of_danger) = danger(trials, hoard, &under);
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
            .fold(0, u64::saturating_add),
    }
}

/// For how long the host that is longest in danger is so under the setting, if there is one, and when the last of them
/// is not any more.
fn danger(
    trials: &[Trial<'_>],
    hoard: HoardThresholds,
    under: &[Under<'_>],
) -> (f64, Option<Time>) {
    let mut longest_ms = 0;
    let mut out = None;
    let mut is_over = true;
    for (host, trial) in trials.iter().enumerate() {
        let seconds = &trial.recording.seconds;
        let is_danger = |held: Held| {
            held.connections >= hoard.hoard_connections || held.bytes >= hoard.hoard_bytes
        };
        let mut in_danger_ms = 0_i64;
        for (place, second) in seconds.iter().enumerate() {
            let held = trial.held(second);
            // What was no danger is none under any setting; trying costs most of the time.
            let left = || match under.get(host) {
                Some(under) => under.left(held, second),
                None => held,
            };
            if !is_danger(held) || !is_danger(left()) {
                continue;
            }
            // Until somebody has seen otherwise.
            match seconds.get(place + 1) {
                Some(next) => {
                    // While no agent ran nobody saw it. Nothing lasts where the clock was set back.
                    let until_ms = if next.run == second.run {
                        next.at.unix_ms
                    } else {
                        trial.run_end_ms(second).unwrap_or(second.at.unix_ms)
                    };
                    let lasted = until_ms.saturating_sub(second.at.unix_ms).max(0);
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
    if trials.iter().any(Trial::is_ever_crowded) {
        told.push(format!(
            "How much of what stood still was of peers of incidents, where many held something: {PEERS_EACH_SECOND} \
             peers are written each second, and {} are named of an incident. At such moments all that stood \
             still counts, so the times in danger are upper bounds.",
            Incident::PEERS_MAX
        ));
    }
    let slow = trials.iter().flat_map(|trial| trial.stalls);
    let slow = slow.filter(|stall| !stall.makes_no_progress).count();
    if slow > 0 {
        told.push(format!(
            "A timeout between two writes does not see {slow} of the recorded stalls: those peers \
             took a few bytes now and then. They are counted as not ended."
        ));
    }
    let dated = trials.iter().filter_map(Trial::worst_moment);
    let undated = dated
        .map(|worst| worst.stalled_connections - worst.dated_connections)
        .fold(0, u64::saturating_add);
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
    use super::{Tried, remedies};
    use crate::report::model::{Remedies, Time};
    use crate::report::recording::Recording;
    use crate::report::stalls::{Stall, stalls};
    use crate::report::tests::{quiet_recording, thread_time};
    use detector_api::fixtures;
    use detector_api::snapshot::{IncidentPeer, Severity};
    use detector_recorder::{PEERS_EACH_SECOND, PeerSecond};
    use std::collections::HashMap;
    use std::time::Duration;

    /// Two minutes in which each of so many peers holds two connections; so many of them, from the last on, take
    /// part in an incident, all of them named.
    fn held_by(peers: usize, involved: usize) -> (Recording, Vec<Stall>) {
        const SECONDS: i64 = 120;
        let mut recording = quiet_recording();
        let template = stalls(&recording).remove(0);
        let mut second = recording.seconds.remove(0);
        let began = second.at.unix_ms;
        let names: Vec<_> = (0..peers)
            .map(|number| format!("203.0.113.{number}"))
            .collect();
        let mut incident = fixtures::incident("20261229T120040.000Z", &Time(began).rfc3339());
        incident.peers_total = involved as u64;
        incident.peers = names[peers - involved..]
            .iter()
            .map(|name| IncidentPeer {
                peer: name.clone(),
                verdict: None,
                severity: Severity::Warning,
                flags: Vec::new(),
                peak_stalled_connections: 2,
                peak_pinned_bytes: 2_000_000,
                peak_held_workers: None,
                since: incident.began.clone(),
                until: Time(began + SECONDS * 1_000).rfc3339(),
            })
            .collect();
        recording.incidents = vec![incident];
        let written = names.iter().take(PEERS_EACH_SECOND).map(|name| PeerSecond {
            peer: name.clone(),
            stalled_connections: 2,
            pinned_bytes: 2_000_000,
            ..PeerSecond::default()
        });
        second.peers = written.collect();
        let stalled = i64::try_from(peers).unwrap() * 2;
        second.host.stalled_connections = Some(stalled);
        second.host.pinned_bytes = Some(stalled * 1_000_000);
        recording.seconds = (0..SECONDS)
            .map(|number| {
                let mut second = second.clone();
                second.at.unix_ms = began + number * 1_000;
                second
            })
            .collect();
        // Of the last twelve no timeout sees anything.
        let stalls = names.iter().enumerate().flat_map(|(number, name)| {
            [1, 2].map(|port| Stall {
                peer: name.clone(),
                remote: format!("{name}:{port}"),
                began: Time(began),
                ended: Time(began + SECONDS * 1_000),
                pinned_bytes: 1_000_000,
                makes_no_progress: number + 12 < peers,
                ..template.clone()
            })
        });
        let stalls = stalls.collect();
        (recording, stalls)
    }

    fn tried((recording, stalls): (Recording, Vec<Stall>)) -> Remedies {
        remedies(Tried {
            recordings: &[recording],
            stalls: &[stalls],
            verdicts: &HashMap::new(),
            only: None,
        })
    }

    /// More peers are named of an incident than are written each second.
    #[test]
    fn a_timeout_spares_no_danger_that_peers_are_who_were_not_written() {
        let bound = "upper bounds";
        // The last do without a place among those that are written where others hold as much.
        for (peers, involved, is_bound) in [
            (PEERS_EACH_SECOND, PEERS_EACH_SECOND, false),
            (32, 32, true),
            (32, 12, true),
        ] {
            let tried = tried(held_by(peers, involved));
            assert!((tried.danger_seconds - 119.0).abs() < 1.0, "{tried:?}");
            // 24 connections go on, and 20 are a hoard.
            let timeout = &tried.timeouts[0];
            assert!(
                (timeout.danger_seconds - 119.0).abs() < 1.0,
                "{peers}, {involved}: {timeout:?}"
            );
            let told = tried.undecided.iter().any(|line| line.contains(bound));
            assert_eq!(told, is_bound, "{:?}", tried.undecided);
        }
    }

    /// Six hundred seconds of danger, and many stalls of others, in a build that is not even optimised.
    #[test]
    fn many_stalls_and_long_danger_are_tried_at_once() {
        let mut recording = quiet_recording();
        let stall = stalls(&recording).remove(0);
        let mut second = recording.seconds.remove(0);
        second.peers[0].stalled_connections = 30;
        second.host.stalled_connections = Some(30);
        let began = second.at.unix_ms;
        recording.seconds = (0..600)
            .map(|number| {
                let mut second = second.clone();
                second.at.unix_ms = began + number * 1_000;
                second
            })
            .collect();
        let many = (0..20_000).map(|number| {
            let mut stall = stall.clone();
            let began = began + number * 30;
            (stall.began, stall.ended) = (Time(began), Time(began + 20_000));
            stall.peer = format!("198.51.{}.{}", number / 250, number % 250);
            stall
        });
        let (recordings, stalls) = ([recording], [many.collect::<Vec<_>>()]);
        let began = thread_time();
        let tried = remedies(Tried {
            recordings: &recordings,
            stalls: &stalls,
            verdicts: &HashMap::new(),
            only: Some(&stall.peer),
        });
        let took = thread_time() - began;
        assert!(
            (tried.danger_seconds - 599.0).abs() < 1.0,
            "{}",
            tried.danger_seconds
        );
        assert!(took <= Duration::from_secs(1), "{took:?}");
    }
}
