//! Kernel side of detector: three programs on TCP tracepoints, a sweep over sockets, and a
//! witness of the OOM killer.
//!
//! In: tracepoint arguments and sockets. Out: [`ConnectionRecord`](detector_common::record)s of
//! connections that misbehave, [`VictimRecord`](detector_common::victim)s, and counters of everything that could not be kept. Never: a map
//! look-up, a write or a clock read for a healthy acknowledgement, but for those few a second that
//! [`attention`] looks at.
#![no_std]
#![no_main]
#![allow(unreachable_pub, reason = "one binary: `pub` is for its own modules")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a checked cast brings a panic, which the verifier refuses"
)]
// For the atomic add of `count`; the build lets unstable features in anyway, for `core` itself.
#![feature(asm_experimental_arch)]

mod attention;
mod connection;
mod count;
mod emit;
mod globals;
mod helpers;
mod history;
mod hooks;
mod kernel_memory;
mod maps;
mod panic;
mod record_pointer;
mod segment;
mod socket;
mod sweep;
mod task;
