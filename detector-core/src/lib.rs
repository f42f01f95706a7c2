//! Judgement without I/O: kernel records and sweep ends go in, events and snapshots come out.
//!
//! Never: a clock, I/O, aya, tokio. Time is an argument.

pub mod btf;
pub mod layout;
