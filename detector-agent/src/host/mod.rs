//! What the host says outside the kernel's TCP: who owns a socket, how loaded it is.
//!
//! Everything read here is foreign text: bounded, checked and sanitized where it comes in.

pub(crate) mod folder;
pub(crate) mod kernel_log;
pub(crate) mod owner;
pub(crate) mod pressure;
pub(crate) mod sessions;
pub(crate) mod tcp_memory;
