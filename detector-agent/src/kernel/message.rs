//! What the kernel side sends.

use detector_core::observe::observation::{Observation, SweepEnd, UntrackedTotals};

/// What the kernel side sends.
#[derive(Debug)]
pub(crate) enum Message {
    /// Decoded records, oldest first.
    Records(Vec<Observation>),
    /// This many records could not be decoded.
    Refused(u64),
    /// One pass over one namespace ended.
    SweepEnd(SweepEnd),
    /// New totals of what the kernel side could not keep per connection.
    Untracked(UntrackedTotals),
    /// The kernel side cannot go on; nothing follows.
    Failed(String),
}
