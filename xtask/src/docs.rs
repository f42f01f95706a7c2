//! `cargo xtask docs`: reference pages written by the agent itself, so that they cannot disagree, and the table
//! of contents written from the pages.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::command::output;
use crate::contents::contents;
use crate::run::{Profile, build_agent};
use crate::site;
use crate::threats;
use crate::tree;

/// Chapters of `detector docs`, and the page under docs/ that each makes.
const CHAPTERS: [(&str, &str); 24] = [
    ("metrics", "metrics.md"),
    ("cli", "cli.md"),
    ("configuration", "configuration.md"),
    ("columns", "columns.md"),
    ("schema-peers", "schema/peers.json"),
    ("schema-peer-groups", "schema/peer-groups.json"),
    ("schema-peer", "schema/peer.json"),
    ("schema-connections", "schema/connections.json"),
    ("schema-event", "schema/event.json"),
    ("schema-incidents", "schema/incidents.json"),
    ("schema-incident", "schema/incident.json"),
    ("schema-reset-request", "schema/reset-request.json"),
    ("schema-reset", "schema/reset.json"),
    ("schema-block-request", "schema/block-request.json"),
    ("schema-block", "schema/block.json"),
    ("schema-unblock-request", "schema/unblock-request.json"),
    ("schema-unblock", "schema/unblock.json"),
    ("schema-blocked", "schema/blocked.json"),
    ("schema-dmesg", "schema/dmesg.json"),
    ("schema-oom-kill", "schema/oom-kill.json"),
    ("schema-top", "schema/top.json"),
    ("schema-report", "schema/report.json"),
    ("schema-host", "schema/host.json"),
    ("schema-status", "schema/status.json"),
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Compare with what is there, change nothing
    #[arg(long)]
    check: bool,
    /// Instead: all pages as one static site, into target/site
    #[arg(long, conflicts_with = "check")]
    site: bool,
}

impl Arguments {
    /// Change nothing.
    pub(crate) const fn check() -> Self {
        Self {
            check: true,
            site: false,
        }
    }
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    if arguments.site {
        return site::build();
    }
    threats::check()?;
    let agent = build_agent(Profile::Dev)?;
    let mut pages = Vec::new();
    for (chapter, name) in CHAPTERS {
        let page = output(
            Command::new(&agent)
                .args(["docs", chapter])
                .env("COLUMNS", "100"),
        )?;
        pages.push((name, format!("{}\n", page.trim_end())));
    }
    pages.push(("SUMMARY.md", contents()?));
    let folder = tree::root().join("docs");
    let mut stale = Vec::new();
    for (name, page) in pages {
        let file = folder.join(name);
        if fs::read_to_string(&file).is_ok_and(|kept| kept == page) {
            println!("docs/{name}: up to date");
        } else if arguments.check {
            stale.push(format!("docs/{name}"));
        } else {
            fs::create_dir_all(file.parent().unwrap_or(&folder))
                .and_then(|()| fs::write(&file, page))
                .with_context(|| format!("cannot write {}", file.display()))?;
            println!("docs/{name}: written");
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    bail!(
        "{} differ from what the agent and the pages say: run `cargo xtask docs` and commit",
        stale.join(", ")
    )
}
