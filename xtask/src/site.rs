//! `cargo xtask docs --site`: all pages as one static site, by mdBook, that needs no network to be read.
//!
//! The pages are laid out as the repository has them, so that one link leads to the same place on both. What
//! comes of it is read again: every link within leads somewhere, and nothing is fetched from elsewhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::command::{cargo, is_executable, output, run};
use crate::links;
use crate::tree;

const VERSION: &str = "0.5.4";
/// Pages beside docs/, and what the table of contents calls them: the first one, and the last ones.
const FIRST: (&str, &str) = ("README.md", "detector");
const LAST: [(&str, &str); 3] = [
    ("BENCHMARKS.md", "Benchmarks"),
    ("SECURITY.md", "Security"),
    ("CHANGELOG.md", "Changes"),
];
/// What mdBook makes for servers, with links from the root of one.
const NOT_FOUND: &str = "404.html";

/// Writes it into `target/site`.
pub(crate) fn build() -> Result<()> {
    let program = mdbook()?;
    let stage = tree::target().join("site-pages");
    let site = tree::target().join("site");
    for folder in [&stage, &site] {
        drop(fs::remove_dir_all(folder));
    }
    let pages = lay_out(&stage)?;
    // It tells each page that it looks at.
    output(
        Command::new(&program)
            .args(["build", "--dest-dir"])
            .arg(&site)
            .arg(&stage),
    )?;
    let html = read_pages(&site)?;
    for page in &pages {
        let name = page.with_extension("html");
        ensure!(
            html.contains_key(&name),
            "the site has no {}",
            name.display()
        );
    }
    let wrong = wrong_links(&site, &html);
    ensure!(
        wrong.is_empty(),
        "links of the site:\n  {}",
        wrong.join("\n  ")
    );
    println!(
        "{} pages, all links lead somewhere, nothing is fetched: {}",
        html.len(),
        site.join("index.html").display()
    );
    Ok(())
}

/// Pages, what they link to, the table of contents and the settings; returns the pages.
fn lay_out(stage: &Path) -> Result<Vec<PathBuf>> {
    let root = tree::root();
    let place = |file: &Path| -> Result<()> {
        let to = stage.join("pages").join(file);
        fs::create_dir_all(to.parent().unwrap_or(stage))
            .and_then(|()| fs::copy(root.join(file), &to))
            .with_context(|| format!("cannot copy {}", file.display()))?;
        Ok(())
    };
    let beside = std::iter::once(FIRST).chain(LAST);
    let mut pages: Vec<PathBuf> = beside.map(|(page, _)| PathBuf::from(page)).collect();
    for file in tree::files(&root)? {
        if file.starts_with("docs") && !file.ends_with("SUMMARY.md") {
            if file.extension().is_some_and(|extension| extension == "md") {
                pages.push(file);
            } else {
                place(&file)?;
            }
        }
    }
    for page in &pages {
        place(page)?;
        let text = fs::read_to_string(root.join(page))?;
        let folder = page.parent().unwrap_or(Path::new(""));
        for link in links::links(&text) {
            let target = plain(&folder.join(link));
            let is_other = !target.starts_with("docs") && !pages.contains(&target);
            if is_other && root.join(&target).is_file() {
                place(&target)?;
            }
        }
    }
    let contents = fs::read_to_string(root.join("docs/SUMMARY.md"))?;
    fs::write(stage.join("pages/SUMMARY.md"), all_contents(&contents))?;
    fs::copy(root.join("book.toml"), stage.join("book.toml"))?;
    Ok(pages)
}

/// The table of contents of docs/, from one floor above, with what is beside it.
fn all_contents(of_docs: &str) -> String {
    let (title, rest) = of_docs.split_once('\n').unwrap_or((of_docs, ""));
    let mut text = format!("{title}\n\n[{}]({})\n", FIRST.1, FIRST.0);
    text.push_str(&rest.replace("](", "](docs/"));
    text.push_str("\n# The project\n\n");
    for (page, name) in LAST {
        text.push_str(&format!("- [{name}]({page})\n"));
    }
    text
}

/// Without `..` and `.`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// Every page of a site, by its path in it.
fn read_pages(site: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut pages = BTreeMap::new();
    let mut folders = vec![site.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "html")
            {
                let text = fs::read_to_string(&path)?;
                let name = path.strip_prefix(site)?.to_owned();
                pages.insert(name, text);
            }
        }
    }
    pages.remove(Path::new(NOT_FOUND));
    Ok(pages)
}

