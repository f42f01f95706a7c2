//! Lines that are JSON: journald's, Docker's, those of log stores. One object a line, or pretty.

use super::date;
use super::events;
use super::member::{Member, member, names_writer};
use super::otlp;
use super::prefix;
use super::stamp::{self, Stamp, Stamps};
use serde_json::{Map, Value};

/// What one object says of one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) text: String,
    pub(crate) stamps: Stamps,
    pub(crate) host: Option<String>,
    /// Another program wrote it.
    pub(crate) is_foreign: bool,
    /// The kernel wrote it, as is told beside it.
    pub(crate) is_of_kernel: bool,
    /// The boot, where it is named.
    pub(crate) boot: Option<String>,
    /// Where Docker's line does not end, the next one goes on.
    pub(crate) stream: Option<String>,
    /// A collector of logs has put its parts together, and left out how it ended.
    pub(crate) is_whole: bool,
    pub(super) console: Console,
    /// An event of Kubernetes.
    pub(super) is_event: bool,
    pub(super) reason: Option<String>,
}

/// What a console shows: the text only where it is told of which machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Console {
    text: String,
    is_told: bool,
}

impl Record {
    /// All members of an object are read: what a console shows is the text. Whether there is such a text.
    pub(super) fn settle(&mut self) -> bool {
        let console = std::mem::take(&mut self.console);
        let is_text = console.is_told && self.text.is_empty() && !console.text.is_empty();
        if is_text {
            self.text = console.text;
        }
        is_text
    }

    /// Whether another program wrote it, as far as all of it says.
    pub(crate) fn is_of_others(&self) -> bool {
        let is_told = || self.reason.as_deref().is_some_and(events::is_of_kernel);
        self.is_foreign || self.is_event && !is_told()
    }

    /// Takes members of an object within, which say who wrote the line.
    pub(super) fn set_within(&mut self, path: &str, value: &Value) {
        match value {
            Value::Object(members) if names_writer(path) => {
                for (name, value) in members {
                    self.set_within(&format!("{path}.{name}"), value);
                }
            }
            _ => {
                if let Some(member) = member(path).filter(|member| *member != Member::Text) {
                    self.put(member, value);
                }
            }
        }
    }

    pub(super) fn set(&mut self, name: &str, value: &Value) {
        if let Some(member) = member(name) {
            self.put(member, value);
        }
    }

    /// Who wrote it, and whether that is the kernel.
    fn set_writer(&mut self, name: Option<&str>, is_kernel: bool) {
        self.is_foreign |= !is_kernel;
        self.is_of_kernel |= is_kernel && name.is_some_and(|name| !matches!(name, "" | "-"));
    }

    pub(super) fn put(&mut self, member: Member, value: &Value) {
        let value = match value {
            // Search engines give each field as a list.
            Value::Array(items) if items.len() == 1 && items[0].is_string() => &items[0],
            _ => value,
        };
        let string = value.as_str();
        match member {
            Member::Text => {
                if let Some(text) = text_of(value) {
                    self.text = text;
                }
            }
            Member::Time => {
                if let Some(stamp) = time_of(value) {
                    self.stamps.add(stamp);
                }
            }
            Member::LastTime => {
                if let Some(stamp) = time_of(value) {
                    self.stamps = Stamps::default();
                    self.stamps.add(stamp);
                }
            }
            Member::BootTime => self.stamps.boot_us = string.and_then(|text| text.parse().ok()),
            Member::Program => self.set_writer(string, string.is_none_or(is_kernel)),
            Member::Tag => {
                if string.is_some_and(is_syslog_tag) {
                    self.set_writer(string, string.is_none_or(is_kernel));
                }
            }
            Member::Process => self.is_foreign |= string.is_some_and(|name| !name.is_empty()),
            Member::Facility => self.set_writer(string, is_kernels(value)),
            Member::Priority => {
                let number = value.as_u64().or_else(|| string?.parse().ok());
                self.is_foreign |= number.is_some_and(|priority| priority >> 3 != 0);
            }
            Member::Transport => self.set_writer(string, string == Some("kernel")),
            Member::Host => {
                let name = || {
                    value
                        .get("name")
                        .or_else(|| value.get("hostname"))?
                        .as_str()
                };
                self.host = string.or_else(name).map(str::to_owned);
            }
            Member::Boot => self.boot = string.map(str::to_owned),
            Member::Stream => self.stream = string.map(str::to_owned),
            Member::Console => string
                .unwrap_or_default()
                .clone_into(&mut self.console.text),
            Member::ConsoleOf => {
                self.console.is_told |= string
                    .is_some_and(|of| of.starts_with("i-") || of == "compute#serialPortOutput");
            }
            Member::Object => {
                self.is_event = true;
                self.is_foreign |= string != Some("Node");
            }
            Member::Reason => self.reason = string.map(str::to_owned),
        }
    }
}

