//! Finds the processes behind stalled connections.
//!
//! In: inodes of sockets, from the engine. Out: processes that hold them, for the engine; and how
//! many tasks of each service wait for peers that do not take their data. A socket is looked up in
//! `/proc/PID/fd`, never attributed to the task that happened to be on the processor.
//!
//! All work is done on a thread of its own, within a share of one core ([`CpuBudget`]). A process that
//! vanishes or may not be read is counted and passed over.

mod budget;
mod calls;
mod cgroup;
mod cgroup_memory;
mod finder;
mod group_kills;
mod held;
mod holder;
mod name;
mod own_group;
mod pod;
mod proc;
mod process;
mod report;
mod syscall;
#[cfg(test)]
mod tests;
mod victim;

pub(crate) use budget::{CpuBudget, Share, Stopped};
pub(crate) use finder::{Finder, NamedSocket};
pub(crate) use group_kills::GroupKills;
pub(crate) use held::Held;
pub(crate) use own_group::OwnGroup;
pub(crate) use report::{OwnerReport, SharedReport};
pub(crate) use victim::VictimReader;

/// The unit or container that a control group is of, by its path.
pub(crate) fn unit_of(cgroup: &str) -> Option<String> {
    cgroup::Placement::parse(format!("0::{cgroup}").as_bytes()).name()
}

/// Which limits of control groups can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ControlGroupsSeen {
    All,
    /// Those of the agent's own container and in it.
    Own,
    /// Those that are not beside the agent's own group.
    NotBeside,
    Nothing,
}

impl ControlGroupsSeen {
    /// By the mounts that this process has.
    pub(crate) fn find(proc: &std::path::Path) -> Self {
        match cgroup_memory::ControlGroups::find(proc) {
            None => Self::Nothing,
            Some(groups) if groups.sees_all() => Self::All,
            Some(groups) if groups.is_whole() => Self::NotBeside,
            Some(_) => Self::Own,
        }
    }
}
