//! What stalled connections cost now, by the class and by the cause of their stalls.

use super::{StallChange, StallClass};
use detector_api::snapshot::StallCause;
use std::ops::{Add, Sub};

/// So many connections, and the kernel memory they pin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) stalled_connections: u64,
    pub(crate) pinned_bytes: u64,
}

impl Add for Usage {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            stalled_connections: self.stalled_connections + more.stalled_connections,
            pinned_bytes: self.pinned_bytes + more.pinned_bytes,
        }
    }
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, part: Self) -> Self {
        Self {
            stalled_connections: self
                .stalled_connections
                .saturating_sub(part.stalled_connections),
            pinned_bytes: self.pinned_bytes.saturating_sub(part.pinned_bytes),
        }
    }
}

/// The stalled connections of a peer or of the host. Tables are bounded far below 2^32 of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stalls {
    /// The sum of all classes but those within this host: a scrape asks it of every peer, and reads
    /// no more of them.
    all: Usage,
    connections: [u32; StallClass::COUNT],
    pinned_bytes: [u64; StallClass::COUNT],
    by_cause: [u32; StallCause::COUNT],
}

impl Stalls {
    /// Counts a connection otherwise.
    pub(crate) fn change(&mut self, change: &StallChange) {
        if let Some(before) = change.before {
            let class = before.class as usize;
            self.connections[class] -= 1;
            self.pinned_bytes[class] = self.pinned_bytes[class].saturating_sub(before.pinned_bytes);
            if before.class != StallClass::WithinHost {
                self.by_cause[before.cause as usize] -= 1;
                self.all = self.all - before.usage();
            }
        }
        if let Some(after) = change.after {
            let class = after.class as usize;
            self.connections[class] += 1;
            self.pinned_bytes[class] += after.pinned_bytes;
            if after.class != StallClass::WithinHost {
                self.by_cause[after.cause as usize] += 1;
                self.all = self.all + after.usage();
            }
        }
    }

    /// Connections by cause, in the order of `StallCause::ALL`; without those within this host.
    pub(crate) fn by_cause(&self) -> [u64; StallCause::COUNT] {
        self.by_cause.map(u64::from)
    }

    /// All of them but those within this host.
    pub(crate) const fn all(&self) -> Usage {
        self.all
    }

    /// Those of one class.
    pub(crate) fn of(&self, class: StallClass) -> Usage {
        Usage {
            stalled_connections: self.connections[class as usize].into(),
            pinned_bytes: self.pinned_bytes[class as usize],
        }
    }

    /// Those of the classes that `is_meant`.
    pub(crate) fn sum(&self, is_meant: impl Fn(StallClass) -> bool) -> Usage {
        let meant = StallClass::ALL.into_iter().filter(|class| is_meant(*class));
        meant.fold(Usage::default(), |sum, class| sum + self.of(class))
    }
}
