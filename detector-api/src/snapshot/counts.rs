//! What is counted of a connection, a peer, a host and an incident alike.

use super::numbers::numbers;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Counts by severity of a window shrink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shrinks {
    /// Nothing in flight was taken back.
    pub polite: u64,
    /// Below data in flight, to a window above zero.
    pub below_flight: u64,
    /// To zero with data in flight.
    pub treason: u64,
}

/// Segments sent again, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Retransmits {
    /// Taken for lost.
    pub loss: u64,
    /// By the loss-probe timer, to draw an acknowledgement.
    #[serde(default)]
    pub tail_probe: u64,
    /// While the window was zero.
    pub window_probe: u64,
}

impl Retransmits {
    /// Each cause by its label.
    #[must_use]
    pub const fn by_cause(&self) -> [(&'static str, u64); 3] {
        [
            ("loss", self.loss),
            ("tail_probe", self.tail_probe),
            ("window_probe", self.window_probe),
        ]
    }
}

numbers! {
    /// What all interfaces but the loopback counted, from `/sys/class/net/*/statistics`: errors are
    /// frames that arrived broken or could not be sent; drops have honest reasons too (protocols
    /// nobody listens to), so they are shown but decide nothing.
    #[derive(Eq)]
    InterfaceCounts {
        /// Receive errors: CRC, length, frame, FIFO and missed.
        rx_errors: u64,
        /// Send errors: carrier, aborted, FIFO, heartbeat, window.
        tx_errors: u64,
        /// Dropped on receipt.
        rx_dropped: u64,
        /// Dropped before sending.
        tx_dropped: u64,
    }
}

impl InterfaceCounts {
    /// Errors in both directions, without drops.
    #[must_use]
    pub const fn errors(&self) -> u64 {
        self.rx_errors.saturating_add(self.tx_errors)
    }

    /// Both together. Stops at the largest number.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            rx_errors: self.rx_errors.saturating_add(other.rx_errors),
            tx_errors: self.tx_errors.saturating_add(other.tx_errors),
            rx_dropped: self.rx_dropped.saturating_add(other.rx_dropped),
            tx_dropped: self.tx_dropped.saturating_add(other.tx_dropped),
        }
    }

    /// What was counted since `before`. A driver that was reset counts from zero again: what it added is
    /// not known then.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            rx_errors: self.rx_errors.saturating_sub(before.rx_errors),
            tx_errors: self.tx_errors.saturating_sub(before.tx_errors),
            rx_dropped: self.rx_dropped.saturating_sub(before.rx_dropped),
            tx_dropped: self.tx_dropped.saturating_sub(before.tx_dropped),
        }
    }
}
