//! What the kernel side tells of a process that the OOM killer has chosen.

use bytemuck::{Pod, Zeroable};

/// Longest name of a task, with the zero that ends it (`TASK_COMM_LEN`).
pub const NAME_BYTES: usize = 16;
/// Pages of which nothing is known: of a kernel, or a victim, whose memory could not be read.
pub const UNKNOWN: i64 = i64::MIN;

/// One victim.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct VictimRecord {
    /// `CLOCK_MONOTONIC`, nanoseconds.
    pub time_ns: u64,
    /// Number of the task in the first PID namespace, as the kernel's log has it.
    pub pid: u32,
    /// Always 0.
    pub reserved: u32,
    /// Its name, ended by zeros; all zeros if it could not be read.
    pub name: [u8; NAME_BYTES],
    /// Mapped files, pages.
    pub file_pages: i64,
    /// Anonymous memory, pages.
    pub anonymous_pages: i64,
    /// Shared memory, pages.
    pub shared_pages: i64,
    /// Number of its control group in the unified hierarchy; 0 if it could not be read.
    pub control_group: u64,
}

const _: () = assert!(size_of::<VictimRecord>() == 64);

impl VictimRecord {
    /// Of which the number alone is known.
    #[must_use]
    pub const fn bare(time_ns: u64, pid: u32) -> Self {
        Self {
            time_ns,
            pid,
            reserved: 0,
            name: [0; NAME_BYTES],
            file_pages: UNKNOWN,
            anonymous_pages: UNKNOWN,
            shared_pages: UNKNOWN,
            control_group: 0,
        }
    }
}
