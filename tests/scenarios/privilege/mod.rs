//! Once it is attached the agent keeps what is enabled and nothing else, in every thread: read back from
//! the kernel, and as `/v1/status` says. What a reload names outside of the folders that it was started
//! with it cannot open, and says so; on a kernel without Landlock it says that, and reads it.

#[cfg(target_arch = "x86_64")]
mod taken_over;

use crate::surroundings::check_under;
use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::{Agent, AgentOptions, binary, command, on_a_kernel_without};
use detector_tests::expect;
use detector_tests::story::in_folder;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
        // One that has ended since has none.
        let Ok(status) = fs::read_to_string(thread?.path().join("status")) else {
            continue;
        };
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

/// Threads that Landlock does not bind have a second filter of calls.
fn outside_change_nothing(pid: &str) -> Result<()> {
    let filters = of_threads(pid, "Seccomp_filters:")?;
    let of = |name: &str| {
        let mut threads = filters.iter().filter(|(thread, _)| thread == name);
        let found = threads.next().map(|(_, count)| *count);
        found.with_context(|| format!("no thread {name} in {filters:?}"))
    };
    let bound = of("detector")?;
    // Neither does the one that writes the log.
    for name in ["unconfined", "detector-sweep", "owners", "census", "log"] {
        ensure!(of(name)? == bound + 1, "{name}: {filters:?}");
    }
    Ok(())
}

fn check(configuration: &str, kept: u64, may_act: bool) -> Result<()> {
    in_folder("privilege", |folder| {
        let agent = Agent::start_with(folder, &AgentOptions::with(configuration))?;
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
            told["seccomp"] == true
                && told["seccomp_clone3"] == true
                && told["no_new_privileges"] == true
                && told["landlock"] == true,
            "{told}"
        );
        agent.wait_sweeps(2)?;
        outside_change_nothing(&pid)?;

        let mut reset = command(&["reset", "203.0.113.7", "--dry-run"])?;
        let output = reset
            .arg("--control-socket")
            .arg(agent.control_socket())
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(said.contains("allows no actions") != may_act, "{said}");
        if !may_act {
            agent.wait_log("asked for /v1/reset, but the configuration allows no actions")?;
        }
        Ok(())
    })
}

#[test]
fn what_is_not_enabled_is_given_up() -> Result<()> {
    check("", ALWAYS | NET_ADMIN, true)?;
    let of_container = "[detect]\nscope = \"container\"\n";
    check(of_container, ALWAYS & !SYS_ADMIN | NET_ADMIN, true)?;
    check("[control]\nactions = false\n", ALWAYS, false)?;
    let with_guard = "[control]\nactions = false\n[guard]\nmode = \"dry-run\"\n";
    check(with_guard, ALWAYS | NET_ADMIN, false)
}

/// The process whose command line has this.
fn process_with(text: &str) -> Result<String> {
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let line = fs::read(path.join("cmdline")).unwrap_or_default();
        let mut arguments = line.split(|byte| *byte == 0);
        if arguments.any(|argument| argument == text.as_bytes()) {
            let pid = path.file_name().and_then(|name| name.to_str());
            return Ok(pid.context("a process")?.to_owned());
        }
    }
    anyhow::bail!("no process has {text}")
}

/// Connects as soon as it lets anybody; what its threads may do at that moment.
fn at_first_connection(web: SocketAddr) -> Result<Vec<(String, u64)>> {
    expect::until("somebody may connect", PATIENCE, || {
        let connected = TcpStream::connect_timeout(&web, Duration::from_millis(20));
        Ok(connected.ok().map(drop))
    })?;
    of_threads(&process_with(&web.to_string())?, "CapEff:")
}

/// Asks at the control socket before anybody answers there; the answer.
fn first_answer(socket: &Path) -> Result<Value> {
    let mut stream = expect::until("the control socket is there", PATIENCE, || {
        Ok(UnixStream::connect(socket).ok())
    })?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
    Ok(serde_json::from_str(body)?)
}

#[test]
fn what_it_may_is_given_up_before_anybody_can_connect() -> Result<()> {
    in_folder("order", |folder| {
        let mut watching = None;
        let agent = Agent::start_prepared(folder, &AgentOptions::default(), |command| {
            let arguments: Vec<_> = command.get_args().map(OsStr::to_os_string).collect();
            let after = |flag: &str| {
                let at = arguments.iter().position(|argument| argument == flag);
                at.and_then(|at| arguments.get(at + 1)).cloned()
            };
            let web = after("--web.listen-address").context("an address")?;
            let web: SocketAddr = web.to_str().context("an address")?.parse()?;
            let socket = PathBuf::from(after("--control-socket").context("a socket")?);
            watching = Some((
                std::thread::spawn(move || at_first_connection(web)),
                std::thread::spawn(move || first_answer(&socket)),
            ));
            Ok(())
        })?;
        let (connecting, asking) = watching.context("nobody watches")?;
        let threads = connecting.join().ok().context("it panicked")??;
        ensure!(threads.len() > 2, "{threads:?}");
        for (thread, has) in threads {
            let expected = if thread == "log" {
                0
            } else {
                ALWAYS | NET_ADMIN
            };
            ensure!(has == expected, "{thread}: {has:x}");
        }
        let answer = asking.join().ok().context("it panicked")??;
        ensure!(answer["privilege"]["seccomp"] == true, "{answer}");
        agent.metrics().context("it goes on")?;
        Ok(())
    })
}

