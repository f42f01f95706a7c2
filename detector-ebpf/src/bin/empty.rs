//! A program that does nothing, on the tracepoint of the busiest hook: what being called costs.
//!
//! `cargo xtask bench hook` compares `det_tcp_probe` with it. It is no part of the agent.
#![no_std]
#![no_main]

#[path = "../panic.rs"]
mod panic;

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

#[btf_tracepoint(function = "tcp_probe")]
fn det_empty(_: BtfTracePointContext) -> i32 {
    0
}
