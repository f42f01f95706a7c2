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
    /// 1 while the table of connections has little room left: honest rounding of windows takes no place in
    /// it then.
    pub is_scarce: u32,
    /// Keeps the size a multiple of its alignment without hidden padding; always 0.
    pub reserved: u32,
}

const _: () = assert!(size_of::<RoundOrders>() == 24);

impl RoundOrders {
    /// As many looks as a quiet host does not use up, and together far cheaper than a pass: one takes up to 0.2 µs.
    pub const LOOKS: i64 = 1_024;

    /// Before the first round.
    pub const DEFAULT: Self = Self {
        looks: Self::LOOKS,
        epoch: 1,
        is_full: 1,
        is_scarce: 0,
        reserved: 0,
    };

    /// Whether a table of `capacity` entries has little room left with so many in it: a quarter is kept for
    /// who misbehaves.
    #[must_use]
    pub const fn is_room_scarce(entries: u64, capacity: u64) -> bool {
        entries >= capacity - capacity / 4
    }
}

#[cfg(test)]
mod tests {
    use super::RoundOrders;

    #[test]
    fn a_quarter_of_the_table_is_kept_for_who_misbehaves() {
        for (entries, capacity, is_scarce) in [
            (11, 16, false),
            (12, 16, true),
            (49_151, 65_536, false),
            (49_152, 65_536, true),
            (0, 65_536, false),
        ] {
            let found = RoundOrders::is_room_scarce(entries, capacity);
            assert_eq!(found, is_scarce, "{entries} of {capacity}");
        }
    }
}
