//! The flight recorder: one SQLite file in the agent's state folder, bounded in size and age, that
//! outlives crash, OOM kill and power cut.
//!
//! In: a [`Batch`] a second, from the agent, which is the only writer ([`Recorder`]). Out: rows, to
//! anyone who may read the file ([`Reader`]), while the agent writes, after it died, and on a copy.
//! A batch is on the disk when `record` returns. The schema is `schema.rs`; every version of it
//! migrates forward, and a newer one is refused. Never: judging, or a clock of its own.

#![forbid(unsafe_code)]

mod error;
#[cfg(feature = "fixtures")]
pub mod fixtures;
mod location;
mod reader;
mod rows;
mod schema;
mod tidy;
mod writer;

pub use detector_api::recorded::{GapReason, KillScope, NoteKind, OomKill};
pub use error::RecorderError;
pub use location::{DAMAGED_KEPT, FILE_NAME, file_in};
pub use reader::{
    EventsWanted, HoardSecond, HoardSeconds, HoardWanted, Reader, Second, Span, Step,
};
pub use rows::{
    Card, ClockReading, Gap, HostSecond, Note, PEERS_EACH_SECOND, PeerPeak, PeerSecond,
    RecordsLost, Run, WindowPoint,
};
pub use tidy::Limits;
pub use writer::{Batch, Numbering, Opened, Recorder, Written};
