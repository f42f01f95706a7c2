//! Which of the settings that were tried is recommended.

use super::model::{Remedies, Remedy};

/// A shorter timeout would end honest pauses too, whatever one record says,
const TIMEOUT_LEAST: u64 = 15;
/// and a lower limit what one browser opens.
const LIMIT_LEAST: u64 = 10;

/// Of the settings that would have spared a host nine tenths of its danger, the one that costs least;
/// else the one that would have spared it most, if that is half. None where there was no danger.
pub(super) fn best(remedies: &Remedies) -> Option<(String, &Remedy)> {
    let timeouts = remedies.timeouts.iter();
    let timeouts = timeouts.filter(|each| each.value >= TIMEOUT_LEAST);
    let timeouts = timeouts.map(|each| (format!("a timeout of {} s", each.value), each));
    let limits = remedies.limits.iter();
    let limits = limits.filter(|each| each.value >= LIMIT_LEAST);
    let limits = limits.map(|each| {
        let name = format!("a limit of {} connections an address", each.value);
        (name, each)
    });
    let all = timeouts.chain(limits);
    let spares = |part: f64| {
        let most = remedies.danger_seconds * part;
        let enough = all
            .clone()
            .filter(move |(_, each)| each.danger_seconds <= most);
        enough.min_by(|(_, a), (_, b)| {
            let by_cost = a.honest_connections.cmp(&b.honest_connections);
            let by_danger = a.danger_seconds.total_cmp(&b.danger_seconds);
            by_cost.then(by_danger).then(b.value.cmp(&a.value))
        })
    };
    let is_danger = remedies.danger_seconds > 0.0;
    let found = is_danger.then(|| spares(0.1).or_else(|| spares(0.5)));
    found.flatten()
}
