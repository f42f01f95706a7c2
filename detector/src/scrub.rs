//! Makes text from outside harmless to a terminal and to a reader's eye.

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
pub(crate) fn text(text: &str) -> String {
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

/// Scrubs every string in a JSON value, keys too.
pub(crate) fn json(value: &mut serde_json::Value) {
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

#[cfg(test)]
mod tests {
    use super::{json, text};

    #[test]
    fn escapes_and_overrides_are_replaced() {
        assert_eq!(text("a\u{1b}[31mb\nc"), "a\u{fffd}[31mb\u{fffd}c");
        assert_eq!(text("exe\u{202e}txt.\u{200b}"), "exe\u{fffd}txt.\u{fffd}");
        assert_eq!(text("größe 漢字"), "größe 漢字");
    }

    #[test]
    fn json_is_scrubbed_at_every_depth() {
        let mut value = serde_json::json!({"a\u{7}": ["x\u{1b}", {"b": "\u{2066}"}], "n": 1});
        json(&mut value);
        assert_eq!(
            value,
            serde_json::json!({"a\u{fffd}": ["x\u{fffd}", {"b": "\u{fffd}"}], "n": 1})
        );
    }
}
