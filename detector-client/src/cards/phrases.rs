//! Pieces of sentences that cards share.

use detector_api::time;
use detector_api::units;

/// `2026-12-29 21:04:05 UTC, 12m 5s ago`
pub(crate) fn moment(time: &str, now_unix_ns: i128) -> String {
    let shown = match (time.get(..10), time.get(11..19)) {
        (Some(day), Some(clock)) => format!("{day} {clock} UTC"),
        _ => time.to_owned(),
    };
    #[allow(clippy::cast_precision_loss, reason = "an age has few digits")]
    let age = time::rfc3339_unix_ns(time)
        // Another host's clock may be ahead.
        .filter(|then| *then <= now_unix_ns)
        .map(|then| now_unix_ns.saturating_sub(then) as f64 / 1e9);
    match age {
        Some(age) => format!("{shown}, {} ago", units::seconds(age)),
        None => shown,
    }
}
