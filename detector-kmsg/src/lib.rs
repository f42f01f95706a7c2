//! Kernel logs, of any era and in any wrapping, and what they say about TCP peers and OOM kills.
//!
//! In: bytes, in pieces of any size. Out: a [`LogReport`]. Pure: no clock, no I/O; memory is bounded
//! whatever comes in, and what does not fit is counted. Names in the report are sanitized.

mod digest;
pub mod message;
mod reader;
mod report;
mod wrapping;

pub use reader::LogReader;
pub use report::{
    Chosen, Clock, Count, CutRequests, Direction, Kill, LeftOut, LinkChanges, LogReport, LogTime,
    Memory, Peer, Scope, Stall, SynFlood, TcpMemory, Victim,
};
