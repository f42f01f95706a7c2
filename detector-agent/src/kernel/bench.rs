//! The kernel side without an agent, for `cargo xtask bench sweep`.

use super::counters::Counts;
use super::object::{self, LoadOptions};
use super::sweep::Notes;
use super::{StartError, memlock, take_map};
use aya::Ebpf;
use aya::maps::{MapData, PerCpuArray};
use aya::programs::Iter;
use detector_common::counter::Counter;
use detector_common::names;
use detector_common::settings::KernelSettings;

/// Everything attached as an agent has it; nobody reads the records.
pub struct SweepSide {
    ebpf: Ebpf,
    notes: Notes,
    counters: PerCpuArray<MapData, u64>,
    counts: Counts,
}

impl SweepSide {
    /// Loads and attaches.
    ///
    /// # Errors
    ///
    /// As those of a start of the agent.
    pub fn load() -> anyhow::Result<Self> {
        Ok(Self::load_with_defaults()?)
    }

    fn load_with_defaults() -> Result<Self, StartError> {
        memlock::raise();
        let object::Loaded { mut ebpf, .. } = object::load(&LoadOptions {
            settings: KernelSettings::DEFAULT,
            ring_bytes: 4 << 20,
            connections_capacity: 16_384,
            log_level: 0,
        })?;
        Ok(Self {
            notes: Notes::of(&mut ebpf)?,
            counters: take_map(&mut ebpf, names::COUNTERS_MAP)?,
            counts: Counts::default(),
            ebpf,
        })
    }

    /// Orders the next passes to look at all sockets, or at those that hooks have marked of late.
    pub fn order(&mut self, is_full: bool) {
        self.notes.order(is_full, false);
    }

    /// The sweep.
    ///
    /// # Errors
    ///
    /// The object has none.
    pub fn program(&mut self) -> anyhow::Result<&mut Iter> {
        Ok(object::program_of(&mut self.ebpf, names::SWEEP_PROGRAM)?)
    }

    /// Sockets that passes were shown since this was asked last.
    pub fn sockets_shown(&mut self) -> u64 {
        let before = self.counts.get(Counter::SocketsSwept);
        self.counts = Counts::read(&self.counters, &self.counts);
        self.counts.get(Counter::SocketsSwept) - before
    }
}
