//! Tables of the documentation that go through all kinds of flags are as the table of kinds says.

use crate::page_parts::{between, hold, hold_table};
use detector_api::snapshot::{Bearer, FlagKind, IncidentKind};

/// In front of the flags of an incident and behind them, on the page of incidents.
const STANDS: &str = " stands on a peer of warning or above";

#[test]
fn every_kind_of_flag_has_its_row_in_the_index() {
    const HEAD: &str = "| flag | in one line |";
    let mut table = format!(
        "{HEAD} stands on | raised after | keys under `[detect]` |\n|---|---|---|---|---|\n"
    );
    for kind in FlagKind::ALL {
        let (label, facts) = (kind.label(), kind.facts());
        let bearer = match facts.bearer {
            Bearer::Peer => "a peer",
            Bearer::Connection => "a connection",
        };
        let keys = match facts.settings {
            [] => "none".to_owned(),
            some => format!("`{}`", some.join("`, `")),
        };
        let (summary, after) = (facts.summary, facts.raised_after);
        table += &format!("| [{label}]({label}.md) | {summary} | {bearer} | {after} | {keys} |\n");
    }
    hold_table("docs/detections/README.md", HEAD, &table);
}

#[test]
fn every_kind_of_flag_has_its_row_in_the_readme() {
    const HEAD: &str = "| kind | what is seen |";
    let rows = FlagKind::ALL.map(|kind| {
        let (label, summary) = (kind.label(), kind.facts().summary);
        format!("| [`{label}`](docs/detections/{label}.md) | {summary} |\n")
    });
    let table = format!("{HEAD}\n|---|---|\n{}", rows.concat());
    hold_table("README.md", HEAD, &table);
}

/// The flags that make an incident of this kind, as a sentence has them.
fn flags_of(incident: IncidentKind) -> Option<String> {
    let flags = FlagKind::ALL.iter();
    let of_it = flags.filter(|kind| kind.facts().incident == incident);
    let labels: Vec<_> = of_it.map(|kind| format!("`{}`", kind.label())).collect();
    let (last, others) = labels.split_last()?;
    Some(match others {
        [] => last.clone(),
        _ => format!("{} or {last}", others.join(", ")),
    })
}

#[test]
fn every_kind_of_flag_is_told_with_the_incident_that_it_makes() {
    const PAGE: &str = "docs/incidents.md";
    for incident in IncidentKind::ALL {
        let Some(flags) = flags_of(incident) else {
            continue;
        };
        hold(PAGE, |text| {
            let row = format!("\n| `{}` | ", incident.label());
            let place = between(PAGE, text, &row, STANDS);
            format!("{}{flags}{}", &text[..place.start], &text[place.end..])
        });
    }
}

#[test]
fn every_setting_of_a_kind_is_a_key_of_the_configuration() {
    const PAGE: &str = "docs/configuration.md";
    hold(PAGE, |text| {
        let keys = &text[between(PAGE, text, "\n## `[detect]`\n", "\n## ")];
        for kind in FlagKind::ALL {
            for setting in kind.facts().settings {
                let is_key = keys.contains(&format!("\n| `{setting}` | "));
                assert!(is_key, "{} names {setting}", kind.label());
            }
        }
        text.to_owned()
    });
}