/// Each thread of it, made to do so by whoever may trace it.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_thread_that_is_taken_over_can_do_none_of_it() -> Result<()> {
    in_folder("taken-over", |folder| {
        let agent = Agent::start(folder)?;
        agent.wait_sweeps(2)?;
        let pid = agent.status()?["pid"].to_string();
        let tried = taken_over::try_all(&pid, agent.web())?;
        for name in [
            "detector",
            "log",
            "unconfined",
            "detector-sweep",
            "owners",
            "census",
        ] {
            ensure!(
                tried.iter().any(|thread| thread == name),
                "{name}: {tried:?}"
            );
        }
        agent.metrics().context("it goes on")?;
        agent.stop(Signal::SIGTERM)?;
        Ok(())
    })
}

/// The line of the log that says that a reload came to nothing.
fn refusal(agent: &Agent, told_before: usize) -> Result<String> {
    expect::until("the reload is told", PATIENCE, || {
        let log = agent.log()?;
        let mut lines = log.lines().skip(told_before);
        let line = lines.find(|line| line.contains("not reloaded, the old one stays"));
        Ok(line.map(str::to_owned))
    })
}

#[test]
fn what_lies_elsewhere_cannot_be_opened_by_a_reload() -> Result<()> {
    in_folder("landlock", |folder| {
        let elsewhere = folder.join("elsewhere");
        fs::create_dir(&elsewhere)?;
        let secret = elsewhere.join("secret.toml");
        fs::write(&secret, "[peers]\nexport = 7\n")?;
        let drop_ins = folder.join("agent/conf.d");
        fs::create_dir_all(&drop_ins)?;
        // What it could read at its start it can read again.
        let linked = folder.join("linked");
        fs::create_dir(&linked)?;
        fs::write(linked.join("10.toml"), "[peers]\nexport = 5\n")?;
        symlink(linked.join("10.toml"), drop_ins.join("10.toml"))?;
        let agent = Agent::start(folder)?;
        let configuration = fs::read_to_string(folder.join("agent/detector.toml"))?;
        fs::write(linked.join("10.toml"), "[peers]\nexport = 6\n")?;
        fs::write(drop_ins.join("20.toml"), "[peers]\nexport = 8\n")?;
        agent.reload(&configuration)?;
        agent.wait_log("configuration reloaded")?;

        let told = agent.log()?.lines().count();
        symlink(&secret, drop_ins.join("30.toml"))?;
        agent.signal(Signal::SIGHUP)?;
        let line = refusal(&agent, told)?;
        for part in [
            "30.toml: Permission denied",
            "(Landlock)",
            "or restart the agent",
        ] {
            ensure!(line.contains(part), "{line}");
        }
        let failed = agent
            .metrics()?
            .value("detector_config_last_reload_successful", &[])?;
        ensure!(failed < 0.1, "{failed}");
        // A file of that name in the folder itself is another matter.
        fs::remove_file(drop_ins.join("30.toml"))?;
        agent.signal(Signal::SIGHUP)?;
        expect::until("the reload is well again", PATIENCE, || {
            let is_well = agent
                .metrics()?
                .value("detector_config_last_reload_successful", &[])?;
            Ok((is_well > 0.9).then_some(()))
        })?;
        agent.stop(Signal::SIGTERM)?;
        ensure!(
            !folder.join("agent/control.sock").exists(),
            "its socket is still there"
        );
        Ok(())
    })
}

#[test]
fn without_landlock_it_goes_on_and_says_so() -> Result<()> {
    in_folder("no-landlock", |folder| {
        let options = AgentOptions {
            under: on_a_kernel_without(&["landlock"])?,
            ..AgentOptions::default()
        };
        let agent = Agent::start_with(folder, &options)?;
        let told = &agent.status()?["privilege"];
        ensure!(
            told["landlock"] == false && told["seccomp"] == true,
            "{told}"
        );
        ensure!(
            agent.log()?.contains("this kernel has no Landlock"),
            "{}",
            agent.log()?
        );
        let said = check_under(&options.under, &binary()?)?;
        ensure!(said.contains("CONFIG_SECURITY_LANDLOCK"), "{said}");
        Ok(())
    })
}
