//! Once it is attached the agent keeps what is enabled and nothing else, in every thread: read back from
//! the kernel, and as `/v1/status` says.

use anyhow::{Context, Result, ensure};
use detector_tests::agent::{Agent, AgentOptions, command};
use detector_tests::story::in_folder;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// As in `linux/capability.h`.
const DAC_READ_SEARCH: u64 = 1 << 2;
const NET_ADMIN: u64 = 1 << 12;
const SYS_PTRACE: u64 = 1 << 19;
const SYS_ADMIN: u64 = 1 << 21;
const BPF: u64 = 1 << 39;
const ALWAYS: u64 = DAC_READ_SEARCH | SYS_PTRACE | SYS_ADMIN | BPF;

/// A number of each thread's status, by the thread's name.
fn of_threads(pid: &str, field: &str) -> Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = fs::read_to_string(thread?.path().join("status"))?;
        let line = |name: &str| {
            let mut lines = status.lines();
            let line = lines.find_map(|line| line.strip_prefix(name))?;
            Some(line.trim().to_owned())
        };
        let value = line(field).with_context(|| field.to_owned())?;
        let name = line("Name:").context("Name")?;
        found.push((name, u64::from_str_radix(&value, 16)?));
    }
    Ok(found)
}

fn check(configuration: &str, kept: u64, may_act: bool) -> Result<()> {
    in_folder("privilege", |folder| {
        let options = AgentOptions {
            configuration: Some(configuration.to_owned()),
            ..AgentOptions::default()
        };
        let agent = Agent::start_with(folder, &options)?;
        let status = agent.status()?;
        let pid = status["pid"].to_string();
        for field in ["CapEff:", "CapPrm:", "CapBnd:"] {
            for (thread, has) in of_threads(&pid, field)? {
                // The one that writes the log needs nothing at all.
                let expected = if thread == "log" { 0 } else { kept };
                ensure!(
                    has == expected,
                    "{thread}: {field} {has:x}, not {expected:x}"
                );
            }
        }
        for (field, expected) in [
            ("CapInh:", 0),
            ("CapAmb:", 0),
            ("NoNewPrivs:", 1),
            ("Seccomp:", 2),
        ] {
            for (thread, has) in of_threads(&pid, field)? {
                ensure!(has == expected, "{thread}: {field} {has:x}");
            }
        }
        let told = &status["privilege"];
        let names: BTreeSet<_> = told["capabilities"]
            .as_array()
            .context("capabilities")?
            .iter()
            .filter_map(Value::as_str)
            .collect();
        ensure!(
            names.contains("CAP_BPF") && names.len() == kept.count_ones() as usize,
            "{told}"
        );
        ensure!(
            told["seccomp"] == true && told["no_new_privileges"] == true,
            "{told}"
        );
        agent.wait_sweeps(2)?;

        let mut reset = command(&["reset", "203.0.113.7", "--dry-run"])?;
        let output = reset
            .arg("--control-socket")
            .arg(agent.control_socket())
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(said.contains("allows no actions") != may_act, "{said}");
        Ok(())
    })
}

#[test]
fn what_is_not_enabled_is_given_up() -> Result<()> {
    check("", ALWAYS | NET_ADMIN, true)?;
    check("[control]\nactions = false\n", ALWAYS, false)?;
    let with_guard = "[control]\nactions = false\n[guard]\nmode = \"dry-run\"\n";
    check(with_guard, ALWAYS | NET_ADMIN, false)
}
