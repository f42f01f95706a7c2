//! Lines in which the kernel prints a name that somebody chose, and those on which that name goes on.

use super::LogReader;
use crate::message::strangers;
use crate::wrapping::markup;
use crate::wrapping::prefix::{self, Prefix};
use crate::wrapping::stamp::Stamps;

/// No name is longer.
const LONGEST_NAME: usize = 4096;

/// The last line that has such a name, with what would show that the next one is a line of its own.
pub(super) struct Stranger {
    stamps: Stamps,
    is_wrapped: bool,
    is_open: bool,
    blanks: usize,
    /// Of this line of the log, or of a record in it.
    line: u64,
    bytes: usize,
}

impl LogReader {
    /// Looks at a line for a name that may go on on the next one.
    pub(super) fn meet_stranger(&mut self, line: &str, found: &Prefix<'_>, number: u64) {
        if strangers::begin(line).is_none() {
            return;
        }
        self.stranger = Some(Stranger {
            stamps: found.stamps.clone(),
            is_wrapped: found.is_wrapped,
            is_open: strangers::is_open(line),
            blanks: blanks(line),
            line: number,
            bytes: 0,
        });
        self.attention = self.attention.max(1);
    }

    /// Whether a line belongs to a name that began before it. The kernel, and who writes its log down, puts a time
    /// before each line or blanks before all but the first; where lines have neither it is the name itself that must
    /// not have ended.
    pub(super) fn is_strangers(&mut self, line: &str, number: u64) -> bool {
        let Some(mut of) = self.stranger.take() else {
            return false;
        };
        let found = prefix::unwrap(line);
        let is_own = found.is_wrapped && blanks(line) <= of.blanks;
        let is_same = match (of.stamps.boot_us, found.stamps.boot_us) {
            (Some(before), Some(now)) => before == now,
            _ => of.is_open && of.stamps == found.stamps,
        };
        let goes_on = match of.is_wrapped {
            true => !is_own || is_same,
            false => of.is_open || of.line == number,
        };
        of.bytes += line.len();
        if !goes_on || of.bytes > LONGEST_NAME || line.is_empty() && !of.is_open {
            return false;
        }
        of.is_open &= !strangers::ends(line);
        self.stranger = Some(of);
        self.attention = self.attention.max(1);
        true
    }

    /// Whether a line is one whatever it has, as in each log that is no page: what would end a line on a page is then a
    /// part of what the kernel printed, or of what a stranger told a program.
    pub(super) fn is_one(&mut self, line: &str) -> bool {
        let may_end = line.contains(['<', '&']) || line.contains("#012");
        if !may_end {
            return false;
        }
        self.is_page |= markup::begins_page(line);
        !self.is_page
    }
}

fn blanks(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t']).len()
}