/// Whether a program by this name is the kernel.
fn is_kernel(name: &str) -> bool {
    let name = name.trim_end_matches(':').split('[').next().unwrap_or(name);
    name.is_empty()
        || ["kernel", "klogd", "kern", "-"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
}

/// `sshd[12]:`, `sshd:`, `sshd[12]`, and no name that a collector gives to what it collects.
fn is_syslog_tag(tag: &str) -> bool {
    let process = tag
        .strip_suffix(']')
        .and_then(|tag| Some(tag.rsplit_once('[')?.1));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    tag.ends_with(':') || process.is_some_and(is_number)
}

/// Whether a facility, by name or number, is that of the kernel.
fn is_kernels(value: &Value) -> bool {
    match value {
        Value::String(name) => {
            let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
            name == "0"
                || !is_number && name.to_ascii_lowercase().starts_with("kern")
                || name.is_empty()
        }
        Value::Number(number) => number.as_u64() == Some(0),
        _ => true,
    }
}

/// A string, the bytes that journald writes for text that is not plain, or a list of these.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let bytes: Option<Vec<u8>> = items
                .iter()
                .map(|byte| u8::try_from(byte.as_u64()?).ok())
                .collect();
            let bytes = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            // Or a field that came several times.
            bytes.or_else(|| {
                let texts = items.iter().filter(|item| !item.is_u64()).map(text_of);
                Some(texts.collect::<Option<Vec<_>>>()?.join("\n"))
            })
        }
        _ => otlp::string(value).map(str::to_owned),
    }
}

fn time_of(value: &Value) -> Option<Stamp> {
    match value {
        Value::String(text) => date::date(text.trim()).map(|(stamp, _)| stamp),
        Value::Number(number) => {
            // Where it is small it is a time since boot, as `dmesg --json` has it.
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a float cast saturates"
            )]
            let us = (number.as_f64()? * 1e6) as u64;
            match number.as_u64() {
                Some(whole) if whole >= 1_000_000_000 => {
                    Some(Stamp::Utc(stamp::unix_ns(whole.into())))
                }
                _ if us >= 1_000_000_000_000_000 => Some(Stamp::Utc(i128::from(us) * 1000)),
                _ => Some(Stamp::Boot(us)),
            }
        }
        _ => None,
    }
}

/// The records in a line that is JSON; `None` if it is none.
pub(crate) fn records(line: &str) -> Option<Vec<Record>> {
    let start = line.find('{')?;
    // An array's line, a stream of events, a record separator.
    let head = line[..start].trim_matches(['[', ',', ' ', '\t', '\u{1e}', '\u{feff}']);
    // A time and a collector's name for what it collects.
    let is_collected = |head: &str| {
        let found = prefix::unwrap(head);
        let is_tag = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let tag = found.rest.trim_end_matches([' ', '\t', ':']);
        found.is_wrapped
            && head.len() <= 100
            && (tag.is_empty() || tag.contains("kern") && tag.chars().all(is_tag))
    };
    if !matches!(head, "" | "data:") && !is_collected(&line[..start]) {
        return None;
    }
    let text = line[start..].trim_end().trim_end_matches([',', ']']);
    let array = line.trim_start_matches(['\u{1e}', '\u{feff}', ' ']);
    let value = [&line[start..], text, array]
        .iter()
        .find_map(|text| serde_json::from_str::<Value>(text).ok())?;
    let mut records = Vec::new();
    walk(&value, &Record::default(), &mut records);
    Some(records)
}

