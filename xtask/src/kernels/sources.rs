//! The apt sources the matrix needs: the host's own mirror, with two more suites of it.

use anyhow::{Context as _, Result};

/// Suites of other releases, for the oldest and the newest kernel.
const MORE_SUITES: [&str; 2] = ["bullseye", "sid"];

/// One `deb` entry.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    uri: String,
    suite: String,
    signed_by: Option<String>,
}

/// A `sources.list` for a private apt, from the contents of the host's `.sources` and `.list` files.
pub(super) fn list(
    files: &[(String, String)],
    codename: &str,
    architecture: &str,
) -> Result<String> {
    let mut entries = Vec::new();
    for (name, text) in files {
        entries.extend(if name.ends_with(".sources") {
            deb822(text)
        } else {
            one_line(text)
        });
    }
    entries.retain(|entry| entry.suite.split(['-', '/']).next() == Some(codename));
    let own = entries.iter().find(|entry| entry.suite == codename);
    let (uri, signed_by) = own
        .map(|entry| (entry.uri.clone(), entry.signed_by.clone()))
        .with_context(|| format!("no apt source of this host has the suite {codename}"))?;
    for suite in MORE_SUITES {
        let (uri, signed_by) = (uri.clone(), signed_by.clone());
        entries.push(Entry {
            uri,
            suite: suite.to_owned(),
            signed_by,
        });
    }
    Ok(entries
        .iter()
        .map(|entry| line(entry, architecture))
        .collect())
}

fn line(entry: &Entry, architecture: &str) -> String {
    let Entry {
        uri,
        suite,
        signed_by,
    } = entry;
    let options = signed_by
        .as_ref()
        .map(|key| format!(" signed-by={key}"))
        .unwrap_or_default();
    format!("deb [arch={architecture}{options}] {uri} {suite} main\n")
}

/// `deb [options] URI SUITE COMPONENT…` lines.
fn one_line(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for line in text.lines() {
        let Some(rest) = line.trim().strip_prefix("deb ") else {
            continue;
        };
        let rest = rest.trim();
        let (options, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((options, rest)) => (options, rest),
            None => ("", rest),
        };
        let signed_by = options
            .split_whitespace()
            .find_map(|option| option.strip_prefix("signed-by="));
        let mut words = rest.split_whitespace();
        let (Some(uri), Some(suite)) = (words.next(), words.next()) else {
            continue;
        };
        if words.any(|component| component == "main") {
            let signed_by = signed_by.map(str::to_owned);
            entries.push(Entry {
                uri: uri.to_owned(),
                suite: suite.to_owned(),
                signed_by,
            });
        }
    }
    entries
}

/// Stanzas of `Key: value` lines.
fn deb822(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for stanza in text.split("\n\n") {
        let value = |key: &str| {
            stanza
                .lines()
                .find_map(|line| Some(line.strip_prefix(key)?.strip_prefix(':')?.trim()))
        };
        let is_binary =
            value("Types").is_some_and(|types| types.split_whitespace().any(|t| t == "deb"));
        let has_main =
            value("Components").is_some_and(|all| all.split_whitespace().any(|c| c == "main"));
        if !is_binary || !has_main || value("Enabled") == Some("no") {
            continue;
        }
        // A key written out in the stanza itself begins on the next line.
        let signed_by = value("Signed-By")
            .filter(|key| key.starts_with('/'))
            .map(str::to_owned);
        for uri in value("URIs").unwrap_or_default().split_whitespace() {
            for suite in value("Suites").unwrap_or_default().split_whitespace() {
                let (uri, suite) = (uri.to_owned(), suite.to_owned());
                entries.push(Entry {
                    uri,
                    suite,
                    signed_by: signed_by.clone(),
                });
            }
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANZAS: &str = "Types: deb\n# a comment\nURIs: http://mirror.test/debian\n\
        Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /usr/share/k.gpg\n\n\
        Types: deb\nURIs: http://mirror.test/security\nSuites: bookworm-security\nComponents: main\n";

    fn list_of(name: &str, text: &str) -> Result<String> {
        list(&[(name.to_owned(), text.to_owned())], "bookworm", "amd64")
    }

    #[test]
    fn suites_of_the_same_mirror_are_added() {
        assert_eq!(
            list_of("debian.sources", STANZAS).unwrap(),
            "deb [arch=amd64 signed-by=/usr/share/k.gpg] http://mirror.test/debian bookworm main\n\
             deb [arch=amd64 signed-by=/usr/share/k.gpg] http://mirror.test/debian bookworm-updates main\n\
             deb [arch=amd64] http://mirror.test/security bookworm-security main\n\
             deb [arch=amd64 signed-by=/usr/share/k.gpg] http://mirror.test/debian bullseye main\n\
             deb [arch=amd64 signed-by=/usr/share/k.gpg] http://mirror.test/debian sid main\n"
        );
    }

    #[test]
    fn one_line_sources_are_read_and_foreign_ones_left_out() {
        let text = "# deb http://old.test/debian bookworm main\n\
            deb [signed-by=/k.gpg] http://mirror.test/debian bookworm main contrib\n\
            deb http://other.test/apt nodistro main\ndeb-src http://mirror.test/debian bookworm main\n";
        let list = list_of("a.list", text).unwrap();
        assert!(list.starts_with(
            "deb [arch=amd64 signed-by=/k.gpg] http://mirror.test/debian bookworm main\n"
        ));
        assert_eq!(list.lines().count(), 3);
    }

    #[test]
    fn a_host_without_the_suite_is_told_so() {
        let error = list_of("a.list", "deb http://mirror.test/ubuntu jammy main\n").unwrap_err();
        assert!(error.to_string().contains("bookworm"));
    }
}
