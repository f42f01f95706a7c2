//! Pieces of sentences that cards share.

use detector_api::time;
use detector_api::units;

/// `2026-12-29 21:04:05 UTC, 12m 5s ago`
pub(crate) fn moment(rfc3339: &str, now_unix_ns: i128) -> String {
    let shown = time::moment(rfc3339);
    #[allow(clippy::cast_precision_loss, reason = "an age has few digits")]
    let age = time::rfc3339_unix_ns(rfc3339)
        // Another host's clock may be ahead.
        .filter(|then| *then <= now_unix_ns)
        .map(|then| now_unix_ns.saturating_sub(then) as f64 / 1e9);
    match age {
        Some(age) => format!("{shown}, {} ago", units::seconds(age)),
        None => shown,
    }
}
