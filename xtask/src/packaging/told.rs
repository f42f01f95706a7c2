//! Pages that tell somebody to act also tell how the agent comes to be allowed to: the unit as it is shipped may not.

use anyhow::{Result, bail, ensure};
use std::path::{Path, PathBuf};

use super::{files, read};
use crate::links;
use crate::tree;

/// Commands that the unit, as it is shipped, refuses.
const ACTIONS: [&str; 2] = ["detector reset", "detector block"];
/// What lets them.
const DROP_IN: &str = "examples/actions.conf";

/// Of each page of an alert, and of each part of the README.
pub(super) fn check() -> Result<()> {
    let root = tree::root();
    let mut told = 0;
    for page in files(&root.join("docs/alerts"), ".md")? {
        told += usize::from(is_told(&page, &read(&page)?)?);
    }
    let readme = root.join("README.md");
    for part in read(&readme)?.split("\n## ") {
        told += usize::from(is_told(&readme, part)?);
    }
    ensure!(told > 0, "no page tells anybody to act");
    println!("pages that tell to act: {told}, each with what lets the agent");
    Ok(())
}

/// Whether this part of a page tells to act; fails if it then neither says what lets the agent nor links a page that
/// does.
fn is_told(page: &Path, part: &str) -> Result<bool> {
    // `detector blocked` only lists.
    let part_of_actions = part.replace("detector blocked", "");
    if !ACTIONS
        .iter()
        .any(|action| part_of_actions.contains(action))
    {
        return Ok(false);
    }
    let folder = page.parent().unwrap_or(Path::new(""));
    let linked = links::links(part).map(|link| folder.join(link));
    let mut pages: Vec<PathBuf> = linked
        .filter(|file| file.extension().is_some_and(|kind| kind == "md"))
        .collect();
    pages.retain(|file| read(file).is_ok_and(|text| text.contains(DROP_IN)));
    if !part.contains(DROP_IN) && pages.is_empty() {
        bail!(
            "{} tells to act, and neither names {DROP_IN} nor links a page that does",
            page.display()
        );
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::is_told;
    use crate::tree;

    #[test]
    fn whoever_is_told_to_act_is_told_how() {
        let page = tree::root().join("docs/alerts/DetectorHoard.md");
        let told = |part| is_told(&page, part);
        assert!(!told("see `detector blocked`").unwrap());
        told("`detector reset PEER`").unwrap_err();
        told("`detector block PEER`, see [tuning](../tuning.md)").unwrap_err();
        assert!(told("`detector reset PEER` ([how](../actions.md#who-may))").unwrap());
        assert!(told("`detector block PEER` with examples/actions.conf").unwrap());
    }
}
