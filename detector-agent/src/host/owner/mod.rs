//! Finds the processes behind stalled connections.
//!
//! In: inodes of sockets, from the engine. Out: processes that hold them, for the engine; and how
//! many tasks of each service wait for peers that do not take their data. A socket is looked up in
//! `/proc/PID/fd`, never attributed to the task that happened to be on the processor.
//!
//! All work is done on a thread of its own, within a share of one core ([`CpuBudget`]). A process that
//! vanishes or may not be read is counted and passed over.

mod budget;
mod cgroup;
mod cgroup_memory;
mod finder;
mod group_kills;
mod held;
mod holder;
mod pod;
mod proc;
mod process;
mod report;
mod syscall;
#[cfg(test)]
mod tests;
mod victim;

pub(crate) use budget::{CpuBudget, Share, Stopped};
pub(crate) use cgroup_memory::memory_group;
pub(crate) use finder::{Finder, NamedSocket};
pub(crate) use group_kills::GroupKills;
pub(crate) use held::Held;
pub(crate) use report::{OwnerReport, SharedReport};
pub(crate) use victim::VictimReader;

/// The unit or container that a control group is of, by its path.
pub(crate) fn unit_of(cgroup: &str) -> Option<String> {
    cgroup::Placement::parse(format!("0::{cgroup}").as_bytes()).name()
}

/// Whether limits of control groups can be read here.
pub(crate) fn has_control_groups() -> bool {
    cgroup_memory::ControlGroups::find(std::path::Path::new("/proc")).is_some()
}
