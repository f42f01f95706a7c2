//! Makes text from outside harmless to a terminal and to a reader's eye.

use std::borrow::Cow;

/// `\u{fffd}` in UTF-8.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Whether a character can move the cursor, change colours, hide text or reorder it.
fn is_dangerous(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Bidirectional marks, embeddings, overrides, isolates.
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Invisible: zero-width characters, line and paragraph separators, byte order mark, tags.
            | '\u{200b}'..='\u{200d}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2065}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// `text` with each dangerous character replaced by `\u{fffd}`.
pub fn text(text: &str) -> String {
    text.chars()
        .map(|character| {
            if is_dangerous(character) {
                char::REPLACEMENT_CHARACTER
            } else {
                character
            }
        })
        .collect()
}

/// Sanitizes every string in a JSON value, keys too.
pub fn json(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(string) => *string = text(string),
        serde_json::Value::Array(items) => items.iter_mut().for_each(json),
        serde_json::Value::Object(fields) => {
            *fields = std::mem::take(fields)
                .into_iter()
                .map(|(key, mut field)| {
                    json(&mut field);
                    (text(&key), field)
                })
                .collect();
        }
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

/// JSON text with each dangerous character in its strings, plain or escaped, replaced by
/// `\u{fffd}`; the values stay what they are. Text without any is given back as it is.
///
/// What is no JSON stays none: reading it fails as it would have.
pub fn json_text(text: &[u8]) -> Cow<'_, [u8]> {
    let is_plain = |byte: &u8| (0x20..0x7f).contains(byte) && *byte != b'\\' || *byte == b'\n';
    let Some(first) = text.iter().position(|byte| !is_plain(byte)) else {
        return Cow::Borrowed(text);
    };
    let mut clean = Vec::with_capacity(text.len() + 64);
    let (plain, mut rest) = text.split_at(first);
    clean.extend_from_slice(plain);
    while !rest.is_empty() {
        let length = rest.iter().position(|byte| !is_plain(byte));
        let (plain, special) = rest.split_at(length.unwrap_or(rest.len()));
        clean.extend_from_slice(plain);
        rest = match special.first() {
            None => special,
            Some(b'\\') => replace_escape(special, &mut clean),
            Some(_) => replace_characters(special, &mut clean),
        };
    }
    Cow::Owned(clean)
}

/// Takes one escape off the front.
fn replace_escape<'a>(text: &'a [u8], clean: &mut Vec<u8>) -> &'a [u8] {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        let digits = std::str::from_utf8(digits).ok()?;
        u32::from_str_radix(digits, 16).ok()
    };
    let (length, character) = match (text.get(1), unit(0), unit(6)) {
        // No escape: what comes is looked at by itself.
        (Some(other), ..) if !(0x20..0x7f).contains(other) => (1, None),
        (Some(b'u'), Some(high @ 0xd800..0xdc00), Some(low @ 0xdc00..0xe000)) => {
            let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            (12, char::from_u32(code))
        }
        (Some(b'u'), Some(code), _) => (6, char::from_u32(code)),
        (Some(b'n' | b'r' | b't' | b'b' | b'f'), ..) => (2, Some('\n')),
        _ => (2, None),
    };
    let (escape, rest) = text.split_at(length.min(text.len()));
    if character.is_some_and(is_dangerous) {
        clean.extend_from_slice(REPLACEMENT);
    } else {
        clean.extend_from_slice(escape);
    }
    rest
}

