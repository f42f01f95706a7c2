//! Tables that a log store wrote: a line with the names of the columns, and a row for each message.

use super::json::Record;
use super::member::{Member, member};
use serde_json::Value;

/// Rows that go on on the next line are joined up to here.
const LONGEST_ROW: usize = 64 << 10;

/// What the columns are.
pub(crate) struct Table {
    separator: char,
    columns: Vec<Option<Member>>,
    /// A row whose quotes are not closed yet.
    open: String,
}

impl Table {
    /// If `line` has the names of columns, among them that of a text and of something else that is known.
    pub(crate) fn head(line: &str) -> Option<Self> {
        let line = line.trim_start_matches('\u{feff}');
        [',', '\t', ';', '|'].into_iter().find_map(|separator| {
            let columns: Vec<_> = fields(line, separator)
                .iter()
                .map(|name| column(name))
                .collect();
            let has = |wanted: Member| columns.iter().flatten().any(|member| *member == wanted);
            let is_head = has(Member::Text) && columns.iter().flatten().count() > 1;
            is_head.then(|| Self {
                separator,
                columns,
                open: String::new(),
            })
        })
    }

    /// Whether a row goes on on the next line.
    pub(crate) const fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether `line` is a row or a part of one, and what it says.
    pub(crate) fn row(&mut self, line: &str) -> (bool, Option<Record>) {
        let mut row = std::mem::take(&mut self.open);
        if !row.is_empty() {
            row.push('\n');
        }
        row.push_str(line);
        let is_whole = row.matches('"').count().is_multiple_of(2);
        if !is_whole && self.separator != '\t' && row.len() < LONGEST_ROW {
            self.open = row;
            return (true, None);
        }
        let mut fields = fields(&row, self.separator);
        let (count, last) = (self.columns.len(), self.columns.len().saturating_sub(1));
        if fields.len() < count {
            return (false, None);
        }
        // A text that stands last may be written without quotes.
        if fields.len() > count && self.columns.last() == Some(&Some(Member::Text)) {
            fields[last] = fields[last..].join(&self.separator.to_string());
        }
        let mut record = Record::default();
        for (member, field) in self.columns.iter().zip(&fields) {
            if let Some(member) = member {
                record.put(*member, &Value::from(field.trim()));
            }
        }
        (true, (!record.text.is_empty()).then_some(record))
    }
}

/// Fields, without the quotes around them.
fn fields(row: &str, separator: char) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut is_quoted = false;
    let mut characters = row.chars().peekable();
    while let Some(c) = characters.next() {
        let Some(field) = fields.last_mut() else {
            break;
        };
        match c {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if is_quoted => is_quoted = false,
            '"' if field.trim().is_empty() => is_quoted = true,
            _ if c == separator && !is_quoted => fields.push(String::new()),
            _ => field.push(c),
        }
    }
    fields
}

/// What a column is, by its name: `@timestamp`, `_source.message`, `host.name`, `TimeGenerated [UTC]`.
fn column(name: &str) -> Option<Member> {
    // journald's own names, with where they stand.
    let last = || {
        let last = name.trim().rsplit('.').next()?;
        let is_part = |c: char| c.is_ascii_uppercase() || c == '_';
        { last }.chars().all(is_part).then(|| member(last))?
    };
    named(name).or_else(|| member(name.trim())).or_else(last)
}

fn named(name: &str) -> Option<Member> {
    let name = name.trim().to_ascii_lowercase();
    let name = name.split(" [").next()?.trim_start_matches(['@', '_']);
    let name = name.strip_prefix("source.").unwrap_or(name);
    Some(match name {
        "message"
        | "msg"
        | "log"
        | "line"
        | "raw"
        | "content"
        | "body"
        | "event"
        | "text"
        | "textpayload"
        | "syslogmessage"
        | "renderedmessage"
        | "jsonpayload.message"
        | "event.original" => Member::Text,
        "timestamp" | "time" | "date" | "datetime" | "ts" | "timegenerated" | "generated_at"
        | "eventtime" => Member::Time,
        "host" | "hostname" | "computer" | "source_name" | "host.name" | "host.hostname"
        | "node" | "device" | "fromhost" => Member::Host,
        "program" | "process" | "processname" | "appname" | "app_name" | "app-name" | "ident"
        | "tag" | "syslogtag" | "syslog_identifier" | "process.name" | "application_name"
        | "syslog_program" => Member::Program,
        "facility" | "facility_name" | "facilitylabel" | "syslog_facility" => Member::Facility,
        _ => return None,
    })
}
