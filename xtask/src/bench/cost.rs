//! Processor time and memory of processes.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};

use crate::terminal::stat_fields;

/// Time on a processor of all threads of a process, in nanoseconds, as the scheduler counts it. What
/// the kernel does for the network while it runs is in it.
pub(super) fn time_of_process(id: u32) -> Result<f64> {
    let mut sum = 0.0;
    let tasks = format!("/proc/{id}/task");
    for task in fs::read_dir(&tasks).with_context(|| format!("cannot list {tasks}"))? {
        let file = task
            .context("cannot list a thread")?
            .path()
            .join("schedstat");
        let Ok(said) = fs::read_to_string(&file) else {
            // The thread has ended meanwhile.
            continue;
        };
        sum += number_at(&said, 0).with_context(|| format!("{}: {said}", file.display()))?;
    }
    Ok(sum)
}

/// The number in a column of a line.
pub(super) fn number_at(line: &str, index: usize) -> Option<f64> {
    line.split_whitespace().nth(index)?.parse().ok()
}

/// The same of a process and all its descendants; of those that have ended, in hundredths of a second.
pub(super) fn time_of_family(id: u32) -> Result<f64> {
    const TICK_NANOSECONDS: f64 = 1e7;
    let fields = stat_fields(id)?;
    let ended = fields
        .iter()
        .skip(13)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok());
    let mut sum = time_of_process(id)? + ended.sum::<f64>() * TICK_NANOSECONDS;
    let list = format!("/proc/{id}/task/{id}/children");
    let children = fs::read_to_string(&list).with_context(|| format!("cannot read {list}"))?;
    for child in children.split_whitespace() {
        // One that has ended counts no more.
        sum += time_of_family(child.parse().context("a process number")?).unwrap_or(0.0);
    }
    Ok(sum)
}

/// Resident memory of a process, and that of the maps it has open, in bytes.
pub(super) fn memory(id: u32) -> Result<(u64, u64)> {
    let file = format!("/proc/{id}/status");
    let status = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    let resident = number_of(&status, "VmRSS:").with_context(|| format!("no VmRSS in {file}"))?;
    let mut maps = BTreeMap::new();
    let folder = format!("/proc/{id}/fdinfo");
    for entry in fs::read_dir(&folder)
        .with_context(|| format!("cannot list {folder}"))?
        .flatten()
    {
        let Ok(said) = fs::read_to_string(entry.path()) else {
            continue;
        };
        if let (Some(map), Some(bytes)) =
            (number_of(&said, "map_id:"), number_of(&said, "memlock:"))
        {
            maps.insert(map, bytes);
        }
    }
    Ok((resident * 1024, maps.values().sum()))
}

/// The number behind `name` at the beginning of a line, as files below `/proc` have it.
pub(super) fn number_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
