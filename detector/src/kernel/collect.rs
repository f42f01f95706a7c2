//! Collects closed connections whose last record did not fit the ring.
//!
//! The kernel side leaves such an entry in its table, marked closed. This scan reads it, hands it
//! on like any record, and removes it.

use aya::Pod;
use aya::maps::{HashMap, MapData, MapError};
use detector_common::record::{ConnectionKey, ConnectionRecord, flag};
use detector_core::decode::{DecodeError, Decoder};
use detector_core::observation::Observation;

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
}

/// Scans the whole table; about two system calls an entry, so only done after a loss.
///
/// # Errors
///
/// The kernel refused a look-up for another reason than a vanished entry; what was found so far is
/// lost with it, and the next scan finds it again unless it was removed.
pub(super) fn collect_closed(
    connections: &mut Connections,
    decoder: Decoder,
) -> Result<Collected, MapError> {
    let closed: Vec<(Key, Record)> = connections
        .iter()
        .filter(|entry| match entry {
            Ok((_, Record(record))) => record.flags & flag::CLOSED != 0,
            Err(_) => true,
        })
        .collect::<Result<_, _>>()?;
    let mut collected = Collected::default();
    for (key, Record(record)) in closed {
        match connections.remove(&key) {
            Ok(()) => collected.removed += 1,
            Err(MapError::KeyNotFound) => continue,
            Err(error) => return Err(error),
        }
        match decoder.decode(bytemuck::bytes_of(&record)) {
            Ok(observation) => collected.observations.push(observation),
            Err(error) => collected.refused.push(error),
        }
    }
    Ok(collected)
}
