//! Objects of JSON to texts, and those that are passed over.

use super::{LogReader, PASTED_BYTES};
use crate::digest::Origin;
use crate::wrapping::json::Record;
use crate::wrapping::pretty::Step;

impl LogReader {
    /// Whether this is an object on one line, and nothing in it is of interest.
    pub(super) fn is_plain_json(&self, line: &[u8]) -> bool {
        let is_alone = self.broken.is_none() && self.pretty.is_none() && self.attention == 0;
        is_alone && line.starts_with(b"{\"") && line.ends_with(b"}") && !self.needles.is_match(line)
    }

    /// Whether this is a line of a pretty object, and nothing in it is of interest.
    pub(super) fn is_plain_member(&mut self, line: &[u8]) -> bool {
        let Some(pretty) = &mut self.pretty else {
            return false;
        };
        if !pretty.passes(line) {
            if !pretty.is_journal_text(line) {
                return false;
            }
            let is_wanted = self.texts_wanted > 0 || self.broken.is_some() || self.bare.is_some();
            self.texts_wanted = self.texts_wanted.saturating_sub(1);
            if is_wanted || self.bytes_taken < PASTED_BYTES || self.needles.is_match(line) {
                return false;
            }
            pretty.pass_text();
        }
        self.attention = 1;
        true
    }

    /// Takes a line of the object that is being read. Whether it is one.
    pub(super) fn is_of_pretty(&mut self, line: &str, origin: &Origin) -> bool {
        let Some(pretty) = &mut self.pretty else {
            return false;
        };
        self.attention = 1;
        match pretty.line(line) {
            Step::Inside => {}
            Step::Complete(records) => self.records(records, origin),
            Step::Closed(records) => {
                self.records(records, origin);
                self.end_pretty();
            }
            Step::Foreign => {
                self.end_pretty();
                return false;
            }
        }
        true
    }

    pub(super) fn records(&mut self, records: Vec<Record>, origin: &Origin) {
        for record in records {
            self.record(record, origin.clone());
        }
    }

    /// The object that was being read ends within itself.
    pub(super) fn end_pretty(&mut self) {
        if let Some(pretty) = self.pretty.take() {
            let is_left_out = pretty.is_left_out();
            let records = pretty.end();
            let is_left_out = is_left_out && records.is_empty();
            self.digest.left_out().other_programs += u64::from(is_left_out);
            self.records(records, &self.here());
        }
    }

    pub(super) fn record(&mut self, record: Record, mut origin: Origin) {
        if let Some(boot) = record.boot.clone() {
            self.digest.boot(boot);
        }
        if record.is_of_others() {
            self.foreign(&record.text);
            return;
        }
        if record.stream.is_some() {
            let is_whole = record.is_whole || record.text.ends_with('\n');
            return self.container(record, is_whole, &origin);
        }
        origin.stamps = record.stamps.or(&origin.stamps);
        origin.host = record.host.or(origin.host);
        origin.is_of_kernel |= record.is_of_kernel;
        self.text(&record.text, &origin);
    }
}
