//! Reads the ring buffer on a thread of its own and hands on decoded batches.
//!
//! When the agent falls behind, the bounded channel blocks this thread, the ring fills, and the
//! kernel side counts what it could not send; totals travel with the next record or sweep.

use super::message::{Message, RECORDS};
use super::shared::{Shared, StopSignal};
use aya::maps::{MapData, RingBuf};
use detector_core::observe::decode::Decoder;
use detector_core::observe::observation::Observation;
use std::sync::Arc;
use tokio::sync::mpsc::Sender;

/// Runs until the stop signal, or until the agent is gone.
pub(super) fn read(
    mut ring: RingBuf<MapData>,
    decoder: Decoder,
    shared: &Arc<Shared>,
    stop: &StopSignal,
    sink: &Sender<Message>,
) {
    loop {
        if !drain(&mut ring, decoder, shared, sink) {
            return;
        }
        match stop.wait_beside(&ring) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                let reason = format!("waiting for kernel records failed: {error}");
                // The agent is going down already if it no longer listens.
                let _gone = sink.blocking_send(Message::Failed(reason));
                return;
            }
        }
    }
}

/// Sends all that is in the ring. Returns false when the agent no longer listens.
fn drain(
    ring: &mut RingBuf<MapData>,
    decoder: Decoder,
    shared: &Shared,
    sink: &Sender<Message>,
) -> bool {
    loop {
        let mut batch: Vec<Observation> = Vec::new();
        let mut refused = 0;
        while batch.len() < RECORDS {
            let Some(item) = ring.next() else { break };
            match decoder.decode(&item) {
                Ok(observation) => batch.push(observation),
                Err(error) => {
                    refused += 1;
                    tracing::debug!("a record from the ring was refused: {error}");
                }
            }
        }
        if batch.is_empty() && refused == 0 {
            return true;
        }
        shared.add_received(batch.len() as u64 + refused);
        if refused > 0 && sink.blocking_send(Message::Refused(refused)).is_err() {
            return false;
        }
        if !batch.is_empty() && sink.blocking_send(Message::Records(batch)).is_err() {
            return false;
        }
    }
}
