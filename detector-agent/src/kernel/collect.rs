//! Collects from the kernel side's table what no other record brings.
//!
//! Closed connections whose last record did not fit the ring: the kernel side leaves such an entry
//! marked closed; this scan reads it, hands it on like any record, and removes it. And connections
//! of namespaces that are gone, where sockets without a process may live on for minutes and no
//! sweep gets to: what they have not told yet is read, as often as it takes, and left where it is.

use aya::Pod;
use aya::maps::{HashMap, MapData, MapError};
use detector_common::record::{ConnectionKey, ConnectionRecord, Reason, flag};
use detector_core::observe::decode::{DecodeError, Decoder};
use detector_core::observe::observation::Observation;
use std::collections::BTreeSet;

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

impl Collected {
    fn decode(&mut self, record: &ConnectionRecord, decoder: Decoder) {
        match decoder.decode(bytemuck::bytes_of(record)) {
            Ok(observation) => self.observations.push(observation),
            Err(error) => self.refused.push(error),
        }
    }
}

/// Scans the whole table; about two system calls an entry, so only done after a loss, or while
/// there are connections of namespaces that are `gone`. Those without any are taken out of it.
pub(super) fn collect(
    connections: &mut Connections,
    decoder: Decoder,
    gone: &mut BTreeSet<u32>,
) -> Collected {
    let mut collected = Collected::default();
    let mut closed = Vec::new();
    let mut inhabited = BTreeSet::new();
    for entry in connections.iter() {
        match entry {
            Ok((key, Record(record))) if record.flags & flag::CLOSED != 0 => {
                closed.push((key, record));
            }
            Ok((_, Record(mut record))) if gone.contains(&record.netns) => {
                inhabited.insert(record.netns);
                if record.flags & flag::NOT_CARRIED != 0 {
                    record.reason = Reason::Sweep as u8;
                    collected.decode(&record, decoder);
                }
            }
            Ok(_) | Err(MapError::KeyNotFound) => {}
            Err(error) => {
                collected.failure = Some(error);
                break;
            }
        }
    }
    if collected.failure.is_none() {
        *gone = inhabited;
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
        collected.decode(&record, decoder);
    }
    collected
}
