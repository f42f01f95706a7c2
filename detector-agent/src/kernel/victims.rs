//! Processes that the OOM killer has chosen, as the hook on `mark_victim` tells them.
//!
//! Of the tracepoint the agent can do without. Whoever waits for a victim can look at it while it is
//! alive, if it is quick.

use super::shared::StopSignal;
use aya::maps::{MapData, RingBuf};
use detector_common::victim::{UNKNOWN, VictimRecord};
use rustix::io::Errno;
use std::sync::Arc;

/// The ring buffer of the hook.
pub(crate) struct Victims {
    ring: RingBuf<MapData>,
    stop: Arc<StopSignal>,
}

/// What the hook tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Victim(Victim),
    /// A record that cannot be decoded.
    Refused,
    /// Nothing more: the agent stops.
    Stopped,
}

/// A process that is about to die. What the kernel does not tell is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Victim {
    /// Its number in the kernel's first PID namespace.
    pub(crate) pid: u32,
    /// Its name, which may be hostile.
    pub(crate) name: Option<String>,
    pub(crate) anonymous_bytes: Option<u64>,
    pub(crate) file_bytes: Option<u64>,
    pub(crate) shared_bytes: Option<u64>,
    /// Number of its control group in the unified hierarchy: the inode number of the group's folder.
    pub(crate) control_group: Option<u64>,
}

impl Victims {
    pub(super) const fn new(ring: RingBuf<MapData>, stop: Arc<StopSignal>) -> Self {
        Self { ring, stop }
    }

    /// The next victim, however long that takes.
    pub(crate) fn wait(&mut self) -> Result<Heard, Errno> {
        while self.stop.wait_beside(&self.ring)? {
            if let Some(item) = self.ring.next() {
                return Ok(Heard::of(&item));
            }
        }
        Ok(Heard::Stopped)
    }
}

impl Heard {
    fn of(record: &[u8]) -> Self {
        Victim::decode(record).map_or(Self::Refused, Self::Victim)
    }
}

impl Victim {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let record: VictimRecord = bytemuck::try_pod_read_unaligned(bytes).ok()?;
        if record.pid == 0 {
            return None;
        }
        let name = record.name.split(|&byte| byte == 0).next();
        let name = String::from_utf8_lossy(name.unwrap_or_default()).into_owned();
        Some(Self {
            pid: record.pid,
            name: Some(name).filter(|name| !name.is_empty()),
            anonymous_bytes: bytes_of(record.anonymous_pages),
            file_bytes: bytes_of(record.file_pages),
            shared_bytes: bytes_of(record.shared_pages),
            control_group: Some(record.control_group).filter(|number| *number != 0),
        })
    }
}

/// A counter may be below zero for a moment: what processors keep to themselves is not in it.
fn bytes_of(pages: i64) -> Option<u64> {
    let page_bytes = rustix::param::page_size() as u64;
    let pages = Some(pages).filter(|pages| *pages != UNKNOWN)?;
    Some(u64::try_from(pages).unwrap_or(0).saturating_mul(page_bytes))
}

#[cfg(test)]
mod tests {
    use super::{Heard, Victim};
    use detector_common::victim::VictimRecord;

    #[test]
    fn a_record_is_taken_as_far_as_it_tells_something() {
        let page_bytes = rustix::param::page_size() as u64;
        let bare = VictimRecord::bare(1, 870);
        let expected = Victim {
            pid: 870,
            ..Victim::default()
        };
        let heard = Heard::of(bytemuck::bytes_of(&bare));
        assert_eq!(heard, Heard::Victim(expected));
        let mut name = [0; 16];
        name[..5].copy_from_slice(b"httpd");
        let whole = VictimRecord {
            name,
            file_pages: -3,
            anonymous_pages: 51_000,
            control_group: 4_242,
            ..bare
        };
        let victim = Victim::decode(bytemuck::bytes_of(&whole)).unwrap();
        assert_eq!(victim.name.as_deref(), Some("httpd"));
        assert_eq!(victim.anonymous_bytes, Some(51_000 * page_bytes));
        assert_eq!((victim.file_bytes, victim.shared_bytes), (Some(0), None));
        assert_eq!(victim.control_group, Some(4_242));
        let nobody = VictimRecord { pid: 0, ..whole };
        for broken in [bytemuck::bytes_of(&nobody), &[0; 63], &[]] {
            assert_eq!(Heard::of(broken), Heard::Refused);
        }
    }
}
