//! Rust source cut into words and signs: no comments, no literals, nothing of tests.

/// A word, a number, `::`, `..` or one other sign.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) line: usize,
}

impl Token<'_> {
    pub(super) fn is_word(&self) -> bool {
        self.text
            .starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// What is built also without `cfg(test)`.
pub(super) fn of_program(source: &str) -> Vec<Token<'_>> {
    let all = cut(source, 1);
    let mut kept = Vec::with_capacity(all.len());
    let mut rest = &all[..];
    while let Some((token, after)) = rest.split_first() {
        match attribute(rest) {
            Some(end) if is_of_tests(&rest[..end]) => {
                let item = &rest[end..];
                rest = &item[item_length(item)..];
            }
            _ => {
                kept.push(*token);
                rest = after;
            }
        }
    }
    kept
}

fn cut(source: &str, first_line: usize) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = source;
    let mut line = first_line;
    while let Some(first) = rest.chars().next() {
        let (part, after) = rest.split_at(length(rest, first));
        let is_comment = part.starts_with("//") || part.starts_with("/*");
        if !is_comment && is_quoted(part) {
            // serde is told functions by their paths.
            let path = part.trim_matches('"');
            if ["crate::", "super::", "self::"]
                .iter()
                .any(|start| path.starts_with(start))
            {
                tokens.extend(cut(path, line));
            }
        } else if !first.is_whitespace() && first != '\'' && !is_comment {
            tokens.push(Token { text: part, line });
        }
        line += part.matches('\n').count();
        rest = after;
    }
    tokens
}

fn is_quoted(text: &str) -> bool {
    text.len() > 1 && text.ends_with(['"', '\'', '#'])
}

/// Bytes of what `rest`, which begins with `first`, has at its beginning.
fn length(rest: &str, first: char) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    if let Some(length) = string(rest).or_else(|| character(rest)) {
        return length;
    }
    if first == '\'' {
        // A lifetime.
        return 1 + word(&rest[1..]);
    }
    if first.is_alphanumeric() || first == '_' {
        return word(rest);
    }
    if rest.starts_with("::") || rest.starts_with("..") {
        return 2;
    }
    first.len_utf8()
}

fn word(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len())
}

