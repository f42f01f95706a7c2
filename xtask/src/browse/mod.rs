//! `cargo xtask browse`: the page of `detector report` in a real browser, on a phone and on a desk, light and dark, and
//! on paper. Pictures of all go to `target/browse`. It fails where a page is wider than its window, text does not fit
//! its box, the console has something to say or anything is loaded.

mod browser;
mod view;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::command::{cargo, run};
use crate::incident;
use crate::packages;
use crate::run::Programs;
use crate::tree;
use browser::Browser;
use view::VIEWS;

pub(crate) const PROGRAMS: [(&str, &str); 1] = [("chromium", "chromium")];
/// What the tests of the report write: a night on two hosts, the day before with it, a recorder of somebody who
/// means harm.
const PAGES: [&str; 3] = ["night", "day", "hostile"];
/// A page with each fault, and what is to be said of it.
const FAULTS: &str = include_str!("faults.html");
const TOLD: [&str; 6] = [
    "px wide in a window of 390 px",
    "is wider than its box",
    "scrolls sideways",
    "is not dark",
    "the console says",
    "it loads ",
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Pages to look at instead of those of the tests
    #[arg(value_name = "FILE", conflicts_with = "incident")]
    pages: Vec<PathBuf>,
    /// The report of the night that `cargo xtask demo --incident` plays instead (needs root); some two minutes
    #[arg(long)]
    incident: bool,
    /// Install missing packages (as root, on Debian)
    #[arg(long)]
    install: bool,
    #[command(flatten)]
    programs: Programs,
}

impl Arguments {
    /// Of `cargo xtask test`.
    pub(crate) fn of_tests(install: bool) -> Self {
        Self {
            pages: Vec::new(),
            incident: false,
            install,
            programs: Programs::default(),
        }
    }
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    packages::need(&PROGRAMS, "looking at pages", arguments.install)?;
    let mut pages = arguments.pages.clone();
    if arguments.incident {
        let chore = ["browse", "--incident"];
        let Some((agent, play)) = arguments.programs.as_root(&chore)? else {
            return Ok(());
        };
        let night = incident::play(&agent, &play)?;
        pages.push(incident::page(&agent, &night)?);
    }
    let folder = tree::target().join("browse");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create folder {}", folder.display()))?;
    if pages.is_empty() {
        pages = pages_of_tests(&folder)?;
    }
    let mut browser = Browser::start()?;
    expect_faults(&mut browser, &folder)?;
    let mut wrong = Vec::new();
    for page in &pages {
        wrong.extend(look_at(&mut browser, page, &folder)?);
    }
    ensure!(
        wrong.is_empty(),
        "{} of what was seen is wrong:\n  {}",
        wrong.len(),
        wrong.join("\n  ")
    );
    Ok(())
}

fn pages_of_tests(folder: &Path) -> Result<Vec<PathBuf>> {
    run(cargo()
        .current_dir(tree::root())
        .args(["test", "--locked", "--quiet", "--lib", "pages_to_look_at"])
        .env("DETECTOR_PAGES", folder))?;
    Ok(PAGES.map(|name| folder.join(format!("{name}.html"))).into())
}

/// Somebody who sees no fault may be blind.
fn expect_faults(browser: &mut Browser, folder: &Path) -> Result<()> {
    let page = folder.join("faults.html");
    fs::write(&page, FAULTS).with_context(|| format!("cannot write {}", page.display()))?;
    let [_, phone_dark, ..] = &VIEWS;
    let wrong = phone_dark.look(browser, &page)?.wrong;
    for fault in TOLD {
        if !wrong.iter().any(|each| each.contains(fault)) {
            bail!(
                "{} has a fault that is not seen: no {fault:?} in {wrong:#?}",
                page.display()
            );
        }
    }
    Ok(())
}

/// Writes a picture of each view; gives what is wrong.
fn look_at(browser: &mut Browser, page: &Path, folder: &Path) -> Result<Vec<String>> {
    let name = page.file_stem().context("a page without a name")?;
    let name = name.to_string_lossy();
    let mut wrong = Vec::new();
    for view in &VIEWS {
        let seen = view.look(browser, page)?;
        let picture = folder.join(format!("{name}-{}.png", view.name));
        fs::write(&picture, &seen.picture)
            .with_context(|| format!("cannot write {}", picture.display()))?;
        println!("{}", picture.display());
        let of_view = seen.wrong.iter();
        wrong.extend(of_view.map(|each| format!("{name}, {}: {each}", view.name)));
    }
    Ok(wrong)
}
