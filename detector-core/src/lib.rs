//! Judgement without I/O: kernel records and sweep ends go in, events and snapshots come out.
//!
//! Never: a clock, I/O, aya, tokio. Time is an argument.

pub mod btf;
pub mod decode;
pub mod layout;
pub mod observation;
pub mod peer_address;
pub mod settings;
pub mod snapshot;
pub mod time;
