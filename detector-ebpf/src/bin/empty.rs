//! Programs that do nothing, on the tracepoint of the busiest hook and in the sweep's iterator: what being
//! called costs.
//!
//! `cargo xtask bench hook` compares `det_tcp_probe` with the one, `cargo xtask bench sweep` `det_sweep` with
//! the other. They are no part of the agent.
#![no_std]
#![no_main]

#[path = "../panic.rs"]
mod panic;

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use core::ffi::c_void;

#[btf_tracepoint(function = "tcp_probe")]
fn det_empty(_: BtfTracePointContext) -> i32 {
    0
}

// SAFETY: the section name is the loader's convention for this program kind.
#[unsafe(link_section = "iter/tcp")]
// SAFETY: found by this name; nothing else defines it.
#[unsafe(no_mangle)]
fn det_empty_sweep(_: *mut c_void) -> i32 {
    0
}
