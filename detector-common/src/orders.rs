//! What the agent tells the programs at each round of sweeps.

use bytemuck::{Pod, Zeroable};

/// Written whole by the agent; the programs count `looks` down.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct RoundOrders {
    /// How many more acknowledgements are to be looked at closely before the next round.
    pub looks: i64,
    /// Number of the last round over all network namespaces: what was marked before the one before it is
    /// marked no more.
    pub epoch: u32,
    /// 1 while each socket is to be looked at, whatever the hooks have marked.
    pub is_full: u32,
}

const _: () = assert!(size_of::<RoundOrders>() == 16);

impl RoundOrders {
    /// As many looks as a quiet host does not use up, and together far cheaper than a pass: one takes up to 0.2 µs.
    pub const LOOKS: i64 = 1_024;

    /// Before the first round.
    pub const DEFAULT: Self = Self {
        looks: Self::LOOKS,
        epoch: 1,
        is_full: 1,
    };
}
