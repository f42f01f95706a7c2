//! Settings the agent hands to the kernel side as a read-only global before loading.

use bytemuck::{Pod, Zeroable};

/// Read-only once loaded: the verifier knows each value and drops the branches it rules out.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct KernelSettings {
    /// How long one rate window of a connection lasts, in nanoseconds.
    pub rate_window_ns: u64,
    /// Records a connection may emit in one rate window; more are counted and held back.
    pub rate_records: u32,
    /// 0 drops every kernel-side log line at load; 1 to 5 is error to trace.
    pub log_level: u32,
}

const _: () = assert!(size_of::<KernelSettings>() == 16);

impl KernelSettings {
    /// Eight records a second and connection, no log.
    pub const DEFAULT: Self = Self {
        rate_window_ns: 1_000_000_000,
        rate_records: 8,
        log_level: 0,
    };
}
