//! Sequence numbers of the models, which never wrap, and the same on the wire.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use proptest::prelude::*;

/// Cuts a sequence number that never wraps to the 32 bits on the wire.
pub(crate) fn wire(number: i128) -> u32 {
    u32::try_from(number.rem_euclid(1 << 32)).unwrap()
}

/// Sequence numbers that matter: anywhere, and around the wrap.
pub(crate) fn start() -> impl Strategy<Value = i128> {
    prop_oneof![
        (0i128..1 << 32),
        (-70_000i128..70_000).prop_map(|near| (1 << 32) + near),
        (-70_000i128..70_000).prop_map(|near| (1 << 31) + near),
    ]
}

/// Distances that matter: few bytes, around the rounding bounds, up to the largest window.
pub(crate) fn distance() -> impl Strategy<Value = i128> {
    prop_oneof![
        0i128..4,
        1_440i128..1_460,
        (0u8..=14, -2i128..3).prop_map(|(shift, near)| ((1i128 << shift) + near).max(0)),
        0i128..=(65_535 << 14),
    ]
}

pub(crate) fn signed(distance: impl Strategy<Value = i128>) -> impl Strategy<Value = i128> {
    (distance, any::<bool>())
        .prop_map(|(distance, is_back)| if is_back { -distance } else { distance })
}
