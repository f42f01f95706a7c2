//! Package names: which match a pattern, and which of them is the newest.

use std::cmp::Ordering;

/// Newest of `names` that matches the first pattern with any match; packages of debug symbols and
/// unsigned duplicates do not count.
pub(super) fn newest<'a>(names: &'a [String], patterns: &[String]) -> Option<&'a str> {
    patterns.iter().find_map(|pattern| {
        names
            .iter()
            .map(String::as_str)
            .filter(|name| matches(name, pattern) && !name.contains("-dbg"))
            .max_by(|one, other| compare(one, other))
    })
}

/// Whether `name` matches `pattern`, in which `*` stands for any text.
pub(super) fn matches(name: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return name == pattern;
    };
    let Some(mut name) = name.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = name.split_once(part) else {
            return false;
        };
        name = after;
    }
    name.ends_with(end)
}

/// Order by version: runs of digits as numbers, the rest as text.
fn compare(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    loop {
        let (text, rest) = split(one, |c| !c.is_ascii_digit());
        let (other_text, other_rest) = split(other, |c| !c.is_ascii_digit());
        let (number, rest) = split(rest, |c| c.is_ascii_digit());
        let (other_number, other_rest) = split(other_rest, |c| c.is_ascii_digit());
        let number = number.trim_start_matches('0');
        let other_number = other_number.trim_start_matches('0');
        let order = text
            .cmp(other_text)
            .then(number.len().cmp(&other_number.len()))
            .then(number.cmp(other_number));
        if order != Ordering::Equal || (rest.is_empty() && other_rest.is_empty()) {
            return order;
        }
        (one, other) = (rest, other_rest);
    }
}

fn split(text: &str, belongs: fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(names: &[&str], patterns: &[&str]) -> Option<String> {
        let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        newest(&owned(names), &owned(patterns)).map(str::to_owned)
    }

    #[test]
    fn the_newest_by_number_wins() {
        let names = [
            "linux-image-6.1.0-9-cloud-amd64",
            "linux-image-6.1.0-56-cloud-amd64",
            "linux-image-6.1.0-56-cloud-amd64-dbg",
            "linux-image-6.1.0-56-amd64",
            "linux-image-6.12.117+deb12-cloud-amd64",
        ];
        let chosen = choose(&names, &["linux-image-6.1.*-cloud-amd64"]);
        assert_eq!(chosen.as_deref(), Some("linux-image-6.1.0-56-cloud-amd64"));
    }

    #[test]
    fn the_first_pattern_with_a_match_is_taken() {
        let names = [
            "linux-binary-7.2.13+deb14-cloud-amd64",
            "linux-image-7.9-cloud-amd64",
        ];
        let patterns = [
            "linux-binary-8.*-cloud-amd64",
            "linux-binary-7.*-cloud-amd64",
            "linux-image-7.*",
        ];
        assert_eq!(choose(&names, &patterns).as_deref(), Some(names[0]));
        assert_eq!(choose(&names, &["linux-image-9.*"]), None);
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(compare("a-6.12.9", "a-6.12.10"), Ordering::Less);
        assert_eq!(compare("a-6.1", "a-6.1"), Ordering::Equal);
        assert_eq!(compare("a-7.2.13+deb14", "a-7.2.13"), Ordering::Greater);
        assert_eq!(compare("a-010", "a-9"), Ordering::Greater);
    }
}
