//! `cargo xtask e2e`: the stories in network namespaces, against the built agent.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result};

use crate::command::{cargo, output, run};
use crate::packages;
use crate::run::{Profile, as_root, build_agent};
use crate::tree;

/// Programs the stories use, and the Debian packages that bring them.
pub(crate) const PROGRAMS: [(&str, &str); 13] = [
    ("bindfs", "bindfs"),
    ("haproxy", "haproxy"),
    ("nginx", "nginx-light"),
    ("apache2", "apache2-bin"),
    ("wrk", "wrk"),
    ("slowhttptest", "slowhttptest"),
    ("tc", "iproute2"),
    ("tshark", "tshark"),
    ("tcpdump", "tcpdump"),
    ("nft", "nftables"),
    ("ip", "iproute2"),
    ("curl", "curl"),
    ("setpriv", "util-linux"),
];

/// Stories played at a time: they wait more than they work.
const AT_ONCE: usize = 8;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only stories with this in their name
    filter: Option<String>,
    /// Install missing packages (as root, on Debian)
    #[arg(long)]
    install: bool,
    /// Passed to the test runner
    #[arg(last = true)]
    runner: Vec<String>,
}

impl Arguments {
    /// Every story, with what is missing installed if that is allowed.
    pub(crate) fn all(install: bool) -> Self {
        Self {
            filter: None,
            install,
            runner: Vec::new(),
        }
    }
}

pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    packages::need(&PROGRAMS, "the end-to-end test", arguments.install)?;
    let agent = build_agent(Profile::Dev)?;
    for runner in runners()? {
        let mut command = as_root(Path::new("env"))?;
        command
            .current_dir(tree::root().join("tests"))
            .arg(format!("DETECTOR_BIN={}", agent.display()))
            .arg(format!("RUST_TEST_THREADS={AT_ONCE}"))
            .arg(runner)
            .args(&arguments.filter)
            .args(&arguments.runner);
        run(&mut command)
            .context("a story failed: its captures and logs are in the folder named above")?;
    }
    Ok(())
}

/// Fails unless root's rights can be had, for a word before anything is built.
pub(crate) fn is_possible() -> Result<()> {
    run(as_root(Path::new("true"))?.stdin(Stdio::null()))
        .context("the end-to-end test needs root: run as root, or let sudo ask first (`sudo -v`)")
}

/// Builds the stories as the current user; root only runs them.
fn runners() -> Result<Vec<PathBuf>> {
    let messages = output(
        cargo()
            .current_dir(tree::root())
            .args([
                "test",
                "--locked",
                "--package",
                "detector-tests",
                "--no-run",
            ])
            .args(["--message-format", "json-render-diagnostics"])
            .stderr(Stdio::inherit()),
    )?;
    Ok(messages.lines().filter_map(test_executable).collect())
}

/// The file in one of cargo's messages, if it is about a test executable.
fn test_executable(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let is_test = message.pointer("/profile/test")?.as_bool()?;
    let file = message.get("executable")?.as_str()?;
    is_test.then(|| PathBuf::from(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_executables_are_found_among_the_messages() {
        let test = r#"{"reason":"compiler-artifact","profile":{"test":true},"executable":"/t/debug/deps/scenarios-1","fresh":true}"#;
        assert_eq!(
            test_executable(test),
            Some(PathBuf::from("/t/debug/deps/scenarios-1"))
        );
        for other in [
            r#"{"reason":"compiler-artifact","profile":{"test":false},"executable":"/t/debug/play"}"#,
            r#"{"reason":"compiler-artifact","profile":{"test":true},"executable":null}"#,
            r#"{"reason":"build-finished","success":true}"#,
            "",
        ] {
            assert_eq!(test_executable(other), None, "{other}");
        }
    }
}
