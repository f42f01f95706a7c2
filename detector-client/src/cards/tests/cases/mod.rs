//! Peers as the agent describes them.

mod harmless;
mod hoards;
mod parts;
mod shrinks;

use crate::cards::Subject;
pub(super) use harmless::{slow_client, trusted, vanished};
pub(super) use hoards::{dribble, orphans, zero_window_hoard};
pub(super) use shrinks::treason;

pub(super) fn all() -> Vec<Subject> {
    vec![
        zero_window_hoard(),
        treason(),
        dribble(),
        slow_client(),
        vanished(),
        orphans(),
        trusted(),
    ]
}
