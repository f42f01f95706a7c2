//! Pages as the packages have them: what they link, and what they say is installed, is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::copied::{copied, is_page, place};
use crate::links;
use crate::tree;

/// What pages call the folder of pages once they are installed.
const INSTALLED: &str = "/usr/share/doc/detector/";

/// A page of the repository with its links as they are in the packages; fails where one leads to what these lack.
pub(crate) fn of_package(page: &str, text: &str) -> Result<String> {
    let new_page = place(page).with_context(|| format!("no package has {page}"))?;
    links::relinked(text, |link| {
        let old = beside(page, link);
        let name = old.to_string_lossy();
        let new = place(&name).with_context(|| {
            format!("{page}: the packages do not have {name}, to which it links")
        })?;
        Ok(relative(&new_page, &new))
    })
}

/// Of every page in the packages.
pub(super) fn check() -> Result<()> {
    let copied = copied()?;
    let mut places = BTreeSet::new();
    for (_, to) in &copied {
        let folders = Path::new(to).ancestors().skip(1);
        places.extend(folders.map(|folder| format!("/{}/", folder.display())));
        places.insert(format!("/{to}"));
    }
    let mut wrong = Vec::new();
    let mut pages = 0;
    for (page, _) in &copied {
        let Ok(text) = fs::read_to_string(tree::root().join(page)) else {
            continue;
        };
        if is_page(page) {
            pages += 1;
            wrong.extend(of_package(page, &text).err().map(|why| format!("{why:#}")));
        }
        let told = installed(&text).filter(|told| !places.contains(*told));
        wrong.extend(told.map(|told| format!("{page}: no package installs {told}")));
    }
    ensure!(
        wrong.is_empty(),
        "pages in the packages:\n  {}",
        wrong.join("\n  ")
    );
    println!("pages in the packages: {pages}, all links lead somewhere");
    Ok(())
}

/// What a text says is installed among the pages: files, or folders with a stroke behind them.
fn installed(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    text.match_indices(INSTALLED).map(move |(at, _)| {
        let rest = &text[at..];
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let told = rest[..end].trim_end_matches('.');
        // `{one,other}` and `*`: the folder.
        let folder = told.rfind('/').map_or(told.len(), |stroke| stroke + 1);
        let is_cut = rest[end..].starts_with(['{', '*']);
        if is_cut { &told[..folder] } else { told }
    })
}

/// A path that stands in a page.
fn beside(page: &str, link: &str) -> PathBuf {
    let folder = Path::new(page).parent().unwrap_or(Path::new(""));
    let mut found = PathBuf::new();
    for part in folder.join(link).components() {
        match part {
            Component::ParentDir => {
                found.pop();
            }
            Component::CurDir => {}
            other => found.push(other),
        }
    }
    found
}

/// How a page there links a file.
fn relative(page: &str, file: &str) -> String {
    let folders: Vec<&str> = page.split('/').collect();
    let folders = &folders[..folders.len() - 1];
    let parts: Vec<&str> = file.split('/').collect();
    let pairs = folders.iter().zip(&parts[..parts.len() - 1]);
    let shared = pairs.take_while(|(one, other)| one == other).count();
    let up = "../".repeat(folders.len() - shared);
    format!("{up}{}", parts[shared..].join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_all_pages_lead_somewhere_in_the_packages() {
        check().unwrap();
    }

    #[test]
    fn links_are_those_of_the_package() {
        let moved = |page, text| of_package(page, text).unwrap();
        assert_eq!(
            moved("README.md", "[a](docs/cli.md#b)"),
            "[a](docs/cli.md#b)"
        );
        assert_eq!(
            moved(
                "docs/alerts/README.md",
                "[a](../../packaging/prometheus/detector-alerts.yml) [b](../tuning.md)"
            ),
            "[a](../../prometheus/detector-alerts.yml) [b](../tuning.md)"
        );
        assert_eq!(
            moved("SECURITY.md", "[a](packaging/systemd/detector.service)"),
            "[a](../../../lib/systemd/system/detector.service)"
        );
        of_package("README.md", "[a](ARCHITECTURE.md)").unwrap_err();
        of_package("ARCHITECTURE.md", "").unwrap_err();
    }

    #[test]
    fn what_a_page_says_is_installed_is_found() {
        let text = "cp /usr/share/doc/detector/prometheus/{a,b}.yml x; see /usr/share/doc/detector/README.md. \
                    And /usr/share/doc/detector/examples/*.conf";
        let expected = [
            "/usr/share/doc/detector/prometheus/",
            "/usr/share/doc/detector/README.md",
            "/usr/share/doc/detector/examples/",
        ];
        assert_eq!(installed(text).collect::<Vec<_>>(), expected);
    }
}
