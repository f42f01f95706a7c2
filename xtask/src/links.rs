//! Links between the pages of the documentation lead somewhere, and its table of contents has every page.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::tree;

pub(crate) fn check() -> Result<()> {
    let root = tree::root();
    let is_page = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "md");
    let pages: Vec<PathBuf> = tree::files(&root)?.into_iter().filter(is_page).collect();
    let mut broken = Vec::new();
    for page in &pages {
        let text = fs::read_to_string(root.join(page))
            .with_context(|| format!("cannot read {}", page.display()))?;
        let folder = page.parent().unwrap_or(Path::new(""));
        for link in links(&text) {
            if !root.join(folder).join(link).exists() {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    ensure!(
        broken.is_empty(),
        "links to nowhere:\n  {}",
        broken.join("\n  ")
    );
    let contents = fs::read_to_string(root.join("docs/SUMMARY.md"))?;
    let listed: BTreeSet<&str> = links(&contents).collect();
    for page in &pages {
        let name = page
            .strip_prefix("docs")
            .ok()
            .and_then(|name| name.to_str());
        if let Some(name) = name.filter(|name| *name != "SUMMARY.md") {
            ensure!(
                listed.contains(name),
                "docs/SUMMARY.md does not list {name}"
            );
        }
    }
    println!("pages: {}, all links lead somewhere", pages.len());
    Ok(())
}

/// Targets of links within the repository, without the place in the page.
pub(crate) fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(target)
}

/// The target that a text begins with which stood behind `](`.
fn target(rest: &str) -> Option<&str> {
    let (target, _) = rest.split_once(')')?;
    let (path, _) = target.split_once('#').unwrap_or((target, ""));
    let is_here = !path.is_empty() && !path.contains("://") && !path.contains(' ');
    is_here.then_some(path)
}

/// The page with each of these targets replaced.
pub(crate) fn relinked(text: &str, new: impl Fn(&str) -> Result<String>) -> Result<String> {
    let mut parts = text.split("](");
    let mut relinked = parts.next().unwrap_or_default().to_owned();
    for rest in parts {
        relinked.push_str("](");
        let old = target(rest).unwrap_or_default();
        if !old.is_empty() {
            relinked.push_str(&new(old)?);
        }
        relinked.push_str(&rest[old.len()..]);
    }
    Ok(relinked)
}

#[cfg(test)]
mod tests {
    use super::{links, relinked};

    #[test]
    fn links_of_this_repository_are_found() {
        let text = "[a](b.md) and [c](https://d.test/e) and [f](#g) and [h](i/j.md#k) f(x)";
        assert_eq!(links(text).collect::<Vec<_>>(), ["b.md", "i/j.md"]);
        let moved = relinked(text, |target| Ok(format!("../{target}"))).unwrap();
        let expected =
            "[a](../b.md) and [c](https://d.test/e) and [f](#g) and [h](../i/j.md#k) f(x)";
        assert_eq!(moved, expected);
    }
}