/// What leads nowhere, and what would be fetched from elsewhere.
fn wrong_links(site: &Path, pages: &BTreeMap<PathBuf, String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (page, html) in pages {
        let mut say = |target: &str, why: &str| {
            wrong.push(format!("{}: {target} {why}", page.display()));
        };
        for (tag, target) in references(html) {
            if target.starts_with("data:") || target.starts_with("mailto:") {
                continue;
            }
            if target.contains("://") || target.starts_with("//") {
                if tag != "a" {
                    say(target, "would be fetched from elsewhere");
                }
                continue;
            }
            let (path, place) = target.split_once('#').unwrap_or((target, ""));
            let file = match path {
                "" => page.clone(),
                path => plain(&page.parent().unwrap_or(Path::new("")).join(path)),
            };
            if !site.join(&file).is_file() {
                say(target, "is not there");
            } else if let Some(other) = pages.get(&file)
                && !place.is_empty()
                && !other.contains(&format!("id=\"{place}\""))
            {
                say(target, "has no such place");
            }
        }
    }
    wrong
}

/// Tags that name something by `href` or `src`, and what.
fn references(html: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for tag in html.split('<').skip(1) {
        let Some((inner, _)) = tag.split_once('>') else {
            continue;
        };
        let name = inner.split(char::is_whitespace).next().unwrap_or_default();
        for attribute in [" href=\"", " src=\""] {
            if let Some((_, rest)) = inner.split_once(attribute)
                && let Some((target, _)) = rest.split_once('"')
                && !target.is_empty()
            {
                found.push((name, target));
            }
        }
    }
    found
}

/// mdBook from the user's cache, built when it is not there.
fn mdbook() -> Result<PathBuf> {
    let folder = tree::cache()?.join(format!("tools/mdbook-{VERSION}"));
    let program = folder.join("bin/mdbook");
    let version = || output(Command::new(&program).arg("--version")).unwrap_or_default();
    if is_executable(&program) && version().trim() == format!("mdbook v{VERSION}") {
        return Ok(program);
    }
    eprintln!(
        "building mdBook {VERSION}, some minutes, kept in {}",
        folder.display()
    );
    run(cargo()
        .args(["install", "mdbook", "--quiet", "--locked", "--force"])
        .args(["--version", VERSION])
        .args(["--no-default-features", "--features", "search", "--root"])
        .arg(&folder)
        .env_remove("CARGO_TARGET_DIR"))
    .context("cannot build mdBook: it needs crates.io")?;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(pages: &[(&str, &str)]) -> (crate::background::Scratch, BTreeMap<PathBuf, String>) {
        let scratch = crate::background::Scratch::create(&format!("site-{}", pages.len())).unwrap();
        for (name, text) in pages {
            let file = scratch.path.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let pages = read_pages(&scratch.path).unwrap();
        (scratch, pages)
    }

    #[test]
    fn a_link_to_nowhere_and_a_font_from_elsewhere_are_found() {
        let (scratch, pages) = site(&[
            (
                "a.html",
                r##"<a href="b/c.html#x">c</a> <a href="https://d.test/">d</a> <a href="#y">y</a>"##,
            ),
            (
                "b/c.html",
                r#"<h1 id="x">x</h1><link rel="s" href="https://fonts.test/a.css"><img src="../e.svg">"#,
            ),
            ("404.html", r#"<a href="/nowhere.html">"#),
        ]);
        assert_eq!(
            wrong_links(&scratch.path, &pages),
            [
                "a.html: #y has no such place",
                "b/c.html: https://fonts.test/a.css would be fetched from elsewhere",
                "b/c.html: ../e.svg is not there",
            ]
        );
    }

    #[test]
    fn contents_have_what_is_beside_docs() {
        let all = all_contents("# Summary\n\n- [Install](install.md)\n");
        assert!(
            all.starts_with("# Summary\n\n[detector](README.md)\n\n- [Install](docs/install.md)\n"),
            "{all}"
        );
        assert!(all.ends_with("- [Changes](CHANGELOG.md)\n"), "{all}");
    }

    #[test]
    fn paths_are_without_detours() {
        assert_eq!(
            plain(Path::new("docs/alerts/../../a/./b")),
            Path::new("a/b")
        );
    }
}
