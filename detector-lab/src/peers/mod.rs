//! Peers of two kinds: real kernel sockets that read as told, and a crafted TCP that says what no
//! kernel would say.

pub mod crafted;
mod kernel;

pub use kernel::{KernelPeer, SlowReader};
