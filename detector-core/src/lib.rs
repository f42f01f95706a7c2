//! Judgement without I/O: kernel records and sweep ends go in, events and snapshots come out.
//!
//! `observe` turns bytes into observations, `tables` remember, `rules` raise flags, `verdict` weighs a
//! peer, `incidents` put together what stands on the host; `engine` routes between them.
//!
//! Never: a clock, I/O, aya, tokio. Time is an argument.

pub mod engine;
mod events;
pub mod guard;
mod incidents;
mod ledger;
pub mod metrics;
pub mod observe;
mod rules;
pub mod settings;
mod tables;
pub mod time;
mod verdict;
