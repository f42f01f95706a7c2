//! What would change a verdict.

use super::figures::Figures;
use crate::snapshot::{Change, ChangeCode};

/// `If … : slow-client.`
pub fn change(change: &Change) -> String {
    let figures = Figures(&change.numbers);
    let condition = match change.code {
        ChangeCode::DrainsAboveFloor => format!(
            "its stalled connections together drain at least {}",
            figures.show("floor_bytes_per_second")
        ),
        ChangeCode::ReadsOn => "its stalls end because it reads on".to_owned(),
        ChangeCode::HoldsAHoard => format!(
            "{} or {} drain nothing for {}",
            figures.connections("hoard_connections"),
            figures.show("hoard_bytes"),
            figures.show("over_seconds"),
        ),
        ChangeCode::KeepsHolding => format!(
            "the same connections drain nothing for {}",
            figures.show("over_seconds")
        ),
        ChangeCode::AnswersAgain => "it answers again".to_owned(),
        ChangeCode::FallsSilent => "it stops answering probes".to_owned(),
        ChangeCode::ShrinksAgain => format!(
            "a window it takes back does not open again within {}",
            figures.show("reopen_seconds_bound")
        ),
        ChangeCode::SpreadsToOthers => format!(
            "{} show the same within {}",
            figures.many("networks_bound", "unrelated network", "unrelated networks"),
            figures.show("over_seconds"),
        ),
        ChangeCode::StaysAlone => format!(
            "it stays so while fewer than {} show the same within {}",
            figures.many("networks_bound", "unrelated network", "unrelated networks"),
            figures.show("over_seconds"),
        ),
        ChangeCode::InterfaceErrorsRise => format!(
            "interfaces of this host count {} within {}",
            figures.many("interface_errors_bound", "error", "errors"),
            figures.show("over_seconds"),
        ),
        ChangeCode::StaysQuiet => {
            format!("nothing is flagged for {}", figures.show("quiet_seconds"))
        }
    };
    let verdict = change
        .verdict
        .map_or("no verdict", |verdict| verdict.label());
    format!("{verdict}, if {condition}")
}
