//! Events of Kubernetes, as `kubectl` shows them: those in which a node says what it found in the kernel's log.

use super::prefix::Unwrapping;
use crate::message;

/// Why a node tells something that its kernel wrote.
const REASONS: [&str; 3] = ["OOMKilling", "TaskHung", "KernelOops"];
const TYPES: [&str; 2] = ["Warning", "Normal"];

/// Whether what is told for this reason is the kernel's.
pub(super) fn is_of_kernel(reason: &str) -> bool {
    REASONS.contains(&reason)
}

impl<'a> Unwrapping<'a> {
    /// `5m11s  Warning  OOMKilling  node/web1  …` of a table, `Warning  OOMKilling  5m11s  kernel-monitor  …` of one node,
    /// at the very front. Whether there was one.
    pub(super) fn event(&mut self) -> bool {
        if !REASONS.iter().any(|reason| self.text.contains(reason)) {
            return false;
        }
        let columns = columns(self.text.trim_start());
        let Some((host, text)) = of_table(&columns).or_else(|| of_node(&columns)) else {
            return false;
        };
        self.host = host;
        self.text = text;
        self.is_after_time = true;
        true
    }
}

/// A column, and the text from it on.
type Column<'a> = (&'a str, &'a str);
/// A host and what it tells.
type Told<'a> = (Option<&'a str>, &'a str);

/// The first columns of a row, between which two blanks or more stand.
fn columns(row: &str) -> Vec<Column<'_>> {
    const MOST: usize = 8;
    let mut columns = Vec::new();
    let mut rest = row;
    while !rest.is_empty() && columns.len() < MOST {
        let end = rest.find("  ").unwrap_or(rest.len());
        columns.push((&rest[..end], rest));
        rest = rest[end..].trim_start();
    }
    columns
}

/// A namespace may stand first, and before the text a part of the object and who tells it.
fn of_table<'a>(columns: &[Column<'a>]) -> Option<Told<'a>> {
    let at = columns
        .iter()
        .take(3)
        .position(|(name, _)| TYPES.contains(name))?;
    let (age, reason) = (columns.get(at.checked_sub(1)?)?.0, columns.get(at + 1)?.0);
    let host = columns.get(at + 2)?.0.strip_prefix("node/")?;
    let texts = columns[at + 3..].iter().take(3);
    let (_, text) = { texts }.find(|(_, text)| message::begins(text))?;
    (is_age(age) && is_of_kernel(reason)).then_some((Some(host), text))
}

fn of_node<'a>(columns: &[Column<'a>]) -> Option<Told<'a>> {
    let [kind, reason, age, from, (_, text), ..] = columns else {
        return None;
    };
    let is_one = TYPES.contains(&kind.0) && is_of_kernel(reason.0) && is_age(age.0);
    (is_one && !from.0.contains(' ')).then_some((None, text))
}

/// `5m11s`, `2m (x3 over 2h)`, `<unknown>`.
fn is_age(text: &str) -> bool {
    let first = text.split(" (x").next().unwrap_or(text);
    let is_part = |c: char| c.is_ascii_digit() || "smhdy".contains(c);
    first == "<unknown>" || !first.is_empty() && first.chars().all(is_part)
}
