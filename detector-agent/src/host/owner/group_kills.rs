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
    /// Of the group of this path, as `/proc` has it.
    pub(crate) fn open(proc: &Path, group: Option<&str>) -> Self {
        let folder = || ControlGroups::find(proc)?.folder(group?);
        Self(folder())
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
