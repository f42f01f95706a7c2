//! `journalctl -o verbose`, and `-o export`: an entry is a head and fields on lines of their own.

use super::json::Record;
use super::stamp;

/// An entry that is being read.
#[derive(Default)]
pub(crate) struct Verbose(Record);

impl Verbose {
    /// Begins with `Tue 2020-09-08 05:10:04.928123 UTC [s=…;i=…;b=…]`, or with `__CURSOR=s=…;i=…`.
    pub(crate) fn begin(line: &str) -> Option<Self> {
        if line.starts_with("__CURSOR=s=") {
            return Some(Self::default());
        }
        let (head, _) = line.strip_suffix(']')?.split_once("[s=")?;
        let (stamp, rest) = stamp::date(head)?;
        if !rest.trim().is_empty() {
            return None;
        }
        let mut record = Record::default();
        record.stamps.add(stamp);
        Some(Self(record))
    }

    /// Takes a field; false if the line is none, so that the entry has ended.
    pub(crate) fn field(&mut self, line: &str) -> bool {
        let field = line.trim_start_matches([' ', '\t']);
        let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        match field.split_once('=') {
            Some((name, value)) if !name.is_empty() && name.chars().all(is_name) => {
                self.0.set(name, &value.into());
                true
            }
            // A text of several lines goes on further in.
            _ => !self.0.text.is_empty() && line.starts_with("     "),
        }
    }

    /// The entry, if it has a text.
    pub(crate) fn end(self) -> Option<Record> {
        (!self.0.text.is_empty()).then_some(self.0)
    }
}
