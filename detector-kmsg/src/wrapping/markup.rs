//! What terminals, web pages and mail programs leave in a text.

use std::borrow::Cow;

/// What HTML calls things within a line, which stand for nothing; between columns; and between lines.
const INLINE: [&str; 22] = [
    "a", "abbr", "b", "big", "code", "em", "font", "i", "kbd", "mark", "pre", "s", "samp", "small",
    "span", "strong", "sub", "sup", "tt", "u", "var", "wbr",
];
const COLUMNS: [&str; 2] = ["td", "th"];
const LINES: [&str; 19] = [
    "textarea",
    "center",
    "dl",
    "dt",
    "dd",
    "br",
    "p",
    "div",
    "li",
    "tr",
    "ol",
    "ul",
    "table",
    "tbody",
    "blockquote",
    "h1",
    "h2",
    "h3",
    "hr",
];
/// A longer tag is none.
const LONGEST_TAG: usize = 256;

/// Without escape sequences, with HTML's entities as the characters they stand for, a line end where HTML
/// has one if there `may_end` lines, plain blanks and dashes, and without what mail programs encode.
pub(crate) fn plain(line: &str, may_end: bool) -> Cow<'_, str> {
    // Quoted-printable writes the blank before a line's end.
    let mut text = Cow::Borrowed(line.strip_suffix("=20").unwrap_or(line));
    if !text.is_ascii() {
        text = Cow::Owned(text.chars().map(plain_character).collect());
    }
    if text.contains('\u{1b}') || text.contains("^[[") || text.contains('[') && text.contains('m') {
        text = Cow::Owned(without_escapes(&text));
    }
    if text.contains('<') {
        text = Cow::Owned(without_tags(&text, may_end));
    }
    // What was escaped may have been escaped again, with the tags.
    for _ in 0..2 {
        if text.contains('&') && text.contains(';') {
            text = Cow::Owned(without_tags(&without_entities(&text, may_end), may_end));
        }
    }
    // Quoted-printable writes a blank at which no line is broken so.
    if text.contains("=C2=A0") {
        text = Cow::Owned(text.replace("=C2=A0", " "));
    }
    // Quoted-printable has no other equals sign than this.
    if text.contains("=3D") {
        text = Cow::Owned(
            text.replace("=20", " ")
                .replace("=09", "\t")
                .replace("=3D", "="),
        );
    }
    // As syslog writes a tab.
    if text.contains("#011") {
        text = Cow::Owned(text.replace("#011", "\t"));
    }
    text
}

/// Whether a line begins as no log does, but a web page or a part of one: with a tag, or a priority that is escaped.
pub(crate) fn begins_page(line: &str) -> bool {
    const HEADS: [&str; 4] = ["!doctype", "html", "head", "body"];
    let line = line.trim_start();
    if let Some((priority, _)) = line
        .strip_prefix("&lt;")
        .and_then(|it| it.split_once("&gt;"))
    {
        return priority.len() <= 3 && priority.bytes().all(|byte| byte.is_ascii_digit());
    }
    let tag = line
        .strip_prefix('<')
        .and_then(|rest| rest.split_once(['>', ' ']));
    tag.is_some_and(|(tag, _)| {
        stands_for(tag).is_some() || HEADS.iter().any(|head| tag.eq_ignore_ascii_case(head))
    })
}

fn plain_character(c: char) -> char {
    match c {
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' => ' ',
        '\u{2010}'..='\u{2014}' => '-',
        '\u{201c}' | '\u{201d}' => '"',
        '\u{2018}' | '\u{2019}' => '\'',
        _ => c,
    }
}

/// `\x1b[31m` and its like, up to a letter; also with `^[` for the first byte, and colours without it.
fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\u{1b}', '^', '[']) {
        plain.push_str(&rest[..at]);
        let found = &rest[at..];
        let after = after_sequence(found);
        let mut characters = found.chars();
        let first = characters.next().filter(|c| *c != '\u{1b}');
        plain.extend(first.filter(|_| after.is_none()));
        rest = after.unwrap_or(characters.as_str());
    }
    plain + rest
}

/// What follows the sequence that stands first, if one does.
fn after_sequence(text: &str) -> Option<&str> {
    // The title of a window, and a set of characters.
    if let Some(title) = text.strip_prefix("\u{1b}]") {
        return title.split_once('\u{7}').map(|(_, after)| after);
    }
    if let Some(set) = text.strip_prefix("\u{1b}(") {
        return set.get(1..);
    }
    let bare = text.strip_prefix('[');
    let body = bare
        .or_else(|| text.strip_prefix("\u{1b}["))
        .or_else(|| text.strip_prefix("^[["))?;
    let end = body.find(|c: char| !c.is_ascii_digit() && !";:?".contains(c))?;
    let is_one = match bare {
        Some(_) => end > 0 && body[end..].starts_with('m'),
        None => body[end..].starts_with(|c: char| c.is_ascii_alphabetic()),
    };
    is_one.then(|| &body[end + 1..])
}

/// What HTML marks up, and nothing else in angle brackets.
fn without_tags(text: &str, may_end: bool) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        plain.push_str(before);
        let tag = after
            .split_once('>')
            .filter(|(tag, _)| tag.len() <= LONGEST_TAG);
        let known = tag.and_then(|(tag, after)| Some((stands_for(tag)?, after)));
        match known
            .filter(|(stand_in, after)| may_end || *stand_in != "\n" || after.trim().is_empty())
        {
            Some((stand_in, after)) => {
                plain.push_str(stand_in);
                rest = after;
            }
            None => {
                plain.push('<');
                rest = after;
            }
        }
    }
    plain + rest
}

fn stands_for(tag: &str) -> Option<&'static str> {
    let name = tag.trim_start_matches('/').split([' ', '/']).next()?;
    let is_in = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    match () {
        () if is_in(&INLINE) => Some(""),
        () if is_in(&COLUMNS) => Some("\t"),
        () if is_in(&LINES) => Some("\n"),
        () => None,
    }
}

fn without_entities(text: &str, may_end: bool) -> String {
    const LONGEST: usize = 10;
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let entity = after
            .split_once(';')
            .filter(|(name, _)| name.len() <= LONGEST);
        let known = entity.and_then(|(name, after)| Some((character(name)?, after)));
        match known.filter(|(character, _)| may_end || !matches!(character, '\n' | '\r')) {
            Some((character, after)) => {
                plain.push(character);
                rest = after;
            }
            None => {
                plain.push('&');
                rest = after;
            }
        }
    }
    plain + rest
}

fn character(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
            None => number.parse(),
        };
        return char::from_u32(code.ok()?).map(|c| if c == '\u{a0}' { ' ' } else { c });
    }
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "sol" => '/',
        "colon" => ':',
        "excl" => '!',
        _ => return None,
    })
}

/// `\x0a` and its like, as `/dev/kmsg` writes bytes that are no plain text.
pub(crate) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains("\\x") {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
        {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&part.as_bytes()[2..]);
            }
            None => bytes.extend_from_slice(format!("\\x{part}").as_bytes()),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}
