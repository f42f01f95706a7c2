//! Cuts an expression into keys, operators and values.

use super::Operator;
use super::error::{FilterError, Problem};
use std::borrow::Cow;

/// One `key op value` as it was typed.
pub(super) struct RawTerm<'a> {
    pub(super) key: &'a str,
    pub(super) operator: Operator,
    /// Without quotes.
    pub(super) value: String,
    /// Bytes of the whole term in the expression.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// All terms of an expression. Spaces around an operator do no harm.
pub(super) fn terms(text: &str) -> Result<Vec<RawTerm<'_>>, FilterError> {
    let mut terms = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let start = text.len() - rest.len();
        let (term, after) = term(text, start)?;
        terms.push(term);
        rest = after.trim_start();
    }
    Ok(terms)
}

/// The term that begins at `start`, and what follows it.
fn term(text: &str, start: usize) -> Result<(RawTerm<'_>, &str), FilterError> {
    let rest = &text[start..];
    // Whatever goes wrong is shown with the word in which it does.
    let word = rest.split_whitespace().next().unwrap_or(rest);
    let is_of_key =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    let (key, after) = split_where(rest, |character| !is_of_key(character));
    if key.is_empty() {
        return Err(Problem::NoKey.at(start, word));
    }
    let after = after.trim_start();
    let operator = Operator::ALL
        .into_iter()
        .find(|operator| after.starts_with(operator.sign()));
    let Some(operator) = operator else {
        return Err(Problem::NoOperator.at(start, word));
    };
    let mut after = &after[operator.sign().len()..];
    if operator == Operator::Equal {
        // Many a hand types it twice.
        after = after.strip_prefix('=').unwrap_or(after);
    }
    let after = after.trim_start();
    let shown = |end: &str| &text[start..text.len() - end.len()];
    let (value, after) = match after.strip_prefix('"') {
        Some(inside) => {
            unquoted(inside).ok_or_else(|| Problem::NoClosingQuote.at(start, &text[start..]))?
        }
        None => {
            let (value, after) = split_where(after, char::is_whitespace);
            if value.is_empty() {
                return Err(Problem::NoValue.at(start, shown(after).trim_end()));
            }
            (value.to_owned(), after)
        }
    };
    let end = text.len() - after.len();
    let term = RawTerm {
        key,
        operator,
        value,
        start,
        end,
    };
    Ok((term, after))
}

fn split_where(text: &str, is_end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(is_end).unwrap_or(text.len()))
}

/// What stands before the closing quote, and what follows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// The value as it can be typed.
pub(super) fn quoted(value: &str) -> Cow<'_, str> {
    // A leading `=` would be taken for part of the operator.
    let is_plain =
        !value.is_empty() && !value.starts_with(['"', '=']) && !value.contains(char::is_whitespace);
    if is_plain {
        return Cow::Borrowed(value);
    }
    let mut text = String::from('"');
    for character in value.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
    Cow::Owned(text)
}