/// Several lines that a tool printed as one string.
pub(crate) fn string(line: &str) -> Option<String> {
    let text = line
        .starts_with('"')
        .then(|| serde_json::from_str::<String>(line).ok())?;
    text.filter(|text| text.contains('\n'))
}

/// The records in a text of another record.
pub(crate) fn inner(text: &str) -> Option<Vec<Record>> {
    let is_object = text.starts_with('{') && text.trim_end().ends_with('}');
    is_object
        .then(|| records(text))?
        .filter(|records| !records.is_empty())
}

/// Members of an outer object hold for the inner ones.
fn walk(value: &Value, outer: &Record, records: &mut Vec<Record>) {
    match value {
        Value::Object(members) => match otlp::map(members) {
            Some(members) => object(&members, outer, records),
            None => object(members, outer, records),
        },
        Value::Array(items) => {
            // Loki: a time and a line.
            if let [Value::String(time), Value::String(text), ..] = items.as_slice()
                && let Some((stamp, "")) = date::date(time)
            {
                let mut record = Record {
                    text: text.clone(),
                    ..outer.clone()
                };
                record.stamps.add(stamp);
                records.push(record);
                return;
            }
            if let Some(members) = fields(items) {
                object(&members, outer, records);
                return;
            }
            for item in items {
                walk(item, outer, records);
            }
        }
        _ => {}
    }
}

/// A row of CloudWatch's Insights: `[{"field":"@message","value":"…"},…]`.
fn fields(items: &[Value]) -> Option<Map<String, Value>> {
    let field = |item: &Value| {
        let name = item.get("field")?.as_str()?;
        Some((name.to_owned(), item.get("value")?.clone()))
    };
    let members: Map<_, _> = items.iter().map(field).collect::<Option<_>>()?;
    (!members.is_empty()).then_some(members)
}

fn object(members: &Map<String, Value>, outer: &Record, records: &mut Vec<Record>) {
    let mut record = Record {
        text: String::new(),
        console: Console::default(),
        ..outer.clone()
    };
    for (name, value) in members {
        record.set(name, value);
        if value.is_object() {
            record.set_within(name, value);
        }
    }
    for (name, value) in otlp::attributes(members) {
        record.set_within(&name, &value);
    }
    // Splunk's collector of events has a text by this name, where others have an object or a name.
    let is_event = members.contains_key("sourcetype") || members.contains_key("source");
    if let Some(text) = members
        .get("event")
        .filter(|_| is_event && record.text.is_empty())
    {
        record.put(Member::Text, text);
    }
    record.settle();
    record.is_whole = match members.get("logtag").and_then(Value::as_str) {
        Some(tag) => !tag.starts_with('P'),
        // Docker's own lines have no more than these.
        None => !members
            .keys()
            .all(|name| matches!(name.as_str(), "log" | "stream" | "time" | "attrs")),
    };
    let has_text = !record.text.is_empty();
    let first = records.len();
    for value in members
        .values()
        .filter(|value| value.is_object() || value.is_array() && !has_text)
    {
        walk(value, &record, records);
    }
    if has_text {
        // The same text, as it came in, may be kept beside what was made of it.
        let is_same =
            |inner: &Record| inner.text.contains(&record.text) || record.text.contains(&inner.text);
        let inner = records.split_off(first);
        records.extend(inner.into_iter().filter(|inner| !is_same(inner)));
        records.push(record);
    }
}
