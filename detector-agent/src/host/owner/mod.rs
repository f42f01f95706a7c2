//! Names the processes behind stalled connections.
//!
//! In: inodes of sockets, from the engine. Out: processes that hold them, for the engine; and how
//! many tasks of each service wait for peers that do not take their data. The way leads from the
//! socket through `/proc/PID/fd`, never from the task that happened to be on the processor.
//!
//! All work is done on a thread of its own, within a share of one core ([`Pace`]). A process that
//! vanishes or may not be read is counted and passed over.

mod cgroup;
mod finder;
mod held;
mod holder;
mod pace;
mod proc;
mod process;
mod report;
mod syscall;
#[cfg(test)]
mod tests;

pub(crate) use finder::{Finder, Named};
pub(crate) use pace::{Pace, Stopped};
pub(crate) use report::{OwnerReport, Report};
