//! `detector dmesg` without an agent: a log from a file, from a pipe and from the kernel's own buffer
//! is explained as its published schema says; what is no log is refused with what to do.

use anyhow::{Context, Result, ensure};
use detector_tests::agent::command;
use detector_tests::schema::Schema;
use detector_tests::story::in_folder;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

/// What the kernel left of a night: two peers, one of them IPv6, and a kill.
const NIGHT: &str = "\
Out of Memory: Killed process 870 (httpd).
TCP: Treason uncloaked! Peer 203.0.113.9:39660/80 shrinks window 3584164780:3584164970. Repaired.
TCP: Treason uncloaked! Peer 203.0.113.9:39660/80 shrinks window 3584164780:3584164970. Repaired.
TCP: Treason uncloaked! Peer 2001:0db8:0000:0000:0000:0000:0000:0007:4711/443 shrinks window 4294967295:1447. Repaired.
";

/// What it comes to.
const EXPECTED: [&str; 5] = [
    "killed httpd[870]",
    "203.0.113.9  1 stall, 2 lines",
    "port 39660, a client of our port 80: 190 B in flight (3584164780:3584164970), 2 lines",
    "2001:db8::7 in 2001:db8::/64",
    "1448 B in flight (4294967295:1447)",
];

#[test]
fn a_night_is_explained_from_a_file_and_a_pipe() -> Result<()> {
    in_folder("dmesg", |folder| {
        let file = folder.join("kern.log");
        fs::write(&file, NIGHT)?;
        let name = file.to_string_lossy();
        for output in [run(&[&name])?, piped(&["-"], NIGHT)?, piped(&[], NIGHT)?] {
            let text = String::from_utf8_lossy(&output.stdout);
            ensure!(output.status.success(), "{output:?}");
            for expected in EXPECTED {
                ensure!(text.contains(expected), "no {expected:?} in:\n{text}");
            }
        }
        let report: Value = serde_json::from_slice(&run(&[&name, "--json"])?.stdout)?;
        Schema::read("dmesg")?.check(&report)?;
        ensure!(
            report["peers"][0]["stalls"][0]["in_flight_bytes"] == 190,
            "{report}"
        );
        ensure!(report["kills"][0]["victim"]["pid"] == 870, "{report}");
        Ok(())
    })
}

/// Ends at the end of what is there; what is in it is the host's affair.
#[test]
fn the_kernels_own_buffer_is_read_to_its_end() -> Result<()> {
    let output = run(&["/dev/kmsg", "--json"])?;
    ensure!(output.status.success(), "{output:?}");
    Schema::read("dmesg")?.check(&serde_json::from_slice(&output.stdout)?)
}

#[test]
fn what_is_no_log_is_refused_with_what_to_do() -> Result<()> {
    in_folder("no-dmesg", |folder| {
        let write = |name: &str, bytes: &[u8]| -> Result<String> {
            let file = folder.join(name);
            fs::write(&file, bytes).with_context(|| format!("write {}", file.display()))?;
            Ok(file.to_string_lossy().into_owned())
        };
        for (file, error, hint) in [
            (path(folder, "absent"), "cannot read", "journalctl -k"),
            (path(folder, ""), "cannot read", "cat kern.log.1"),
            (write("empty", b"")?, "it is empty", "journalctl -k"),
            (
                write("packed.gz", b"\x1f\x8b\x08\0")?,
                "packed by gzip",
                "zcat FILE",
            ),
            (
                write("binary", &[1, 2, 3, 4, 5, 6])?,
                "is not text",
                "name a log file",
            ),
        ] {
            let output = run(&[&file])?;
            let errors = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.code() == Some(1), "{file}: {output:?}");
            ensure!(
                errors.contains(error) && errors.contains(hint),
                "{file}: {errors}"
            );
        }
        let quiet = run(&[&write(
            "quiet",
            b"Mar  4 10:11:12 web1 sshd[1]: session opened\n",
        )?])?;
        let text = String::from_utf8_lossy(&quiet.stdout);
        ensure!(
            quiet.status.success() && text.contains("no message about a closed window"),
            "{quiet:?}"
        );
        Ok(())
    })
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_string_lossy().into_owned()
}

fn run(arguments: &[&str]) -> Result<Output> {
    Ok(command(&[&["dmesg"], arguments].concat())?.output()?)
}

fn piped(arguments: &[&str], text: &str) -> Result<Output> {
    let mut child = command(&[&["dmesg"], arguments].concat())?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .context("stdin of the child")?
        .write_all(text.as_bytes())?;
    Ok(child.wait_with_output()?)
}
