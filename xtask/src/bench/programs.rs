//! Programs in the kernel while a benchmark runs: the agent's, the empty one, and their run times.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::background::Background;
use crate::command::output;
use crate::tree;

/// The agent with everything at its default but where it listens.
pub(super) fn start_agent(agent: &Path, folder: &Path) -> Result<Background> {
    let (running, _) = Background::start_until_ready(
        Command::new(agent)
            .args(["run", "--web.listen-address", "127.0.0.1:0"])
            .arg("--control-socket")
            .arg(folder.join("control.sock"))
            .arg("--state-dir")
            .arg(folder.join("state")),
    )?;
    Ok(running)
}

/// Name of the empty program.
pub(super) const EMPTY: &str = "det_empty";

/// The empty program, attached to `tcp_probe` until it is dropped.
pub(super) fn start_empty(loader: &Path) -> Result<Background> {
    let object = tree::root().join("detector-ebpf/prebuilt/empty.o");
    let (running, _) = Background::start_until_ready(Command::new(loader).arg(object).arg(EMPTY))
        .context("cannot attach the empty program")?;
    Ok(running)
}

/// Has the kernel count runs and time until it is dropped.
pub(super) fn start_counting(loader: &Path) -> Result<Background> {
    let (running, _) = Background::start_until_ready(&mut Command::new(loader))
        .context("cannot have the kernel count")?;
    Ok(running)
}

/// Runs of a program and the time they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stats {
    pub(super) runs: u64,
    nanoseconds: u64,
}

impl Stats {
    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub(super) fn nanoseconds_a_run(self) -> f64 {
        self.nanoseconds as f64 / self.runs as f64
    }

    /// Time in all runs, less `each` nanoseconds for each of them.
    #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub(super) fn nanoseconds_beyond(self, each: f64) -> f64 {
        self.nanoseconds as f64 - self.runs as f64 * each
    }

    #[cfg(test)]
    pub(super) const fn new(runs: u64, nanoseconds: u64) -> Self {
        Self { runs, nanoseconds }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            runs: self.runs + other.runs,
            nanoseconds: self.nanoseconds + other.nanoseconds,
        }
    }

    pub(super) fn minus(self, earlier: Self) -> Self {
        Self {
            runs: self.runs.saturating_sub(earlier.runs),
            nanoseconds: self.nanoseconds.saturating_sub(earlier.nanoseconds),
        }
    }
}

/// Identifiers and totals of the loaded programs called `name`.
pub(super) fn programs(name: &str) -> Result<HashMap<u64, Stats>> {
    let listed = output(Command::new("bpftool").args(["--json", "prog", "show"]))?;
    programs_in(&listed, name).context("bpftool printed something unexpected")
}

fn programs_in(listed: &str, name: &str) -> Result<HashMap<u64, Stats>> {
    let programs: Vec<serde_json::Value> = serde_json::from_str(listed).context("not JSON")?;
    let number = |program: &serde_json::Value, key: &str| {
        program
            .get(key)
            .and_then(serde_json::Value::as_u64)
            .unwrap_or_default()
    };
    let ours = programs
        .iter()
        .filter(|program| program.get("name").and_then(serde_json::Value::as_str) == Some(name))
        .map(|program| {
            let stats = Stats {
                runs: number(program, "run_cnt"),
                nanoseconds: number(program, "run_time_ns"),
            };
            (number(program, "id"), stats)
        });
    Ok(ours.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_times_are_read_by_program() {
        let listed = r#"[{"id":1,"name":"det_empty","run_time_ns":100,"run_cnt":2},
            {"id":2,"name":"other","run_time_ns":7,"run_cnt":7},
            {"id":4,"name":"det_empty"}]"#;
        let found = programs_in(listed, "det_empty").unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[&1],
            Stats {
                runs: 2,
                nanoseconds: 100
            }
        );
        assert_eq!(found[&1].nanoseconds_a_run(), 50.0);
        assert_eq!(found[&4], Stats::default());
        programs_in("{", "det_empty").unwrap_err();
    }
}
