//! Lines of containers: in parts where they are long, and the streams mixed.

use super::json::Record;
use super::prefix;

/// A longer line is cut there.
const LONGEST_LINE: usize = 256 << 10;

/// What was written without a line's end: on stdout, on stderr.
#[derive(Default)]
pub(crate) struct Containers([Option<Record>; 2]);

impl Containers {
    /// Whether no line waits for its end.
    pub(crate) fn are_whole(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// What still waits for its end, which does not come any more.
    pub(crate) fn end(&mut self) -> impl Iterator<Item = Record> + use<> {
        std::mem::take(&mut self.0).into_iter().flatten()
    }

    /// The whole line, once its last part has come.
    pub(crate) fn join(&mut self, record: Record, is_whole: bool) -> Option<Record> {
        let slot = &mut self.0[usize::from(record.stream.as_deref() == Some("stderr"))];
        let record = match slot.take() {
            Some(mut begun) => {
                if begun.text.len() < LONGEST_LINE {
                    begun.text.push_str(&record.text);
                }
                begun
            }
            None => record,
        };
        if is_whole {
            return Some(record);
        }
        *slot = Some(record);
        None
    }
}

/// `TIME stdout P TEXT` of CRI, and whether the line is whole.
pub(crate) fn part(line: &str) -> Option<(Record, bool)> {
    for (mark, stream, is_whole) in [
        (" stdout F ", "stdout", true),
        (" stderr F ", "stderr", true),
        (" stdout P ", "stdout", false),
        (" stderr P ", "stderr", false),
    ] {
        if let Some((head, text)) = line.split_once(mark)
            && head.len() < 64
            && !head.contains(' ')
        {
            let record = Record {
                text: text.to_owned(),
                stamps: prefix::unwrap(head).stamps,
                stream: Some(stream.to_owned()),
                ..Record::default()
            };
            return Some((record, is_whole));
        }
    }
    None
}
