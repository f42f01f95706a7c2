//! `detector report`: what happened, from the files of recorders alone.
//!
//! In: recorders of one or several hosts. [`build`] makes a [`Report`] of them, which knows no form;
//! text, page and JSON are made of it. No agent and no network is needed.

mod abuse;
mod build;
mod chronicle;
mod clocks;
mod elsewhere;
mod html;
mod kills;
mod model;
mod names;
mod networks;
mod orphans;
mod outcome;
mod peers;
mod recommended;
mod recording;
mod remedies;
mod rows;
mod series;
mod shortage;
mod stalls;
mod steps;
mod summary;
mod text;
mod timeline;
mod unseen;
mod windows;
mod words;

pub use model::Report;

use crate::clock;
use crate::output::print;
use crate::peer_address::PeerAddress;
use crate::terminal::Capabilities;
use build::{Wanted, build};
use detector_api::failure::Failure;
use detector_api::sanitize;
use detector_recorder::{RecorderError, Span};
use model::Time;
use std::path::{Path, PathBuf};

/// What is to be reported.
#[derive(Clone, Copy, Debug)]
pub struct ReportQuery<'a> {
    /// Recorders: files, or folders that they lie in.
    pub files: &'a [PathBuf],
    /// From this time on.
    pub since: Option<&'a str>,
    /// Until this time.
    pub until: Option<&'a str>,
    /// About this incident.
    pub incident: Option<&'a str>,
    /// As a page, into this file.
    pub output: Option<&'a Path>,
    /// As JSON.
    pub json: bool,
    /// As a letter to the operator of this peer's network.
    pub abuse: Option<PeerAddress>,
    /// Whether names of addresses are asked for.
    pub resolve: bool,
    /// Files that say whose network an address is in.
    pub networks: &'a [PathBuf],
}

/// Makes the report and prints it, or writes it into a file.
pub fn report(query: &ReportQuery<'_>) -> Result<(), Failure> {
    let networks = query.networks.iter();
    let networks = networks.map(|path| networks::Networks::open(path));
    let networks = networks.collect::<Result<Vec<_>, _>>()?;
    let now = Time(i64::try_from(clock::unix_ns() / 1_000_000).unwrap_or(i64::MAX));
    let wanted = Wanted {
        since: query.since,
        until: query.until,
        incident: query.incident,
        peer: query.abuse.map(|peer| peer.network),
        now,
    };
    let sources = recording::Source::open_all(query.files)?;
    let (mut report, recordings) = build(sources, &wanted)?;
    for peer in &mut report.peers {
        peer.network = networks::of_peer(&networks, &peer.peer);
    }
    if query.resolve {
        names::resolve(&mut report.peers);
    }
    if let Some(peer) = query.abuse {
        return print(&abuse::letter(&report, &recordings, &peer.to_string())?);
    }
    if let Some(file) = query.output {
        write(file, &html::page(&report))?;
    }
    if query.json {
        let json = serde_json::to_string(&report)
            .map_err(|error| Failure::failed(format!("cannot write JSON: {error}")))?;
        return print(&(json + "\n"));
    }
    if query.output.is_none() {
        return print(&text::text(&report, Capabilities::of_stdout()));
    }
    Ok(())
}

/// What would have helped against one peer, by what a recorder has of it: the end of its card. Empty
/// where it held nothing.
pub(crate) fn helped(
    recorder: &Path,
    peer: &str,
    terminal: Capabilities,
) -> Result<String, RecorderError> {
    let recording = recording::Source::open(recorder)?.read(Span::ALL, Some(peer))?;
    let (stalls, recordings) = ([stalls::stalls(&recording)], [recording]);
    let remedies = remedies::remedies(remedies::Tried {
        recordings: &recordings,
        stalls: &stalls,
        verdicts: &peers::verdicts(&recordings),
        only: Some(peer),
    })?;
    Ok(text::helped(&remedies, terminal))
}

fn write(file: &Path, page: &str) -> Result<(), Failure> {
    let shown = sanitize::text(&file.display().to_string());
    std::fs::write(file, page)
        .map_err(|error| Failure::failed(format!("cannot write {shown}: {error}")))
}

#[cfg(test)]
mod tests;
