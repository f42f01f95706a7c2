//! Words that must not get into the tree: paths of build machines and addresses of mirrors, in text
//! and in the built objects.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::tree;

/// A path that only exists on the machine of whoever wrote it, or where its packages came from.
/// Split, so that this file does not find itself.
const WORDS: [&str; 6] = [
    concat!("/root", "/"),
    concat!("/work", "/"),
    concat!("/home", "/"),
    concat!("index.", "crates.io-"),
    concat!(".cargo", "/registry"),
    concat!("deb.", "debian.org"),
];

pub(super) fn violations(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for file in tree::files(root)? {
        if file.starts_with("fuzz/corpus") || file.starts_with("fuzz/artifacts") {
            continue;
        }
        let path = root.join(&file);
        let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if let Some(word) = word_in(&content) {
            found.push(format!(
                "{}: has {word:?}, which belongs to one machine",
                file.display()
            ));
        }
    }
    Ok(found)
}

fn word_in(content: &[u8]) -> Option<&'static str> {
    let has = |word: &str| {
        content
            .windows(word.len())
            .any(|part| part == word.as_bytes())
    };
    WORDS.into_iter().find(|word| has(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_machine_are_found_in_bytes_too() {
        let path = format!("\x7fELF\0{}{}", "/home", "/me/detector/src/main.rs\0");
        assert_eq!(word_in(path.as_bytes()), Some(WORDS[2]));
        assert_eq!(
            word_in(b"\x7fELF\0/detector/detector-ebpf/src/main.rs\0"),
            None
        );
        assert_eq!(word_in(b""), None);
    }
}
