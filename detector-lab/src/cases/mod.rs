//! The one table of cases: peers that misbehave and peers that only look so, and what an agent has
//! to say of each.
//!
//! A new one is a function in `plays` and a row in `bad` or `honest`. The labelled scenarios play
//! all, `detector selftest` those that need a kernel and no program.

mod bad;
mod honest;
pub mod page;
mod plays;

pub use crate::stage::case::{Case, Flag, Label, Place, Play, SeenBy, Twin, When, is_alarm};

use anyhow::{Context, Result};

/// All cases, each to be played in both families: the bad ones, then the honest ones.
pub fn all() -> impl Iterator<Item = &'static Case> {
    let bad = [bad::LONE_PEERS, bad::CROWDS, bad::REAL_TOOLS, bad::SHARED];
    let honest = [honest::TWINS, honest::PEERS, honest::READERS];
    bad.into_iter().chain(honest).flatten()
}

/// The case of this name.
pub fn named(name: &str) -> Result<&'static Case> {
    let found = all().find(|case| case.name == name);
    found.with_context(|| format!("there is no case {name}"))
}

/// Those of the selftest.
pub fn of_selftest() -> impl Iterator<Item = &'static Case> {
    all().filter(|case| case.selftest.is_some())
}

#[cfg(test)]
mod tests;
