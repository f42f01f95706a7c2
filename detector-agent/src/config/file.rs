//! Reads the text of one configuration file; what its values must hold to is checked in `check`.

use super::keys::{self, Key};
use super::sections::Config;
use detector_api::nearest::nearest;
use toml::de::{DeTable, DeValue};

/// What one file sets.
#[derive(Debug)]
pub(super) struct Document {
    /// Sections of known keys, each of a right type.
    pub(super) sections: toml::Table,
    /// Each key that is set, and on which line.
    pub(super) lines: Vec<(&'static Key, usize)>,
}

/// Reads the text of a file. The error is one line and names the line where it can.
pub(super) fn parse(text: &str) -> Result<Document, String> {
    let table = DeTable::parse(text).map_err(|error| located(text, &error))?;
    let lines = find_keys(text, table.get_ref())?;
    let _typed: Config = toml::from_str(text).map_err(|error| located(text, &error))?;
    let sections = toml::from_str(text).map_err(|error| located(text, &error))?;
    Ok(Document { sections, lines })
}

fn located(text: &str, error: &toml::de::Error) -> String {
    // The parser says more on further lines; the first says what is wrong.
    let message = error.message().lines().next().unwrap_or("not TOML");
    match error.span() {
        Some(span) => format!("line {}: {message}", line_of(text, span.start)),
        None => message.to_owned(),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = &text.as_bytes()[..offset.min(text.len())];
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// Where each key is set. Refuses sections and keys that do not exist, and says which name is
/// nearest.
fn find_keys(text: &str, table: &DeTable<'_>) -> Result<Vec<(&'static Key, usize)>, String> {
    let mut lines = Vec::new();
    for (section, value) in table {
        let line = line_of(text, section.span().start);
        let name: &str = section.get_ref();
        if !keys::is_section(name) {
            let sections = keys::sections();
            let meant = nearest(name, sections.iter().copied());
            return Err(unknown(line, "section", name, meant, &sections));
        }
        let DeValue::Table(fields) = value.get_ref() else {
            return Err(format!(
                "line {line}: `{name}` is a section, write [{name}]"
            ));
        };
        let known = || keys::KEYS.iter().filter(|key| key.section == name);
        for key in fields.keys() {
            let line = line_of(text, key.span().start);
            let key: &str = key.get_ref();
            if let Some(known) = known().find(|known| known.name == key) {
                lines.push((known, line));
            } else {
                let names: Vec<_> = known().map(|known| known.name).collect();
                let meant = nearest(key, names.iter().copied());
                return Err(unknown(
                    line,
                    &format!("key in [{name}]"),
                    key,
                    meant,
                    &names,
                ));
            }
        }
    }
    Ok(lines)
}

fn unknown(line: usize, what: &str, name: &str, nearest: Option<&str>, known: &[&str]) -> String {
    let name = detector_api::sanitize::text(name);
    match nearest {
        Some(nearest) => format!("line {line}: unknown {what} `{name}`, did you mean `{nearest}`?"),
        None => format!(
            "line {line}: unknown {what} `{name}`, known are {}",
            known.join(", ")
        ),
    }
}
