//! A stage for TCP peers: private network namespaces, TUN devices, peers that behave as told,
//! servers for them, and the one table of cases that are played before an agent.
//!
//! Both `detector selftest` and the end-to-end stories stand on it, so the lab knows neither the
//! agent nor its types: what is due is named by labels. It needs root and a kernel; where something
//! needs a program as well, it says so.
//!
//! Start reading at [`cases`]: what is played and what is due. What the peers do step by step is in
//! [`acts`].

pub mod acts;
pub mod cases;
pub mod control_group;
pub mod expect;
pub mod network;
pub mod peers;
pub mod program;
pub mod servers;
pub mod stage;

/// Tells whoever plays something that is not worth a failure.
#[allow(
    clippy::print_stderr,
    reason = "a guard has nobody to return an error to"
)]
fn note(text: &str) {
    eprintln!("note: {text}");
}