/// Takes everything up to the next ASCII character off the front, at least one byte.
fn replace_characters<'a>(text: &'a [u8], clean: &mut Vec<u8>) -> &'a [u8] {
    let end = text[1..].iter().position(u8::is_ascii);
    let (foreign, rest) = text.split_at(end.map_or(text.len(), |end| end + 1));
    for chunk in foreign.utf8_chunks() {
        for character in chunk.valid().chars() {
            // Plain C0 characters are blanks between values, and within strings no JSON.
            if is_dangerous(character) && character >= '\u{7f}' {
                clean.extend_from_slice(REPLACEMENT);
            } else {
                let mut buffer = [0; 4];
                clean.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            }
        }
        clean.extend_from_slice(chunk.invalid());
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::{json, json_text, text};
    use proptest::prelude::*;

    #[test]
    fn escapes_and_overrides_are_replaced() {
        assert_eq!(text("a\u{1b}[31mb\nc"), "a\u{fffd}[31mb\u{fffd}c");
        assert_eq!(text("exe\u{202e}txt.\u{200b}"), "exe\u{fffd}txt.\u{fffd}");
        assert_eq!(text("größe 漢字"), "größe 漢字");
    }

    #[test]
    fn json_is_sanitized_at_every_depth() {
        let mut value = serde_json::json!({"a\u{7}": ["x\u{1b}", {"b": "\u{2066}"}], "n": 1});
        json(&mut value);
        assert_eq!(
            value,
            serde_json::json!({"a\u{fffd}": ["x\u{fffd}", {"b": "\u{fffd}"}], "n": 1})
        );
    }

    #[test]
    fn json_text_gives_the_values_that_json_gives() {
        let names = [
            "plain",
            "",
            "größe 漢字 \u{1f600}",
            "a\u{1b}[31mb\nc\t\r\u{8}\u{c}\u{7f}\u{9b}",
            "exe\u{202e}txt.\u{200b}\u{e0041}",
            "\\u001b \\\\ \" / \\n",
        ];
        let ascii_only = |text: &str| {
            let escaped = text.chars().flat_map(|character| {
                let mut units = [0; 2];
                let units: &[u16] = character.encode_utf16(&mut units);
                if character.is_ascii() {
                    vec![character.to_string()]
                } else {
                    units.iter().map(|unit| format!("\\u{unit:04x}")).collect()
                }
            });
            escaped.collect::<String>()
        };
        for name in names {
            let mut expected = serde_json::json!({ name: [name, 1, {"n": name}] });
            let plain = format!("{expected:#}")
                .replace("  ", "\t")
                .replace('\n', "\r\n");
            let escaped = ascii_only(&plain);
            json(&mut expected);
            for given in [plain, escaped] {
                let clean = json_text(given.as_bytes());
                let read: serde_json::Value = serde_json::from_slice(&clean).unwrap();
                assert_eq!(read, expected, "{given}");
            }
        }
        assert!(matches!(json_text(b"[\n1]"), std::borrow::Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_no_json_stays_none() {
        for broken in [
            &b"\"\\"[..],
            b"\"\\u00",
            b"\"\\ud800\"",
            b"\"\xff\"",
            b"\"a\nb\"",
        ] {
            let read: Result<serde_json::Value, _> = serde_json::from_slice(&json_text(broken));
            read.unwrap_err();
        }
    }

    /// Characters that do something, and others.
    fn any_text() -> impl Strategy<Value = String> {
        let characters = prop_oneof![
            any::<char>(),
            proptest::char::range('\0', '\u{a0}'),
            proptest::char::range('\u{2000}', '\u{2070}'),
            proptest::char::range('\u{e0000}', '\u{e0080}'),
            Just('\u{61c}'),
            Just('\u{feff}'),
        ];
        proptest::collection::vec(characters, 0..40).prop_map(String::from_iter)
    }

    /// By the lists of Unicode: `Cc`, `Bidi_Control`, and what breaks lines.
    fn does_something(character: char) -> bool {
        let code = u32::from(character);
        matches!(code, 0..0x20 | 0x7f..0xa0 | 0x61c | 0x200e | 0x200f | 0x2028 | 0x2029)
            || matches!(code, 0x202a..=0x202e | 0x2066..=0x2069)
    }

    fn all_strings(value: &serde_json::Value) -> Vec<&str> {
        match value {
            serde_json::Value::String(string) => vec![string],
            serde_json::Value::Array(items) => items.iter().flat_map(all_strings).collect(),
            serde_json::Value::Object(fields) => {
                let each = |(key, field)| [vec![String::as_str(key)], all_strings(field)].concat();
                fields.iter().flat_map(each).collect()
            }
            _ => Vec::new(),
        }
    }

    proptest! {
        #[test]
        fn nothing_that_does_something_comes_out(given in any_text()) {
            let clean = text(&given);
            prop_assert!(!clean.chars().any(does_something), "{:?}", clean);
            prop_assert_eq!(clean.chars().count(), given.chars().count());
            prop_assert_eq!(text(&clean), clean);
        }

        #[test]
        fn nothing_that_does_something_is_read_from_clean_json(
            names in proptest::collection::vec((any_text(), any::<bool>()), 0..6),
        ) {
            let each = |(name, is_escaped): &(String, bool)| {
                let written = if *is_escaped {
                    let units = name.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
                    format!("\"{}\"", units.collect::<String>())
                } else {
                    serde_json::Value::from(name.as_str()).to_string()
                };
                format!("{{{written}:[{written}]}}")
            };
            let all = Vec::from_iter(names.iter().map(each));
            let given = format!("[{}]", all.join(","));
            let clean = json_text(given.as_bytes());
            prop_assert!(clean.len() <= given.len() * 3);
            let read: serde_json::Value = serde_json::from_slice(&clean).unwrap();
            let strings = all_strings(&read);
            prop_assert_eq!(strings.len(), names.len() * 2);
            for string in strings {
                prop_assert!(!string.chars().any(does_something), "{:?}", string);
            }
        }

        #[test]
        fn of_any_bytes_nothing_comes_out_plainly_that_strings_may_not_hold(
            given in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..200),
                any_text().prop_map(String::into_bytes),
            ],
        ) {
            let clean = json_text(&given);
            prop_assert!(clean.len() <= given.len() * 3);
            let is_dangerous = |c: char| !c.is_ascii_control() && does_something(c) || c == '\u{7f}';
            let mut chunks = clean.utf8_chunks();
            prop_assert!(!chunks.any(|chunk| chunk.valid().chars().any(is_dangerous)));
        }
    }
}
