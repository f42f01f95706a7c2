//! What is different where a recorded second is shown.

use super::KeyHint;
use crate::top::state::{Location, State};
use detector_api::{time, units};
use detector_recorder::{Gap, GapReason};

/// Columns of what the recorder keeps of a peer each second.
pub(super) const COLUMNS: &[&str] = &[
    "peer", "members", "verdict", "stalled", "pinned", "share", "episodes", "drain",
];

/// How far what is shown is from that second, if it is.
pub(super) fn banner(state: &State) -> Option<String> {
    let mark = state.past.shown.as_ref()?;
    if state.location != Location::Table {
        let time = state.past.card_time.as_deref()?;
        return Some(format!(
            "the peer's last card, of {}; events up to this second",
            time::moment(time)
        ));
    }
    let told: Vec<_> = mark.gaps.iter().map(gap).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

fn gap(gap: &Gap) -> String {
    #[allow(clippy::cast_precision_loss, reason = "two digits are shown")]
    let seconds = gap.until_ms.saturating_sub(gap.from_ms) as f64 / 1e3;
    let span = units::seconds(seconds.max(0.0));
    let why = match gap.reason {
        GapReason::Stopped => "the agent was stopped",
        GapReason::Killed => "the agent was killed",
        GapReason::HostDown => "the host went down",
        GapReason::Frozen => "the agent was kept from running",
        GapReason::DiskFull => "the disk was full",
        GapReason::WriteFailed => "it could not be written",
        GapReason::Damaged => return "what was before this is lost: damaged".to_owned(),
        GapReason::ClockStep => return "the clock was set right before this".to_owned(),
    };
    if seconds > 0.0 {
        format!("{span} before this are not recorded: {why}")
    } else {
        format!("nobody knows how long nothing was recorded before this: {why}")
    }
}

/// Keys of the past.
pub(super) const fn keys(location: &Location) -> &'static [KeyHint] {
    match location {
        Location::Table => &[
            (0, "?", "help"),
            (0, "p", "live"),
            (0, "T t", "second"),
            (1, "M m", "minute"),
            (2, "O o", "hour"),
            (1, "[ ]", "incident"),
            (3, "Enter", "open"),
            (0, "q", "quit"),
        ],
        Location::Peer(_) | Location::Connection(..) => &[
            (0, "?", "help"),
            (0, "Esc", "back"),
            (0, "p", "live"),
            (1, "T t", "second"),
            (2, "M m", "minute"),
            (3, "[ ]", "incident"),
            (0, "q", "quit"),
        ],
    }
}
