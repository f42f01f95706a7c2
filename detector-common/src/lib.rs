//! Every byte that crosses the border between kernel and agent, defined once, and the window
//! arithmetic that both sides share so that they cannot disagree.
//!
//! In: nothing. Out: plain types and pure functions, compiled for the host and for the BPF target.
//! Never: allocation, I/O, a clock, a dependency on `std`.
#![no_std]

pub mod acceptance;
pub mod address;
pub mod counter;
pub mod direction;
pub mod elsewhere;
pub mod history;
pub mod layout;
pub mod look;
pub mod names;
pub mod options;
pub mod orders;
pub mod record;
pub mod retransmit;
pub mod settings;
pub mod victim;
#[expect(
    clippy::too_many_arguments,
    reason = "retreat: six numbers of one socket and one segment, that a struct would only carry to where they are compared"
)]
pub mod window;
