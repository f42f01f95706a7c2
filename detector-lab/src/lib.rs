//! A stage for TCP peers: private network namespaces, TUN devices, peers that behave as told and
//! a small server for them.
//!
//! Both `detector selftest` and the end-to-end stories stand on it, so the lab knows neither the
//! agent nor what it should say. It needs root and a kernel; where a function needs a program as
//! well, it says so.
//!
//! Start reading at [`acts`]: what the peers play.

pub mod acts;
pub mod expect;
pub mod network;
pub mod peers;
pub mod program;
pub mod servers;
