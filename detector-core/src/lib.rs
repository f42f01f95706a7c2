//! Judgement without I/O: kernel records and sweep ends go in, events and snapshots come out.
//!
//! Never: a clock, I/O, aya, tokio. Time is an argument.

pub mod btf;
mod chain;
mod connections;
mod crowd;
pub mod decode;
mod departed;
pub mod engine;
mod events;
mod groups;
mod incidents;
pub mod layout;
mod ledger;
mod memory;
pub mod metrics;
pub mod networks;
pub mod observation;
pub mod peer_address;
mod peers;
mod rules;
pub mod settings;
mod state;
pub mod time;
mod verdict;
