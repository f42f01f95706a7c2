//! `cargo xtask bench engine`: what an observation costs by the number of connections tracked, by
//! simulation; see `detector-core/examples/many.rs`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::table::{Table, tell_bound};
use crate::command::output;

/// Observations in a round of the example, at least.
const LEAST: u64 = 1_000_000;

pub(super) fn main(program: &Path, most: u64) -> Result<()> {
    let said = output(Command::new(program).arg(most.to_string()))?;
    let mut table = Table::new(&[
        "connections tracked",
        "ns an observation",
        "observations/s",
        "bytes a connection",
        "allocations an observation",
        "",
    ]);
    let mut most_allocations = 0.0_f64;
    for line in said.lines() {
        let numbers: Vec<u64> = line
            .split(' ')
            .map_while(|word| word.parse().ok())
            .collect();
        let [connections, nanoseconds, bytes, allocations] = numbers[..] else {
            anyhow::bail!("not four numbers: {line}");
        };
        most_allocations = most_allocations.max(share(allocations, connections.max(LEAST)));
        // The curve: a star for each 25 ns.
        let curve = usize::try_from(nanoseconds / 25).context("a large number")?;
        table.row(vec![
            connections.to_string(),
            nanoseconds.to_string(),
            (1_000_000_000 / nanoseconds.max(1)).to_string(),
            bytes.to_string(),
            format!("{:.5}", share(allocations, connections.max(LEAST))),
            format!("{:<60}", "*".repeat(curve.min(60))),
        ]);
    }
    println!("{table}");
    tell_bound(
        "allocations an observation in the steady state of the engine, most",
        &format!("{most_allocations:.5}"),
        "0",
        most_allocations == 0.0,
    );
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
fn share(part: u64, of: u64) -> f64 {
    part as f64 / of as f64
}
