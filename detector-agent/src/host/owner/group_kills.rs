//! How many processes of one control group, and of those in it, the kernel has killed for want of memory.

use super::cgroup_memory::ControlGroups;
use crate::host::folder::Folder;
use std::path::Path;

/// `memory.events`: a few lines.
const EVENTS_BYTES: usize = 1 << 10;

/// The count of one group; of cgroup v2 alone.
#[derive(Debug)]
pub(crate) struct GroupKills(Option<Folder>);

impl GroupKills {
    /// Of the agent's own group, by its path in `/proc`.
    pub(crate) fn open(proc: &Path, group: Option<&str>) -> Self {
        Self(group.and_then(|group| ControlGroups::own_folder(proc, group)))
    }

    /// Kills so far; `None` where the kernel does not count them by group.
    pub(crate) fn count(&self) -> Option<u64> {
        let events = self.0.as_ref()?.text("memory.events", EVENTS_BYTES)?;
        let kills = events
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "))?;
        kills.trim().parse().ok()
    }
}
