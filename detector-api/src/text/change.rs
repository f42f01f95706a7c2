//! What would change a verdict.

use super::figures::{connections, counted, unknown_code};
use crate::snapshot::{Change, Condition};
use crate::units::{bytes, pace, seconds};

/// `slow-client, if …`
pub fn change(change: &Change) -> String {
    let networks = |number| counted(number, "unrelated network", "unrelated networks");
    let condition = match &change.condition {
        Condition::DrainsAboveFloor {
            floor_bytes_per_second,
        } => format!(
            "its stalled connections together drain at least {}",
            pace(*floor_bytes_per_second)
        ),
        Condition::ReadsOn {} => "its stalls end because it reads on".to_owned(),
        Condition::HoldsAHoard {
            hoard,
            over_seconds,
        } => format!(
            "{} or {} drain nothing for {}",
            connections(hoard.hoard_connections),
            bytes(hoard.hoard_bytes),
            seconds(*over_seconds),
        ),
        Condition::KeepsHolding { over_seconds } => format!(
            "the same connections drain nothing for {}",
            seconds(*over_seconds)
        ),
        Condition::AnswersAgain {} => "it answers again".to_owned(),
        Condition::ShrinksAgain {
            reopen_seconds_bound,
        } => format!(
            "a window it takes back does not open again within {}",
            seconds(*reopen_seconds_bound)
        ),
        Condition::SpreadsToOthers {
            networks_bound,
            over_seconds,
        } => format!(
            "{} show the same within {}",
            networks(*networks_bound),
            seconds(*over_seconds),
        ),
        Condition::InterfaceErrorsRise {
            interface_errors_bound,
            over_seconds,
        } => format!(
            "interfaces of this host count {} within {}",
            counted(*interface_errors_bound, "error", "errors"),
            seconds(*over_seconds),
        ),
        Condition::StandsAlone { over_seconds } => format!(
            "none of its other connections takes what it is sent for {}",
            seconds(*over_seconds)
        ),
        Condition::StaysQuiet { quiet_seconds } => {
            format!("nothing is flagged for {}", seconds(*quiet_seconds))
        }
        Condition::Other { code, numbers } => unknown_code(code, numbers),
    };
    let verdict = change
        .verdict
        .map_or("no verdict", |verdict| verdict.label());
    format!("{verdict}, if {condition}")
}
