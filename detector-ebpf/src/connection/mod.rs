//! State of misbehaving connections: found, made, brought up to date and judged here.
//!
//! The state is the record itself. Hooks run under the socket lock, and so does the sweep from
//! 5.15 on, so that one record is changed by one program at a time. Before 5.15 the sweep only
//! holds the hash bucket's lock; see `sweep` for what it leaves to the hooks there.
#![forbid(unsafe_code)]

mod catch_up;
pub mod direction;
pub mod episode;
pub mod offer;
pub mod pending;
pub mod retransmit;
pub mod snapshot;
pub mod table;
pub mod taken;

pub use catch_up::catch_up;
