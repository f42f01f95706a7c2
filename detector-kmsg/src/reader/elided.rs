//! Messages of which a pager, a table or `journalctl` shows no more than fits, with a mark for the rest.

use crate::message::{self, Parsed};

/// The marks, the longer ones first.
const MARKS: [&str; 5] = ["[...]", "[\u{2026}]", "(...)", "...", "\u{2026}"];
/// How sentences about a peer end.
const ENDS: [&str; 3] = [". Repaired.", " (repaired)", "what else can I say?"];
/// More is not shown of an end.
const LONGEST_END: usize = 32;

/// What is shown before the mark, if there is one and the text is no message with it. Behind the mark there is
/// nothing, or the end of a sentence.
pub(super) fn shown(text: &str) -> Option<&str> {
    let text = text.trim_end();
    let marked = MARKS.into_iter().find_map(|mark| {
        let (shown, end) = text.rsplit_once(mark)?;
        is_end(end).then_some(shown)
    });
    // Pagers mark the last column.
    let shown = marked.or_else(|| text.strip_suffix('>'))?;
    let is_whole = matches!(message::parse(text), Parsed::Message(..));
    // A number that stands last may be cut, with or without a blank behind it.
    (!is_whole).then_some(shown.trim_end())
}

/// Whether this is a part of a sentence up to its end.
fn is_end(text: &str) -> bool {
    let is_of = |end: &&str| end.ends_with(text) || text.ends_with(*end);
    let is_lasting = || {
        let number = text
            .strip_suffix("ms")
            .map(|text| text.trim_start_matches("lasting "));
        number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    text.len() <= LONGEST_END && (ENDS.iter().any(is_of) || is_lasting())
}
