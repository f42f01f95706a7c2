//! Rules: what a connection or a peer shows. A rule owns its state, one field of a connection and one
//! of a peer. It observes each new state and the passing of time, and answers with what has changed.
//! Pure: no rule knows tables, events or clocks.
//!
//! Each may ask those before it: progress, pace, stall, hoard. What each observation passes through is
//! `#[inline]`: the crate is compiled in several units, and calls between them cost a tenth.

pub(crate) mod drain;
pub(crate) mod fingerprint;
pub(crate) mod flags;
pub(crate) mod held_up;
pub(crate) mod hoard;
pub(crate) mod pace;
pub(crate) mod progress;
pub(crate) mod recovery;
pub(crate) mod shrink;
pub(crate) mod stall;
pub(crate) mod tiny_window;
pub(crate) mod zero_window;

/// What is remembered of a peer's past is forgotten when it has been quiet for so long; so is its
/// verdict.
pub(crate) const QUIET_NS: u64 = 600 * crate::time::SECOND_NS;
