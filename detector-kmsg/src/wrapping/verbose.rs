//! `journalctl -o verbose`, and `-o export`: an entry is a head and fields on lines of their own.

use super::date;
use super::json::Record;

/// An entry that is being read.
#[derive(Default)]
pub(crate) struct Verbose {
    record: Record,
    text: Text,
}

/// How the text of an entry is written.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Text {
    /// On the line of its name, and on lines further in.
    #[default]
    Plain,
    /// Its name stood alone: its length, eight bytes, and it follow.
    Due,
    /// On the lines after these bytes.
    Bytes,
}

impl Verbose {
    /// Begins with `Tue 2020-09-08 05:10:04.928123 UTC [s=…;i=…;b=…]`, or with `__CURSOR=s=…;i=…`.
    pub(crate) fn begin(line: &str) -> Option<Self> {
        if line.starts_with("__CURSOR=s=") {
            return Some(Self::default());
        }
        let (head, _) = line.strip_suffix(']')?.split_once("[s=")?;
        let (stamp, rest) = date::date(head)?;
        if !rest.trim().is_empty() {
            return None;
        }
        let mut record = Record::default();
        record.stamps.add(stamp);
        Some(Self {
            record,
            text: Text::Plain,
        })
    }

    /// Takes a field; false if the line is none, so that the entry has ended.
    pub(crate) fn field(&mut self, line: &str) -> bool {
        if self.text == Text::Due {
            // One byte of the length may end a line.
            let text = line.rsplit('\0').next().unwrap_or(line);
            if !line.is_empty() {
                self.text = Text::Bytes;
                text.clone_into(&mut self.record.text);
            }
            return true;
        }
        let field = line.trim_start_matches([' ', '\t']);
        let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        match field.split_once('=') {
            Some((name, value)) if !name.is_empty() && name.chars().all(is_name) => {
                self.record.set(name, &value.into());
                true
            }
            _ if field == "MESSAGE" => {
                self.text = Text::Due;
                true
            }
            _ if self.text == Text::Bytes && !line.is_empty() => {
                self.record.text.push('\n');
                self.record.text.push_str(line);
                true
            }
            // A text of several lines goes on further in.
            _ if !self.record.text.is_empty() && line.starts_with("     ") => {
                self.record.text.push('\n');
                self.record.text.push_str(line);
                true
            }
            _ => false,
        }
    }

    /// The entry, if it has a text.
    pub(crate) fn end(self) -> Option<Record> {
        (!self.record.text.is_empty()).then_some(self.record)
    }
}
