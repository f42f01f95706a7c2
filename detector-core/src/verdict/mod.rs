//! What a peer is taken to be, from what its connections show. Pure.
//!
//! Conservative: one event accuses nobody, duration alone accuses nobody, and a trusted network
//! is never accused. An attack is named only for a hoard that drains nothing over a whole span,
//! and only if the peer does not recover as often as it holds.
//!
//! `evidence` holds what is known and the bounds it is held against. `judge` makes the verdict of
//! it; `weigh`, `considered`, `change` and `advice` each make one part of the weighing, which
//! `assess` puts together. None of them knows another but `evidence`. `symptom_window` remembers which
//! networks show the same at the same time.

mod advice;
mod assess;
mod change;
mod changes;
mod considered;
mod evidence;
mod judge;
mod last_answer;
mod neighbours;
mod sharing;
mod standing;
pub(crate) mod symptom_window;
mod weigh;

pub use changes::{VerdictChange, VerdictChanges};

pub(crate) use assess::{Standing, assess};
pub(crate) use evidence::{CROWD_NETWORKS, GroupEvidence, INTERFACE_ERRORS, PeerEvidence};
pub(crate) use judge::judge;
pub(crate) use neighbours::Neighbours;
pub(crate) use sharing::Stake;
pub(crate) use standing::{Aftermath, PathSigns, Verdicts};

#[cfg(test)]
mod tests;
