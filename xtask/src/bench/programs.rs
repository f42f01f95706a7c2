//! Programs in the kernel while a benchmark runs: the agent's, the empty one, and their run times.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::cost::number_of;
use crate::background::Background;
use crate::command::output;
use crate::tree;

/// The agent with everything at its default but where it listens.
pub(super) fn start_agent(agent: &Path, folder: &Path) -> Result<Background> {
    Ok(start_telling(agent, folder, &[])?.0)
}

/// The same with more arguments, and its `ready:` line.
pub(super) fn start_telling(
    agent: &Path,
    folder: &Path,
    more: &[&Path],
) -> Result<(Background, String)> {
    Background::start_until_ready(
        Command::new(agent)
            .args(["run", "--web.listen-address", "127.0.0.1:0"])
            .arg("--control-socket")
            .arg(control_socket(folder))
            .arg("--state-dir")
            .arg(folder.join("state"))
            .args(more),
    )
}

/// Where an agent that was started in `folder` is asked.
pub(super) fn control_socket(folder: &Path) -> PathBuf {
    folder.join("control.sock")
}

/// One program as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) name: String,
    /// Instructions once loaded.
    pub(super) instructions: u64,
    /// Instructions that the verifier went through, all states together.
    pub(super) verified: u64,
}

/// Sizes of the programs that a process holds, by name.
pub(super) fn sizes_of(process: u32) -> Result<Vec<Size>> {
    let folder = format!("/proc/{process}/fdinfo");
    let mut verified = HashMap::new();
    for entry in fs::read_dir(&folder)
        .with_context(|| format!("cannot list {folder}"))?
        .flatten()
    {
        let Ok(said) = fs::read_to_string(entry.path()) else {
            continue;
        };
        if let (Some(id), Some(count)) = (
            number_of(&said, "prog_id:"),
            number_of(&said, "verified_insns:"),
        ) {
            verified.insert(id, count);
        }
    }
    let mut sizes = Vec::new();
    for program in listed()? {
        if let Some(&verified) = verified.get(&number(&program, "id")) {
            let name = program.get("name").and_then(serde_json::Value::as_str);
            sizes.push(Size {
                name: name.unwrap_or_default().to_owned(),
                instructions: number(&program, "bytes_xlated") / 8,
                verified,
            });
        }
    }
    if sizes.is_empty() {
        bail!("the kernel does not say how many instructions it verified (it does from 5.16 on)");
    }
    sizes.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(sizes)
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
    Ok(totals_of(&listed()?, name))
}

/// What `bpftool` says of all programs.
fn listed() -> Result<Vec<serde_json::Value>> {
    let said = output(Command::new("bpftool").args(["--json", "prog", "show"]))?;
    serde_json::from_str(&said).context("bpftool printed something that is not JSON")
}

fn totals_of(programs: &[serde_json::Value], name: &str) -> HashMap<u64, Stats> {
    let is_called_so = |program: &&serde_json::Value| {
        program.get("name").and_then(serde_json::Value::as_str) == Some(name)
    };
    let ours = programs.iter().filter(is_called_so).map(|program| {
        let stats = Stats {
            runs: number(program, "run_cnt"),
            nanoseconds: number(program, "run_time_ns"),
        };
        (number(program, "id"), stats)
    });
    ours.collect()
}

fn number(program: &serde_json::Value, key: &str) -> u64 {
    let value = program.get(key).and_then(serde_json::Value::as_u64);
    value.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_times_are_read_by_program() {
        let listed = r#"[{"id":1,"name":"det_empty","run_time_ns":100,"run_cnt":2},
            {"id":2,"name":"other","run_time_ns":7,"run_cnt":7},
            {"id":4,"name":"det_empty"}]"#;
        let listed: Vec<serde_json::Value> = serde_json::from_str(listed).unwrap();
        let found = totals_of(&listed, "det_empty");
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
    }
}
