//! Each test that SECURITY.md names, in its table of what holds, is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use crate::tree;

pub(crate) fn check() -> Result<()> {
    let root = tree::root();
    let page = fs::read_to_string(root.join("SECURITY.md")).context("cannot read SECURITY.md")?;
    let is_source = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "rs");
    let mut sources = Vec::new();
    let mut functions = BTreeSet::new();
    for file in tree::files(&root)?.into_iter().filter(is_source) {
        let text = fs::read_to_string(root.join(&file))
            .with_context(|| format!("cannot read {}", file.display()))?;
        functions.extend(functions_of(&text).map(str::to_owned));
        sources.push(format!("/{}", file.display()));
    }
    let is_there = |name: &str| {
        let function = name.rsplit("::").next().unwrap_or(name);
        let path = name.replace("::", "/");
        let files = [
            format!("/{path}"),
            format!("/{path}.rs"),
            format!("/{path}/main.rs"),
            format!("/{path}/mod.rs"),
        ];
        functions.contains(function)
            || sources
                .iter()
                .any(|source| files.iter().any(|file| source.ends_with(file)))
    };
    let named: BTreeSet<&str> = named_in(&page).collect();
    let missing: Vec<_> = named.iter().filter(|name| !is_there(name)).collect();
    ensure!(
        !named.is_empty() && missing.is_empty(),
        "SECURITY.md names tests that are not there: {missing:?}"
    );
    println!("SECURITY.md: {} tests named, all are there", named.len());
    Ok(())
}

/// What stands in backquotes in the last column of the table, but for commands of this program.
fn named_in(page: &str) -> impl Iterator<Item = &str> {
    let table = page
        .split("\n## ")
        .find(|section| section.starts_with("What holds"));
    let rows = table
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.strip_suffix(" |"));
    let cells = rows.filter_map(|row| Some(row.rsplit_once(" | ")?.1));
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.filter(|name| !name.starts_with("cargo xtask "))
}

fn functions_of(source: &str) -> impl Iterator<Item = &str> {
    let words = source.split("fn ").skip(1);
    words.filter_map(|rest| rest.split_once('(').map(|(name, _)| name))
}

#[cfg(test)]
mod tests {
    use super::{check, named_in};

    #[test]
    fn names_stand_in_the_last_column_of_the_table() {
        let page = "# A\n\n## What holds, and where\n\n| line | test |\n|---|---|\n\
                    | `no` test | story `forged`, `a::b`; `cargo xtask chaos` |\n\n## Other\n\n| x | `y` |\n";
        let names: Vec<_> = named_in(page).collect();
        assert_eq!(names, ["forged", "a::b"]);
    }

    #[test]
    fn every_test_that_is_named_is_there() {
        check().unwrap();
    }
}
