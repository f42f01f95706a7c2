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
    /// A tick of the kernel's clock (`1/HZ`), in nanoseconds; 0 if not known.
    pub tick_ns: u32,
    /// What of an IPv6 address makes a peer, as it lies in memory.
    pub ipv6_mask: [u64; 2],
    /// The number of the agent's own network namespace in `/proc/PID/ns/net`, or
    /// [`NO_NAMESPACE`](Self::NO_NAMESPACE).
    pub network_namespace: u32,
    /// The user namespace whose network namespaces are no stranger's: its number in
    /// `/proc/PID/ns/user`, or likewise.
    pub user_namespace: u32,
    /// Draws [`places_of`](crate::elsewhere::places_of) addresses; nobody else knows it.
    pub seed: u64,
}

const _: () = assert!(size_of::<KernelSettings>() == 48);

impl KernelSettings {
    /// Eight records a second and connection.
    pub const DEFAULT: Self = Self {
        rate_window_ns: 1_000_000_000,
        rate_records: 8,
        tick_ns: 0,
        ipv6_mask: Self::ipv6_mask(64),
        network_namespace: Self::NO_NAMESPACE,
        user_namespace: Self::FIRST_USER_NAMESPACE,
        seed: 0,
    };

    /// The last number that there is; what cannot be read is 0.
    pub const NO_NAMESPACE: u32 = u32::MAX;

    /// The number of the user namespace that a kernel begins with, also of the only one where it has no
    /// others.
    pub const FIRST_USER_NAMESPACE: u32 = 0xefff_fffd;

    /// The mask of a prefix of so many bits.
    #[must_use]
    pub const fn ipv6_mask(prefix_length: u8) -> [u64; 2] {
        [
            leading_ones(prefix_length).to_be(),
            leading_ones(prefix_length.saturating_sub(64)).to_be(),
        ]
    }
}

const fn leading_ones(bits: u8) -> u64 {
    match bits {
        0 => 0,
        64.. => u64::MAX,
        bits => !(u64::MAX >> bits),
    }
}

#[cfg(test)]
mod tests {
    use super::KernelSettings;

    #[test]
    fn a_mask_has_as_many_ones_as_the_prefix_is_long() {
        for length in 0..=128 {
            let bytes: [u8; 16] = bytemuck::cast(KernelSettings::ipv6_mask(length));
            let mask = u128::from_be_bytes(bytes);
            assert_eq!(mask.leading_ones(), u32::from(length));
            assert_eq!(mask.count_ones(), u32::from(length));
        }
    }
}
