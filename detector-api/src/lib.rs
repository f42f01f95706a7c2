//! What leaves the agent, defined once: the JSON of the control socket, labels, units, times, exit
//! codes, and the words made of codes and numbers.
//!
//! Pure: no clock, no I/O but the last words of a failing command, nothing that only Linux has.

pub mod actions;
pub mod address;
pub mod bounds;
pub mod budget;
pub mod defaults;
pub mod failure;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
pub mod host;
pub mod labelled;
pub mod nearest;
pub mod owner;
pub mod page;
pub mod recorded;
pub mod row;
pub mod sanitize;
pub mod session;
pub mod snapshot;
pub mod status;
pub mod tcp_memory;
pub mod text;
pub mod time;
pub mod units;
