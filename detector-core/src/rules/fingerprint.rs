//! Fingerprint: connections of different addresses that look and act the same are one actor's work.
//!
//! What is compared is what a tool gives all its connections: shift, MSS, largest window, how much
//! was taken before (the sum of the windows offered), the service, and when it fell below the drain
//! floor. Honest users of one browser differ in how much they had taken; but players of one sort that
//! have filled their buffers with the same film do not, so that only connections are compared whose
//! peers took little more than a window, as one does that never reads on.

use crate::observe::state::State;
use crate::time::{MonotonicTime, SECOND_NS};

/// Connections that fell below the floor within five minutes go together. The spans of five minutes overlap by half, so
/// that no flood that comes within half of one is divided, whenever it comes.
const TOGETHER_NS: u64 = 300 * SECOND_NS;

/// Who took more than this, and more than two of its largest windows, has read on.
const READ_ON_BYTES: u64 = 64 << 10;

/// What connections of one actor have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint {
    /// What comes by this host's way in is compared with its like alone: elsewhere anybody may play any address.
    is_on_our_way: bool,
    window_shift: u8,
    taken: u16,
    local_port: u16,
    mss_bytes: u16,
    max_window_bytes: u32,
    /// Number of the half of a span, from 1.
    began: u32,
}

impl Fingerprint {
    /// The fingerprint of a connection that fell below the drain floor at `from`, with `taken_bytes`
    /// acknowledged, unless its peer had read on by then.
    pub(crate) fn of(
        state: &State,
        is_on_our_way: bool,
        from: MonotonicTime,
        taken_bytes: u64,
    ) -> Option<Self> {
        let windows = 2 * u64::from(state.max_window_bytes);
        let half_spans = from.as_ns() / (TOGETHER_NS / 2);
        (taken_bytes <= windows.max(READ_ON_BYTES)).then(|| Self {
            is_on_our_way,
            window_shift: state.window_shift,
            taken: quarter_octaves(taken_bytes),
            local_port: state.id.local_port(),
            // The option of TCP that tells it has two bytes for it.
            mss_bytes: u16::try_from(state.mss_bytes).unwrap_or(u16::MAX),
            max_window_bytes: state.max_window_bytes,
            began: u32::try_from(half_spans).unwrap_or(u32::MAX - 2) + 1,
        })
    }

    /// The two spans that it belongs to, each by the half that ends it.
    pub(crate) const fn spans(self) -> [Self; 2] {
        let next = Self {
            began: self.began + 1,
            ..self
        };
        [self, next]
    }
}

/// Four steps to each doubling: amounts within a fifth of one another are the same.
///
/// The steps lie off the powers of two, which windows like to be: what fills one but for a
/// remainder is the same as what fills it to the last byte.
fn quarter_octaves(amount: u64) -> u16 {
    let amount = amount.saturating_add(amount / 16);
    let octave = u64::BITS - amount.leading_zeros();
    let quarter = match octave.checked_sub(3) {
        Some(shift) => (amount >> shift) & 3,
        None => amount & 3,
    };
    u16::try_from(u64::from(octave) * 4 + quarter).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::quarter_octaves;

    #[test]
    fn near_amounts_are_the_same_and_others_are_not() {
        assert_eq!(quarter_octaves(65_536), quarter_octaves(70_000));
        assert_ne!(quarter_octaves(65_536), quarter_octaves(90_000));
        for window in (10..20).map(|bits| 1_u64 << bits) {
            assert_eq!(
                quarter_octaves(window),
                quarter_octaves(window - window / 32)
            );
        }
        assert_ne!(quarter_octaves(0), quarter_octaves(1));
        let mut last = 0;
        for amount in 0..100_000 {
            assert!(quarter_octaves(amount) >= last, "{amount}");
            last = quarter_octaves(amount);
        }
        assert!(quarter_octaves(u64::MAX) > last);
    }
}
