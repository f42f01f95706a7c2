//! Which way a log runs, and where another boot begins in it.

use super::Origin;
use crate::wrapping::stamp::Stamps;

/// Two times that lie further apart are of different years, told or not.
const SAME_YEAR_NS: i128 = 300 * 86_400 * 1_000_000_000;

/// The newest times, and how often one followed an earlier or a later one.
#[derive(Default)]
pub(super) struct Order {
    newest: Stamps,
    newest_host: Option<String>,
    later: u64,
    earlier: u64,
}

impl Order {
    /// Whether the newest line comes first, as far as times say by now.
    pub(super) const fn is_backwards(&self) -> bool {
        self.earlier > self.later
    }

    /// The same at the end of the log, where `reports` has what the order of lines in reports of kills says: below zero
    /// for backwards. One step of a clock does not outweigh that.
    pub(super) fn is_backwards_at_last(&self, reports: i64) -> bool {
        match self.earlier.abs_diff(self.later) {
            0 | 1 if reports != 0 => reports < 0,
            _ => self.is_backwards(),
        }
    }

    /// What follows is of another boot.
    pub(super) fn forget(&mut self) {
        self.newest = Stamps::default();
    }

    /// Whether the time since boot falls where another one begins, in a log of one host that else runs forward.
    pub(super) fn is_boot(&mut self, origin: &Origin) -> bool {
        const LEAST_US: u64 = 60_000_000;
        let is_same = self.newest_host == origin.host;
        self.newest_host.clone_from(&origin.host);
        let (Some(before), Some(now)) = (self.newest.boot_us, origin.stamps.boot_us) else {
            return false;
        };
        let moved = self.walls(&origin.stamps);
        let is_forward = moved.map_or(self.later > self.earlier + 1, |moved| moved > 0);
        is_same && is_forward && before.saturating_sub(now) >= LEAST_US
    }

    /// Takes the times of the next line.
    pub(super) fn compare(&mut self, stamps: &Stamps) {
        let is_move = |moved: &i128| *moved != 0 && moved.abs() < SAME_YEAR_NS;
        let boots = (
            self.newest.boot_us.map(i128::from),
            stamps.boot_us.map(i128::from),
        );
        let since_boot = difference(boots).filter(is_move);
        let wall = self.all_walls(stamps).into_iter().flatten().find(is_move);
        match (wall, since_boot) {
            // A clock was set back, or another boot stands here in a log that runs backwards.
            (Some(..=-1), Some(1..)) => {}
            (Some(moved), _) | (None, Some(moved)) if moved > 0 => self.later += 1,
            (None, None) => {}
            _ => self.earlier += 1,
        }
        self.newest = stamps.clone().or(&self.newest);
    }

    /// How far the clock that both times have went on.
    fn walls(&self, stamps: &Stamps) -> Option<i128> {
        self.all_walls(stamps).into_iter().find_map(|moved| moved)
    }

    fn all_walls(&self, stamps: &Stamps) -> [Option<i128>; 2] {
        let local = |stamps: &Stamps| stamps.local.as_ref().and_then(|(_, order)| *order);
        [
            difference((self.newest.utc_ns, stamps.utc_ns)),
            difference((local(&self.newest), local(stamps))),
        ]
    }
}

fn difference((before, now): (Option<i128>, Option<i128>)) -> Option<i128> {
    now?.checked_sub(before?)
}
