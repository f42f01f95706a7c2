//! A TCP peer in user space, behind a TUN device, with full control of sequence and
//! acknowledgement numbers, window, shift, options and timing.
//!
//! No kernel owns its address, so no kernel answers for it. A [`Host`] reads packets from the
//! device and hands each to the peer it is for; a [`Peer`] keeps just enough state to be scripted
//! and answers by its [`Policy`] while the script waits for something else.

mod host;
mod peer;
mod segment;
mod shared;
mod state;

pub use host::Host;
pub use peer::{Outgoing, Peer};
pub use segment::Segment;
pub use state::{Policy, Seen};

/// What a peer says of itself in its SYN.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Window scale; `None` leaves the option out.
    pub shift: Option<u8>,
    /// Maximum segment size.
    pub mss: u16,
    /// Whether it uses timestamps.
    pub has_timestamps: bool,
    /// Window of the SYN and of the ACK that completes the handshake, bytes.
    pub window: u32,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            shift: Some(7),
            mss: 1_460,
            has_timestamps: true,
            window: 65_280,
        }
    }
}

impl Profile {
    /// With another window scale.
    #[must_use]
    pub const fn shift(mut self, shift: u8) -> Self {
        self.shift = Some(shift);
        self
    }

    /// With another first window, in bytes.
    #[must_use]
    pub const fn window(mut self, bytes: u32) -> Self {
        self.window = bytes;
        self
    }

    /// Without timestamps.
    #[must_use]
    pub const fn without_timestamps(mut self) -> Self {
        self.has_timestamps = false;
        self
    }

    /// With another maximum segment size.
    #[must_use]
    pub const fn mss(mut self, bytes: u16) -> Self {
        self.mss = bytes;
        self
    }

    /// What a full segment to this peer carries.
    #[must_use]
    pub fn payload_bytes(self) -> u32 {
        /// Timestamps in each segment.
        const OPTIONS_BYTES: u32 = 12;
        u32::from(self.mss)
            - if self.has_timestamps {
                OPTIONS_BYTES
            } else {
                0
            }
    }

    fn effective_shift(self) -> u8 {
        self.shift.unwrap_or(0)
    }
}
