//! `detector selftest` passes on this kernel and says so in lines that scripts can read; it leaves
//! nothing behind, also when it is interrupted; and it says what it lacks. It gives each case some seconds by
//! the clock, and plays many at once.

use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::command;
use detector_tests::expect;
use detector_tests::lab::Child;
use detector_tests::story;
use nix::sys::signal::Signal;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};

#[test]
fn every_case_is_seen_or_quiet() -> Result<()> {
    let _machine = crate::machine();
    story::in_folder("selftest", |folder| {
        let output = selftest(folder, &[])?;
        let text = String::from_utf8(output.stdout)?;
        ensure!(output.status.code() == Some(0), "{text}");
        ensure!(text.ends_with(" passed, 0 failed\n"), "{text}");
        for (word, case) in [
            ("seen", "zero-window"),
            ("seen", "treason"),
            ("seen", "orphan"),
            ("seen", "dribble"),
            ("seen", "hoard"),
            ("seen", "shared-address"),
            ("seen", "outbound"),
            ("quiet", "unheard"),
            ("quiet", "granularity"),
            ("quiet", "keep-alive"),
        ] {
            let line = format!("\n{word:<8} {case:<20} IPv4 ");
            ensure!(text.contains(&line), "no line {line:?} in\n{text}");
        }
        expect_nothing_left(folder)
    })
}

#[test]
fn one_case_is_told_as_json_by_source_and_delay() -> Result<()> {
    let _machine = crate::machine();
    story::in_folder("selftest-json", |folder| {
        let output = selftest(folder, &["--json", "--only", "treason"])?;
        ensure!(output.status.success(), "{output:?}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        ensure!(report["passed"] == 1 && report["failed"] == 0, "{report:#}");
        let cases = report["cases"].as_array().context("no cases")?;
        ensure!(cases.len() == 2, "{report:#}");
        for case in cases {
            ensure!(
                case["result"] == "seen"
                    && case["flag"] == "window-shrink"
                    && case["source"] == "hook",
                "{case:#}"
            );
            let delay = case["delay_seconds"].as_f64().context("no delay")?;
            ensure!((0.0..3.0).contains(&delay), "{case:#}");
        }
        expect_nothing_left(folder)
    })
}

#[test]
fn interrupted_it_leaves_nothing() -> Result<()> {
    let _machine = crate::machine();
    story::in_folder("selftest-interrupted", |folder| {
        let (said, log) = (folder.join("stdout"), folder.join("stderr"));
        let mut command = command(&["selftest"])?;
        command
            .env("TMPDIR", folder)
            .stdout(File::create(&said)?)
            .stderr(File::create(&log)?);
        let mut child = Child::start(command)?;
        expect::until("its agent runs", PATIENCE, || {
            Ok(agents_below(folder)?.pop())
        })?;
        child.signal(Signal::SIGINT)?;
        let status = child.wait(PATIENCE)?;
        let log = std::fs::read_to_string(log)?;
        ensure!(status.code() == Some(1), "{status}: {log}");
        ensure!(log.contains("interrupted"), "{log}");
        let agents = agents_below(folder)?;
        ensure!(agents.is_empty(), "its agent still runs: {agents:?}");
        // What the story itself has put there.
        std::fs::remove_file(said)?;
        std::fs::remove_file(folder.join("stderr"))?;
        expect_nothing_left(folder)
    })
}

#[test]
fn without_privilege_it_names_what_is_missing() -> Result<()> {
    let _machine = crate::machine();
    let binary = detector_tests::agent::binary()?;
    let output = Command::new("setpriv")
        .args([
            "--bounding-set=-net_admin,-sys_admin",
            "--inh-caps=-net_admin,-sys_admin",
        ])
        .arg(binary)
        .arg("selftest")
        .stdin(Stdio::null())
        .output()
        .context("run setpriv (apt-get install util-linux)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(4), "{said}");
    ensure!(said.contains("CAP_SYS_ADMIN and CAP_NET_ADMIN"), "{said}");
    Ok(())
}

#[test]
fn an_unknown_case_is_wrong_usage() -> Result<()> {
    let _machine = crate::machine();
    let output = command(&["selftest", "--only", "trison"])?.output()?;
    ensure!(output.status.code() == Some(2), "{output:?}");
    Ok(())
}

/// Runs it to its end with its scratch folder below `folder`.
fn selftest(folder: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = command(&["selftest"])?;
    let output = command.args(arguments).env("TMPDIR", folder).output();
    output.context("run selftest")
}

fn expect_nothing_left(folder: &Path) -> Result<()> {
    let left: Vec<_> = std::fs::read_dir(folder)?.flatten().collect();
    ensure!(left.is_empty(), "left behind: {left:?}");
    Ok(())
}

/// Numbers of the processes that were started with a path below `folder`: the agents of selftests.
fn agents_below(folder: &Path) -> Result<Vec<String>> {
    let wanted = folder.to_str().context("path of the folder")?;
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc")?.flatten() {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(wanted) {
            found.push(process.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(found)
}
