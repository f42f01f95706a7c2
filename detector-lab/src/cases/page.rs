//! The cases as the documentation has them: the last section of `docs/scenarios.md`, below what was measured.

use super::{Case, Label};
use std::fmt::Write as _;

/// The line that the section begins with; it ends with the page.
pub const HEADING: &str = "## Cases";

const NO_ALARM: &str = "nothing above `info`, no accusation";

/// The section about `cases`; it names those that what was measured knows nothing of.
pub fn section(cases: &[&Case], is_measured: impl Fn(&Case) -> bool) -> String {
    let mut section = format!("{HEADING}\n\nWhat is played, and what the agent has to say of it.");
    let without_result = cases.iter().filter(|case| !is_measured(case));
    let names: Vec<String> = without_result
        .map(|case| format!("`{}`", case.name))
        .collect();
    if !names.is_empty() {
        let _ = write!(section, " Not played yet: {}.", names.join(", "));
    }
    section.push('\n');
    for (is_honest, heading) in [(false, "Must be found"), (true, "Must not be accused")] {
        let of_label: Vec<_> = cases
            .iter()
            .filter(|case| case.is_honest() == is_honest)
            .collect();
        let _ = write!(
            section,
            "\n### {heading} ({})\n\n\
             | scenario | what it does | the agent has to say |\n|---|---|---|\n",
            of_label.len()
        );
        for case in of_label {
            let _ = writeln!(section, "| {} | {} | {} |", case.name, case.plot, due(case));
        }
    }
    section
}

fn due(case: &Case) -> String {
    match case.label {
        Label::Bad {
            flags, verdicts, ..
        } => {
            let kinds: Vec<&str> = flags.iter().map(|flag| flag.kind).collect();
            format!("{}; {}", kinds.join(", "), verdicts.join(" or "))
        }
        Label::Honest { .. } => NO_ALARM.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{HEADING, section};
    use crate::cases::{Case, all, named};
    use std::path::Path;

    /// After a wanted change, `DETECTOR_BLESS=1 cargo test -p detector-lab` writes the section. What was
    /// measured is written by `cargo xtask scenarios --runs 10` alone.
    #[test]
    fn the_page_of_labelled_scenarios_has_each_case() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/scenarios.md");
        let page = std::fs::read_to_string(&file).unwrap();
        let begin = page.find(HEADING).unwrap();
        let (measured, told) = page.split_at(begin);
        let cases: Vec<&Case> = all().collect();
        let wanted = section(&cases, |case| {
            measured.contains(&format!("\n| {} | v4 | ", case.name))
        });
        if std::env::var_os("DETECTOR_BLESS").is_some() {
            std::fs::write(&file, format!("{measured}{wanted}")).unwrap();
        } else {
            assert!(
                told == wanted,
                "docs/scenarios.md is older than the table of cases: \
                 DETECTOR_BLESS=1 cargo test -p detector-lab"
            );
        }
    }

    #[test]
    fn a_case_that_was_not_played_yet_is_named() {
        let cases = [named("treason").unwrap(), named("slow-reader").unwrap()];
        let all_played = section(&cases, |_| true);
        assert!(!all_played.contains("Not played yet"));
        assert!(all_played.contains("| treason | takes its window back "));
        assert!(all_played.contains(" | nothing above `info`, no accusation |\n"));
        let one_played = section(&cases, |case| case.name == "treason");
        assert!(one_played.contains("Not played yet: `slow-reader`.\n"));
    }
}
