//! `detector selftest`: would an agent on this host see the peers it is there to see?

use crate::cli::SelftestArgs;
use crate::selftest::{self, Summary};
use anyhow::anyhow;
use detector_agent::kernel::check;
use detector_api::failure::{Code, Failure};
use detector_lab::cases::{Case, of_selftest};
use std::fmt::Write as _;
use std::io::{self, Write};

pub(super) fn run(args: &SelftestArgs) -> Result<(), Failure> {
    if args.list {
        return super::print(&list());
    }
    let chosen = chosen(&args.only)?;
    let missing = selftest::missing_capabilities();
    if !missing.is_empty() {
        return Err(privilege_failure(&missing));
    }
    let kernel = check::kernel_release();
    if !args.json {
        super::print(&head(chosen.len(), &kernel))?;
    }
    let is_json = args.json;
    let mut show = |row: &selftest::Row| {
        if is_json {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(row.text().as_bytes())?;
        stdout.flush()
    };
    let at_once = args.at_once.map_or(usize::MAX, usize::from);
    let rows = selftest::run(&chosen, at_once, &mut show)?;
    let summary = Summary::of(&rows);
    if args.json {
        let json = summary.json(&kernel);
        let json = json.map_err(|error| Failure::failed(format!("cannot write JSON: {error}")))?;
        super::print(&(json + "\n"))?;
    } else {
        super::print(&format!("\n{}", summary.text()))?;
    }
    match summary.failed()[..] {
        [] => Ok(()),
        ref failed => Err(Failure::failed(format!(
            "not as it should be on this kernel: {}",
            failed.join(", ")
        ))
        .hint("play one again with --only; `detector check` says what this host lacks")),
    }
}

fn head(cases: usize, kernel: &str) -> String {
    format!(
        "Plays {cases} kinds of TCP peers against this kernel ({kernel}) and a default agent, in a private\n\
         network namespace: nothing of the host is touched. Takes less than a minute. The times\n\
         are from the moment a rule is met, for a stall 5 s after the last progress, to the flag.\n\n"
    )
}

/// The cases of these names in the order of the table; all if none is named.
fn chosen(only: &[String]) -> Result<Vec<&'static Case>, Failure> {
    let is_known = |name: &&String| of_selftest().any(|case| case.selftest_name() == *name);
    if let Some(unknown) = only.iter().find(|name| !is_known(name)) {
        return Err(
            Failure::usage(format!("cannot play `{unknown}`: there is no such case"))
                .hint("`detector selftest --list` names them"),
        );
    }
    let is_wanted =
        |case: &&Case| only.is_empty() || only.iter().any(|name| name == case.selftest_name());
    Ok(of_selftest().filter(is_wanted).collect())
}

fn list() -> String {
    of_selftest().fold(String::new(), |mut text, case| {
        let expected = if case.is_honest() { "quiet" } else { "seen" };
        // Into memory: cannot fail.
        let _ignored = writeln!(
            text,
            "{expected:<6} {:<20} {}",
            case.selftest_name(),
            case.plot
        );
        text
    })
}

fn privilege_failure(missing: &[&str]) -> Failure {
    Failure::new(
        Code::Privilege,
        anyhow!(
            "selftest needs a network namespace and an agent of its own: missing {}",
            missing.join(" and ")
        ),
    )
    .hint("run it as root: sudo detector selftest")
}

#[cfg(test)]
mod tests {
    use super::{chosen, list, privilege_failure};
    use crate::page_parts::hold;
    use detector_api::failure::Code;
    use detector_lab::cases::of_selftest;

    #[test]
    fn cases_are_chosen_by_name_in_the_order_of_the_table() {
        assert_eq!(chosen(&[]).unwrap().len(), of_selftest().count());
        let two = ["dribble".to_owned(), "treason".to_owned()];
        let names: Vec<_> = chosen(&two).unwrap().iter().map(|case| case.name).collect();
        assert_eq!(names, ["treason", "dribble"]);
    }

    #[test]
    fn an_unknown_case_is_wrong_usage() {
        let failure = chosen(&["trison".to_owned()]).unwrap_err();
        assert_eq!(failure.code(), Code::Usage);
        assert!(failure.to_string().contains("--list"));
    }

    #[test]
    fn the_list_says_what_is_expected_of_each() {
        let list = list();
        assert_eq!(list.lines().count(), of_selftest().count());
        assert!(list.contains("quiet  keep-alive "), "{list}");
        assert!(list.starts_with("seen   zero-window "), "{list}");
    }

    /// `text` with `number` in front of these words.
    fn with_number(text: &str, number: usize, words: &str) -> String {
        let parts = text.split_once(words);
        let (before, after) = parts.unwrap_or_else(|| panic!("README.md does not say: {words}"));
        let before = before.trim_end_matches(|last: char| last.is_ascii_digit());
        format!("{before}{number}{words}{after}")
    }

    #[test]
    fn the_readme_counts_the_cases_as_they_are() {
        let quiet = of_selftest().filter(|case| case.is_honest()).count();
        let seen = of_selftest().count() - quiet;
        let numbers = [
            (seen, " kinds of peers that must be flagged and "),
            (quiet, " that must not ("),
            (quiet - 1, " where the kernel has no MPTCP)"),
            (seen + quiet, " passed, 0 failed\n"),
        ];
        hold("README.md", |readme| {
            let readme = readme.to_owned();
            numbers.into_iter().fold(readme, |text, (number, words)| {
                with_number(&text, number, words)
            })
        });
    }

    #[test]
    fn missing_rights_are_named() {
        let failure = privilege_failure(&["CAP_SYS_ADMIN", "CAP_NET_ADMIN"]);
        assert_eq!(failure.code(), Code::Privilege);
        assert!(
            failure
                .to_string()
                .contains("CAP_SYS_ADMIN and CAP_NET_ADMIN")
        );
    }
}
