//! Collects closed connections whose last record did not fit the ring.
//!
//! The kernel side leaves such an entry in its table, marked closed. This scan reads it, hands it
//! on like any record, and removes it.

use aya::Pod;
use aya::maps::{HashMap, MapData, MapError};
use detector_common::record::{ConnectionKey, ConnectionRecord, flag};
use detector_core::observe::decode::{DecodeError, Decoder};
use detector_core::observe::observation::Observation;

/// [`ConnectionKey`] as aya reads it.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(super) struct Key(ConnectionKey);

/// [`ConnectionRecord`] as aya reads it.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(super) struct Record(ConnectionRecord);

// SAFETY: a transparent wrapper around a type that is plain bytes (`bytemuck::Pod`).
#[allow(unsafe_code, reason = "aya asks for its own marker of plain bytes")]
unsafe impl Pod for Key {}
// SAFETY: as above.
#[allow(unsafe_code, reason = "aya asks for its own marker of plain bytes")]
unsafe impl Pod for Record {}

/// The kernel side's table of misbehaving connections.
pub(super) type Connections = HashMap<MapData, Key, Record>;

/// What a scan found.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) observations: Vec<Observation>,
    pub(super) refused: Vec<DecodeError>,
    pub(super) removed: u64,
    /// The kernel refused to go on, for another reason than a vanished entry. What was found before
    /// stands; the next scan finds the rest.
    pub(super) failure: Option<MapError>,
}

/// Scans the whole table; about two system calls an entry, so only done after a loss.
pub(super) fn collect_closed(connections: &mut Connections, decoder: Decoder) -> Collected {
    let mut collected = Collected::default();
    let mut closed = Vec::new();
    for entry in connections.iter() {
        match entry {
            Ok((key, Record(record))) if record.flags & flag::CLOSED != 0 => {
                closed.push((key, record));
            }
            Ok(_) | Err(MapError::KeyNotFound) => {}
            Err(error) => {
                collected.failure = Some(error);
                break;
            }
        }
    }
    for (key, record) in closed {
        match connections.remove(&key) {
            Ok(()) => collected.removed += 1,
            Err(MapError::KeyNotFound) => continue,
            Err(error) => {
                collected.failure = Some(error);
                break;
            }
        }
        match decoder.decode(bytemuck::bytes_of(&record)) {
            Ok(observation) => collected.observations.push(observation),
            Err(error) => collected.refused.push(error),
        }
    }
    collected
}
