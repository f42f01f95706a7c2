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

/// The stalled connections of a peer or of the host.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stalls {
    by_class: [Usage; StallClass::COUNT],
    pub(crate) by_cause: [u64; StallCause::COUNT],
}

impl Stalls {
    /// Counts a connection otherwise.
    pub(crate) fn change(&mut self, change: &StallChange) {
        if let Some(before) = change.before {
            let of_class = &mut self.by_class[before.class as usize];
            *of_class = *of_class - before.usage();
            self.by_cause[before.cause as usize] -= 1;
        }
        if let Some(after) = change.after {
            let of_class = &mut self.by_class[after.class as usize];
            *of_class = *of_class + after.usage();
            self.by_cause[after.cause as usize] += 1;
        }
    }

    /// All stalled connections.
    pub(crate) fn all(&self) -> Usage {
        self.by_class.iter().fold(Usage::default(), |a, b| a + *b)
    }

    /// Those of one class.
    pub(crate) const fn of(&self, class: StallClass) -> Usage {
        self.by_class[class as usize]
    }

    /// Those of the classes that `is_meant`.
    pub(crate) fn sum(&self, is_meant: impl Fn(StallClass) -> bool) -> Usage {
        let meant = StallClass::ALL.into_iter().filter(|class| is_meant(*class));
        meant.fold(Usage::default(), |sum, class| sum + self.of(class))
    }
}
