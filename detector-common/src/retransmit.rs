//! Why a segment is sent again.
//!
//! Pure functions; the kernel side decides with them, the agent names what they say.

/// Why a segment is sent again. The number is the index of `ConnectionRecord::retransmits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Taken for lost: by a timeout, by duplicate acknowledgements, by what was acknowledged beyond.
    Loss,
    /// To draw an acknowledgement, as none came for a while: fired by the loss-probe timer.
    TailProbe,
    /// The peer's window is zero.
    WindowProbe,
}

impl Cause {
    /// How many causes there are.
    pub const COUNT: usize = 3;
}

/// `icsk_pending` while the loss-probe timer is armed, and while what it sends is sent: the kernel
/// clears it after that (`tcp_send_loss_probe`), but before it sends for a timeout
/// (`tcp_write_timer_handler`).
const LOSS_PROBE_TIMER: u8 = 5;

/// `TCP_CA_Recovery`. A loss probe is armed and fires below this; from here on the kernel repairs
/// loss, even if that began while the timer was armed.
const IN_RECOVERY: u8 = 3;

/// The cause of a segment that is sent now, by the peer's window, `icsk_pending` and
/// `icsk_ca_state`.
#[inline]
#[must_use]
pub const fn cause(is_zero_window: bool, pending_timer: u8, congestion_state: u8) -> Cause {
    if is_zero_window {
        Cause::WindowProbe
    } else if pending_timer == LOSS_PROBE_TIMER && congestion_state < IN_RECOVERY {
        Cause::TailProbe
    } else {
        Cause::Loss
    }
}

#[cfg(test)]
mod tests {
    use super::{Cause, cause};

    /// The kernel's names for the states of congestion, and whether a loss probe can fire in each.
    const STATES: [(u8, bool); 5] = [(0, true), (1, true), (2, true), (3, false), (4, false)];

    #[test]
    fn each_cause_by_window_timer_and_state() {
        for timer in 0..=u8::MAX {
            for (state, may_probe) in STATES {
                assert_eq!(cause(true, timer, state), Cause::WindowProbe);
                let is_probe = timer == 5 && may_probe;
                let expected = if is_probe {
                    Cause::TailProbe
                } else {
                    Cause::Loss
                };
                assert_eq!(cause(false, timer, state), expected, "{timer} {state}");
            }
        }
    }

    #[test]
    fn numbers_are_indices() {
        for (index, cause) in [Cause::Loss, Cause::TailProbe, Cause::WindowProbe]
            .into_iter()
            .enumerate()
        {
            assert_eq!(cause as usize, index);
            assert!(index < Cause::COUNT);
        }
    }
}
