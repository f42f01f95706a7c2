//! The kernel kills a process of a control group that is out of memory: an incident says so and weighs
//! what TCP had to do with it, the recorder says who was killed and what it held, and a minute later it
//! is over. Where the kernel's log may not be read the kill is seen all the same, and the status says
//! why nobody is named.

use anyhow::{Context, Result, ensure};
use detector_recorder::{NoteKind, Reader, Span};
use detector_tests::agent::{Agent, AgentOptions, command};
use detector_tests::lab::{Child, ControlGroup};
use detector_tests::story::in_folder;
use detector_tests::{PATIENCE, expect};
use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
use serde_json::Value;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

const MEMORY_BYTES: u64 = 20 << 20;
/// Nothing may follow for a minute before it is over.
const IS_OVER: Duration = Duration::from_secs(180);

/// Has the kernel kill a process that takes memory without end, and returns its number.
fn kill_for_memory(group: &ControlGroup) -> Result<u32> {
    group.leave_memory(MEMORY_BYTES)?;
    // One line that never ends.
    let mut greedy = Command::new("tail");
    greedy.arg("/dev/zero").stdout(Stdio::null());
    group.place(&mut greedy)?;
    let mut greedy = Child::start(greedy)?;
    let pid = greedy.pid();
    let status = greedy.wait(PATIENCE)?;
    ensure!(!status.success(), "nobody killed it: {status}");
    Ok(pid)
}

fn group(name: &str) -> Result<ControlGroup> {
    ControlGroup::of_memory(format!("detector-{name}-{}", std::process::id()))
}

/// The incident, once it is so.
fn wait(agent: &Agent, patience: Duration, is_so: fn(&Value) -> bool) -> Result<Value> {
    expect::until("the incident of the kill is so", patience, || {
        let all: Vec<Value> = serde_json::from_str(&agent.get("/v1/incidents")?.body)?;
        let of_kills = |incident: &Value| {
            let kinds = incident["kinds"].as_array();
            kinds.is_some_and(|kinds| kinds.contains(&"oom-kill".into()))
        };
        Ok(all.into_iter().find(|each| of_kills(each) && is_so(each)))
    })
}

#[test]
fn a_kill_is_told_with_its_victim_and_is_over_a_minute_later() -> Result<()> {
    let _machine = crate::machine();
    in_folder("oom-kill", |folder| {
        let agent = Agent::start(folder)?;
        let group = group("oom-kill")?;
        let pid = kill_for_memory(&group)?;
        let incident = wait(&agent, PATIENCE, |_| true)?;
        ensure!(incident["severity"] == "critical", "{incident}");
        let state = folder.join("agent/state");
        let note = expect::until("the victim is recorded", PATIENCE, || {
            let notes = Reader::open(&state)?.notes(Span::ALL)?;
            let of_kill = |text: &str| text.contains(&format!("tail[{pid}]"));
            let mut notes = notes
                .into_iter()
                .filter(|note| note.kind == NoteKind::OomKill);
            Ok(notes.find(|note| of_kill(&note.text)))
        })?;
        for words in [
            "detector-oom-kill-",
            "memory limit",
            " anonymous",
            "the limit was 21 MB",
        ] {
            ensure!(note.text.contains(words), "no `{words}` in {}", note.text);
        }
        let mut show = command(&["incidents", "show", "last", "--control-socket"])?;
        let card = show.arg(agent.control_socket()).output()?.stdout;
        let card = String::from_utf8(card).context("the card is UTF-8")?;
        let card = card.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in [
            "a process killed for want of memory",
            "TCP's memory? Unlikely.",
            "An attack?",
        ] {
            ensure!(card.contains(words), "no `{words}` in {card}");
        }
        let over = wait(&agent, IS_OVER, |incident| incident["open"] == false)?;
        ensure!(over["id"] == incident["id"], "{over}");
        Ok(())
    })
}

#[test]
fn without_the_kernels_log_a_kill_is_seen_and_the_status_says_what_is_missing() -> Result<()> {
    let _machine = crate::machine();
    in_folder("oom-kill-unread", |folder| {
        let without_log = |command: &mut Command| {
            // SAFETY: system calls alone, with constant paths.
            unsafe {
                command.pre_exec(|| {
                    unshare(CloneFlags::CLONE_NEWNS)?;
                    let own = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
                    mount_change("/", own)?;
                    // As some containers have it.
                    mount_bind("/dev/null", "/dev/kmsg")?;
                    Ok(())
                });
            }
            Ok(())
        };
        let agent = Agent::start_prepared(folder, &AgentOptions::default(), without_log)?;
        let status: Value = expect::until("the status says so", PATIENCE, || {
            let status: Value = serde_json::from_str(&agent.get("/v1/status")?.body)?;
            Ok((!status["kernel_log_failure"].is_null()).then_some(status))
        })?;
        ensure!(status["ready"] == true, "{status}");
        ensure!(agent.log()?.contains("cannot read the kernel's log"));
        // What was killed before the first look is no news.
        expect::until("the host was looked at", PATIENCE, || {
            let host: Value = serde_json::from_str(&agent.get("/v1/host")?.body)?;
            Ok((!host["oom_kills"].is_null()).then_some(()))
        })?;
        kill_for_memory(&group("oom-kill-unread")?)?;
        wait(&agent, PATIENCE, |_| true)?;
        let notes = Reader::open(&folder.join("agent/state"))?.notes(Span::ALL)?;
        ensure!(
            notes.iter().all(|note| note.kind != NoteKind::OomKill),
            "{notes:?}"
        );
        Ok(())
    })
}
