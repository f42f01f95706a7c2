//! Stall hoard: one peer holds many stalled connections or many pinned bytes.

use crate::settings::DetectSettings;
use detector_api::snapshot::Severity;

/// Part of a threshold at which a peer matters enough for a warning.
const WARNING_PART: u64 = 4;

/// Fewer stalled connections than this are never a warning by their number.
const WARNING_CONNECTIONS_LEAST: u64 = 2;

/// Whether the peer hoards. One that does must fall below three quarters of both thresholds to
/// be let off, so that a peer at the threshold does not raise a flag at each step.
pub(crate) const fn is_hoarding(
    stalled_connections: u64,
    pinned_bytes: u64,
    was_hoarding: bool,
    settings: &DetectSettings,
) -> bool {
    if stalled_connections == 0 {
        return false;
    }
    let (connections, bytes) = if was_hoarding {
        (
            settings.hoard_connections - settings.hoard_connections / 4,
            settings.hoard_bytes - settings.hoard_bytes / 4,
        )
    } else {
        (settings.hoard_connections, settings.hoard_bytes)
    };
    stalled_connections >= connections || pinned_bytes >= bytes
}

/// How much a peer matters, by what of its holdings is no pause.
///
/// Critical from the hoard thresholds; a warning from a quarter of the connections (two at
/// least) or of the bytes. So a lone stall of a few kilobytes is `info` for ever.
pub(crate) fn severity(connections: u64, pinned_bytes: u64, settings: &DetectSettings) -> Severity {
    if is_hoarding(connections, pinned_bytes, false, settings) {
        return Severity::Critical;
    }
    let warning_connections =
        (settings.hoard_connections / WARNING_PART).max(WARNING_CONNECTIONS_LEAST);
    let warning_bytes = (settings.hoard_bytes / WARNING_PART).max(1);
    if connections >= warning_connections || pinned_bytes >= warning_bytes {
        Severity::Warning
    } else {
        Severity::Info
    }
}

#[cfg(test)]
mod tests {
    use super::{is_hoarding, severity};
    use crate::settings::DetectSettings;
    use detector_api::snapshot::Severity;

    #[test]
    fn cost_alone_makes_severity() {
        let settings = DetectSettings::default();
        let of = |connections, bytes| severity(connections, bytes, &settings);
        assert_eq!(of(0, 0), Severity::Info);
        assert_eq!(of(1, 4_300_000), Severity::Info);
        assert_eq!(of(4, 0), Severity::Info);
        assert_eq!(of(5, 0), Severity::Warning);
        assert_eq!(of(2, 8_440_584), Severity::Info);
        assert_eq!(of(1, 16 << 20), Severity::Warning);
        assert_eq!(of(20, 0), Severity::Critical);
        assert_eq!(of(1, 64 << 20), Severity::Critical);
    }

    #[test]
    fn a_lone_stall_is_no_warning_even_with_the_lowest_thresholds() {
        let settings = DetectSettings {
            hoard_connections: 2,
            ..DetectSettings::default()
        };
        assert_eq!(severity(1, 4_096, &settings), Severity::Info);
    }

    #[test]
    fn a_hoarder_is_let_off_below_three_quarters() {
        let settings = DetectSettings::default();
        assert!(!is_hoarding(19, 0, false, &settings));
        assert!(is_hoarding(20, 0, false, &settings));
        assert!(is_hoarding(15, 0, true, &settings));
        assert!(!is_hoarding(14, 0, true, &settings));
        assert!(!is_hoarding(0, 0, true, &settings));
    }
}
