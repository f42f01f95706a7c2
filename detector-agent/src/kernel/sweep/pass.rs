//! One pass over the sockets of one namespace: the rows of the iterator, decoded and handed on.

use super::{Progress, Sweeper};
use crate::clock;
use crate::kernel::message::Message;
use crate::kernel::object;
use crate::namespace;
use aya::programs::Iter;
use detector_common::names;
use detector_common::record::ConnectionRecord;
use detector_core::observe::observation::{Observation, SweepEnd};
use std::fs::File;
use std::io::{ErrorKind, Read as _};

const READ_BYTES: usize = 64 * 1024;

/// One pass over the sockets of one namespace.
#[derive(Default)]
struct Pass {
    /// Bytes read that are no whole row yet.
    unread: Vec<u8>,
    held_up: u64,
    refused: u64,
}

impl Sweeper {
    /// Sweeps the namespace this thread is in; the number of connections held up there, `None` if
    /// the agent is gone.
    pub(super) fn sweep(&mut self, netns: u32, progress: &mut Progress) -> Option<u64> {
        let began = clock::now();
        let mut pass = Pass::default();
        let outcome = if namespace::has_sockets() {
            self.read_rows(&mut pass)?
        } else {
            Ok(())
        };
        if let Err(error) = &outcome {
            progress.losses.failures += 1;
            tracing::warn!("sweeping network namespace {netns} failed: {error}");
        }
        let is_whole = pass.unread.is_empty();
        if !is_whole {
            self.hand_on(&mut pass, true)?;
        }
        let is_complete = outcome.is_ok() && is_whole && pass.refused == 0;
        if !is_complete {
            progress.again.insert(netns);
        }
        self.send(Message::SweepEnd(SweepEnd {
            netns,
            began,
            ended: clock::now(),
            is_complete,
        }))?;
        Some(pass.held_up)
    }

    /// Reads and hands on, a piece at a time, so that no crowd of sockets makes a large buffer or
    /// holds the judge for long. `None` if the agent is gone or wants to stop.
    fn read_rows(&mut self, pass: &mut Pass) -> Option<anyhow::Result<()>> {
        let mut file = match self.open_pass() {
            Ok(file) => file,
            Err(error) => return Some(Err(error)),
        };
        let mut chunk = vec![0; READ_BYTES];
        loop {
            let count = match file.read(&mut chunk) {
                Ok(0) => return Some(Ok(())),
                Ok(count) => count,
                // The kernel asks for patience when it shows many sockets without a row.
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted) => continue,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock) => continue,
                Err(error) => return Some(Err(error.into())),
            };
            pass.unread
                .extend_from_slice(chunk.get(..count).unwrap_or_default());
            self.hand_on(pass, false)?;
            if self.stop.is_set() {
                return None;
            }
        }
    }

    fn open_pass(&mut self) -> anyhow::Result<File> {
        let program: &mut Iter = object::program_of(&mut self.ebpf, names::SWEEP_PROGRAM)?;
        let link = program.attach()?;
        Ok(program.take_link(link)?.into_file()?)
    }

    /// Decodes and sends the whole rows read so far; at the end also what is no whole row.
    fn hand_on(&self, pass: &mut Pass, is_end: bool) -> Option<()> {
        let whole = if is_end {
            pass.unread.len()
        } else {
            pass.unread.len() - pass.unread.len() % size_of::<ConnectionRecord>()
        };
        let mut observations: Vec<Observation> = Vec::new();
        let mut refused = 0;
        let rows = pass.unread.drain(..whole).collect::<Vec<u8>>();
        for row in self.decoder.decode_rows(&rows) {
            match row {
                Ok(observation) => observations.push(observation),
                Err(error) => {
                    refused += 1;
                    tracing::debug!("a sweep row was refused: {error}");
                }
            }
        }
        let decoded = observations.len() as u64;
        let held_up = observations.iter().filter(|each| each.is_held_up()).count();
        pass.held_up += held_up as u64;
        pass.refused += refused;
        self.shared.add_received(decoded + refused);
        if refused > 0 {
            self.send(Message::Refused(refused))?;
        }
        if decoded > 0 {
            self.send(Message::Records(observations))?;
        }
        Some(())
    }
}
