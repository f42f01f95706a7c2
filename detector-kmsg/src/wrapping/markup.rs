//! What terminals, web pages and mail programs leave in a text.

use std::borrow::Cow;

/// Line ends of HTML.
const BREAKS: [&str; 8] = [
    "<br>", "<br/>", "<br />", "<BR>", "</p>", "</div>", "</li>", "</tr>",
];

/// Without escape sequences, with HTML's entities as the characters they stand for, and a line end
/// where HTML has one.
pub(crate) fn plain(line: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(line);
    if text.contains('\u{1b}') {
        text = Cow::Owned(without_escapes(&text));
    }
    if text.contains('<') {
        for end in BREAKS {
            if text.contains(end) {
                text = Cow::Owned(text.replace(end, "\n"));
            }
        }
    }
    if text.contains('&') && text.contains(';') {
        text = Cow::Owned(without_entities(&text));
    }
    text
}

/// `\x1b[31m` and its like: up to a letter.
fn without_escapes(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic());
        let rest = end.and_then(|end| part.get(end + 1..));
        plain.push_str(rest.filter(|_| part.starts_with('[')).unwrap_or(part));
    }
    plain
}

fn without_entities(text: &str) -> String {
    const LONGEST: usize = 10;
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let entity = after
            .split_once(';')
            .filter(|(name, _)| name.len() <= LONGEST);
        match entity.and_then(|(name, after)| Some((character(name)?, after))) {
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
