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
    /// Keeps the size a multiple of its alignment without hidden padding.
    pub reserved: u32,
}

const _: () = assert!(size_of::<KernelSettings>() == 16);

impl KernelSettings {
    /// Eight records a second and connection.
    pub const DEFAULT: Self = Self {
        rate_window_ns: 1_000_000_000,
        rate_records: 8,
        reserved: 0,
    };
}
