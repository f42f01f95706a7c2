//! The table of contents of the documentation: below the page of a folder stands each page of that folder.

use std::fs;

use anyhow::{Context as _, Result};

use crate::links::links;
use crate::tree;

/// `docs/SUMMARY.md` as it is to be: who adds a page to a folder need not name it there.
pub(crate) fn contents() -> Result<String> {
    let root = tree::root();
    let read = |name: &str| {
        let file = root.join("docs").join(name);
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    };
    let mut pages = Vec::new();
    for file in tree::files(&root)? {
        let name = file
            .strip_prefix("docs")
            .ok()
            .and_then(|name| name.to_str());
        if let Some(name) = name.filter(|name| name.ends_with(".md")) {
            let heading = read(name)?.lines().next().unwrap_or_default().to_owned();
            pages.push((name.to_owned(), heading));
        }
    }
    Ok(with_folders(&read("SUMMARY.md")?, &pages))
}

/// The lines of `contents`, those below the page of a folder made anew from `pages`: names and headings.
fn with_folders(contents: &str, pages: &[(String, String)]) -> String {
    let mut whole = String::new();
    for line in contents.lines().filter(|line| !line.starts_with("  - ")) {
        whole.push_str(line);
        whole.push('\n');
        let own = links(line).next().unwrap_or_default();
        let folder = own.strip_suffix("README.md").unwrap_or_default();
        let is_within = |name: &str| !folder.is_empty() && name.starts_with(folder) && name != own;
        for (name, heading) in pages.iter().filter(|(name, _)| is_within(name)) {
            let title = heading.trim_start_matches("# ");
            whole.push_str(&format!("  - [{title}]({name})\n"));
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_a_folder_stand_below_its_own() {
        let pages = [
            ("a.md", "# A"),
            ("b/README.md", "# B"),
            ("b/one.md", "# 1. One"),
            ("b/two.md", "# Two"),
        ];
        let pages = pages.map(|(name, heading)| (name.to_owned(), heading.to_owned()));
        let before = "# Summary\n\n- [A](a.md)\n- [All of B](b/README.md)\n  - [Gone](b/gone.md)\n\
                      - [C](c.md)\n";
        let after = "# Summary\n\n- [A](a.md)\n- [All of B](b/README.md)\n  - [1. One](b/one.md)\n  \
                     - [Two](b/two.md)\n- [C](c.md)\n";
        assert_eq!(with_folders(before, &pages), after);
        assert_eq!(with_folders(after, &pages), after);
    }
}
