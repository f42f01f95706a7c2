//! The command with which a page runs the image without a package, to be tried as it stands there.

use std::fs;

use anyhow::{Context as _, Result};

use crate::tree;

pub(super) const PAGE: &str = "docs/install.md";

/// What the page has behind `podman run`.
pub(super) fn words() -> Result<Vec<String>> {
    let text = fs::read_to_string(tree::root().join(PAGE))
        .with_context(|| format!("cannot read {PAGE}"))?;
    let (_, rest) = text
        .split_once("    podman run ")
        .with_context(|| format!("{PAGE} runs nothing with podman"))?;
    let mut words = Vec::new();
    for line in rest.lines() {
        let is_last = !line.ends_with('\\');
        let line = line.trim_end_matches('\\');
        words.extend(line.split_whitespace().map(str::to_owned));
        if is_last {
            break;
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::words;
    use crate::dist::daemon_set::DaemonSet;

    /// And no more than a node gives, but for the kernel's log.
    #[test]
    fn the_page_gives_what_the_daemon_set_gives() {
        let words = words().unwrap();
        let after = |flag: &str| {
            let at = words.iter().position(|word| word == flag).unwrap();
            words[at + 1].clone()
        };
        let mut capabilities = DaemonSet::read().unwrap().capabilities;
        capabilities.push("SYSLOG".to_owned());
        assert_eq!(after("--cap-add"), capabilities.join(","));
        assert_eq!(after("--cap-drop"), "all");
        assert_eq!(after("--name"), "detector");
        for word in ["apparmor=unconfined", "label=disable", "--read-only"] {
            assert!(words.iter().any(|each| each == word), "{word}");
        }
        assert!(words.last().unwrap().starts_with("detector:"), "{words:?}");
    }
}
