//! What would have helped: timeouts and limits, tried on what was recorded.

mod danger;
mod trial;
mod under;

use super::model::{Remedies, Remedy, WorkersFreed};
use super::recording::{Recording, natural};
use super::stalls::Stall;
use danger::{coarseness, danger};
use detector_api::snapshot::{Evidence, HoardThresholds, Incident, Verdict};
use detector_recorder::{HoardSeconds, PEERS_EACH_SECOND, RecorderError};
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
pub(super) fn remedies(tried: Tried<'_>) -> Result<Remedies, RecorderError> {
    let least = thresholds(tried.recordings);
    let hoards = tried.recordings.iter();
    let hoards = hoards.map(|recording| recording.hoard(least, tried.only));
    let hoards = hoards.collect::<Result<Vec<_>, _>>()?;
    Ok(of_hoards(tried, &hoards, least))
}

/// The same where it is known when a hoard was held, recording by recording.
fn of_hoards(tried: Tried<'_>, hoards: &[HoardSeconds], hoard: HoardThresholds) -> Remedies {
    let Tried { verdicts, only, .. } = tried;
    let each = tried.recordings.iter().zip(tried.stalls).zip(hoards);
    let trials: Vec<_> = each
        .map(|((recording, stalls), hoard)| Trial::of(recording, stalls, hoard, only))
        .collect();
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
    told.extend(coarseness(trials));
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
mod tests;