/// Comments of this kind nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(found) = text[at..].find(['/', '*']) {
        at += found;
        let sign = text.get(at..at + 2);
        match sign {
            Some("/*") => depth += 1,
            Some("*/") => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// A string of any kind.
fn string(text: &str) -> Option<usize> {
    let raw = ["br", "cr", "r"].into_iter().find_map(|prefix| {
        let after = text.strip_prefix(prefix)?;
        let content = after.trim_start_matches('#');
        content
            .starts_with('"')
            .then(|| after.len() - content.len())
    });
    if let Some(hashes) = raw {
        let open = text.find('"')? + 1;
        let close = format!("\"{}", "#".repeat(hashes));
        let end = text[open..].find(&close);
        return Some(end.map_or(text.len(), |end| open + end + close.len()));
    }
    let open = ["b\"", "c\"", "\""]
        .into_iter()
        .find(|open| text.starts_with(open))?;
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(open.len()) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    Some(text.len())
}

/// A character or a byte; `None` for a lifetime.
fn character(text: &str) -> Option<usize> {
    let open = ["b'", "'"]
        .into_iter()
        .find(|open| text.starts_with(open))?
        .len();
    let mut content = text[open..].char_indices();
    let (_, first) = content.next()?;
    let (next, second) = content.next()?;
    if first == '\\' {
        // The escaped sign may be the quote itself.
        let escaped = open + next + second.len_utf8();
        return text[escaped..].find('\'').map(|end| escaped + end + 1);
    }
    (second == '\'').then_some(open + next + 1)
}

/// How many tokens the attribute has that `tokens` begin with.
fn attribute(tokens: &[Token<'_>]) -> Option<usize> {
    let is_one = tokens.len() > 1 && tokens[0].text == "#" && tokens[1].text == "[";
    is_one.then(|| 1 + group(&tokens[1..]))
}

/// How many tokens there are from an opening bracket to the one that closes it, both included.
pub(super) fn group(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// Whether the attribute leaves what follows to tests.
fn is_of_tests(attribute: &[Token<'_>]) -> bool {
    let text = |at: usize| attribute.get(at).map_or("", |token| token.text);
    match (text(2), text(4)) {
        ("cfg", "test") => true,
        ("cfg", "all") => {
            (6..attribute.len()).any(|at| text(at) == "test" && text(at - 2) != "not")
        }
        _ => false,
    }
}

/// How many tokens the item, field or arm has that `tokens` begin with.
fn item_length(tokens: &[Token<'_>]) -> usize {
    const ITEMS: [&str; 16] = [
        "pub",
        "fn",
        "use",
        "mod",
        "struct",
        "enum",
        "union",
        "impl",
        "const",
        "static",
        "type",
        "trait",
        "unsafe",
        "async",
        "macro_rules",
        "let",
    ];
    let mut start = 0;
    while let Some(length) = attribute(&tokens[start..]) {
        start += length;
    }
    let item = &tokens[start..];
    let text = |at: usize| item.get(at).map_or("", |token| token.text);
    let is_item = ITEMS.contains(&text(0));
    let keyword = match (text(0), text(1)) {
        ("pub", "(") => 1 + group(&item[1..]),
        ("pub", _) => 1,
        _ => 0,
    };
    // Braces do not end these.
    let is_statement = matches!(text(keyword), "use" | "static" | "type" | "let")
        || text(keyword) == "const" && !matches!(text(keyword + 1), "fn" | "unsafe" | "async");
    let mut at = 0;
    while at < item.len() {
        match item[at].text {
            ";" => return start + at + 1,
            "," if !is_item => return start + at + 1,
            ")" | "]" | "}" => return start + at,
            "{" if !is_statement => return start + at + group(&item[at..]),
            "(" | "[" | "{" => at += group(&item[at..]),
            _ => at += 1,
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> String {
        let texts: Vec<_> = of_program(source).iter().map(|token| token.text).collect();
        texts.join(" ")
    }

    #[test]
    fn what_is_quoted_or_commented_is_no_code() {
        for (source, left) in [
            ("a::b // c::d\n e", "a :: b e"),
            ("/* a /* b */ c */ d /* e", "d"),
            (
                r##"f("a::b", r"c\", r#"d " e"#, b"f\"g", h)"##,
                "f ( , , , , h )",
            ),
            (r"['a', '\'', b'\\', '\u{7f}', '…', x]", "[ , , , , , x ]"),
            ("fn f<'a>(b: &'a str)", "fn f < > ( b : & str )"),
            (
                r#"#[serde(with = "super::time")]"#,
                "# [ serde ( with = super :: time ) ]",
            ),
            ("0..super::N", "0 .. super :: N"),
        ] {
            assert_eq!(texts(source), left, "{source}");
        }
    }

    #[test]
    fn lines_are_counted_through_all_of_it() {
        let source = "a\n/*\n*/ \"\n\\\n\" b\n// c\nd";
        let lines: Vec<_> = of_program(source).iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 5, 7]);
    }

    #[test]
    fn what_is_for_tests_alone_is_left_out() {
        for (source, left) in [
            ("#[cfg(test)] mod tests { use a::b; } c", "c"),
            ("#[cfg(test)] mod tests; c", "c"),
            ("#[cfg(test)] use a::{b, c}; d", "d"),
            (
                "#[cfg(test)] #[allow(dead_code)] pub(crate) const A: [B; 2] = [B {}, C]; d",
                "d",
            ),
            (
                "#[cfg(all(test, unix))] const fn a<B, C>() -> D { e } f",
                "f",
            ),
            ("struct A { #[cfg(test)] b: C, d: E }", "struct A { d : E }"),
            (
                "struct A { b: C, #[cfg(test)] d: E }",
                "struct A { b : C , }",
            ),
            ("#[cfg(not(test))] a", "# [ cfg ( not ( test ) ) ] a"),
            (
                "#[cfg(all(unix, not(test)))] a",
                "# [ cfg ( all ( unix , not ( test ) ) ) ] a",
            ),
        ] {
            assert_eq!(texts(source), left, "{source}");
        }
    }
}
