//! The kernel kills a process of a control group that is out of memory: an incident says so and weighs, by
//! the numbers of that moment and that group, what TCP had to do with it, the recorder says who was killed and what it held, and a minute later it
//! is over. Hook, log and count of a kill are one. Where the kernel's log may not be read the hook on the
//! OOM killer names the victim all the same, and its control group also where it is out of sight.

use anyhow::{Context, Result, bail, ensure};
use detector_recorder::{KillScope, Note, NoteKind, OomKill, Reader, Span};
use detector_tests::agent::{Agent, AgentOptions, command, in_a_container, with_mounts};
use detector_tests::lab::{Child, ControlGroup};
use detector_tests::story::in_folder;
use detector_tests::{PATIENCE, expect};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
use serde_json::Value;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const MEMORY_BYTES: u64 = 20 << 20;
/// In the older hierarchy a victim may have no group any more when it is looked at: the hook names it all
/// the same.
const TRIES: usize = 5;
/// Nothing may follow for a minute before it is over.
const IS_OVER: Duration = Duration::from_secs(180);

/// Has the kernel kill a process that takes memory without end. Until it is dropped it is there to be
/// looked at.
fn kill_for_memory(group: &ControlGroup) -> Result<Child> {
    kill_in(group, |_| Ok(()))
}

/// The same; `prepare` may place it in another hierarchy, too.
fn kill_in(
    group: &ControlGroup,
    prepare: impl FnOnce(&mut Command) -> Result<()>,
) -> Result<Child> {
    group.leave_memory(MEMORY_BYTES)?;
    // One line that never ends.
    let mut greedy = Command::new("tail");
    greedy.arg("/dev/zero").stdout(Stdio::null());
    prepare(&mut greedy)?;
    group.place(&mut greedy)?;
    let greedy = Child::start(greedy)?;
    let pid = Pid::from_raw(greedy.pid().try_into()?);
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    let status = expect::until("it is killed", PATIENCE, || {
        let status = waitid(Id::Pid(pid), look)?;
        Ok((status != WaitStatus::StillAlive).then_some(status))
    })?;
    ensure!(
        matches!(status, WaitStatus::Signaled(_, Signal::SIGKILL, _)),
        "nobody killed it: {status:?}"
    );
    Ok(greedy)
}

fn group(name: &str) -> Result<ControlGroup> {
    ControlGroup::of_memory(format!("detector-{name}-{}", std::process::id()))
}

/// What is recorded of the victim, once it is so. There must be one note of it and no more.
fn note_of(state: &Path, pid: u32, is_so: fn(&OomKill) -> bool) -> Result<Note> {
    expect::until("the victim is recorded", PATIENCE, || {
        let mut notes = Reader::open(state)?.notes(Span::ALL)?;
        let of_victim = |kill: &OomKill| kill.pid == Some(pid.into());
        notes.retain(|note| note.kind == NoteKind::OomKill);
        notes.retain(|note| note.kill.as_ref().is_some_and(of_victim));
        ensure!(notes.len() < 2, "one kill is several: {notes:?}");
        let note = notes.pop();
        Ok(note.filter(|note| note.kill.as_ref().is_some_and(is_so)))
    })
}

/// What hook and log have to tell of it each.
fn check(note: &Note, pid: u32) -> Result<()> {
    let kill = note.kill.as_ref().context("a kill has fields")?;
    ensure!(note.text.contains(&format!("tail[{pid}]")), "{note:?}");
    ensure!(kill.name.as_deref() == Some("tail"), "{kill:?}");
    ensure!(kill.scope == KillScope::ControlGroup, "{kill:?}");
    ensure!(kill.anonymous_bytes > Some(MEMORY_BYTES / 2), "{kill:?}");
    ensure!(kill.limit_bytes >= Some(MEMORY_BYTES), "{kill:?}");
    let group = kill.cgroup.as_deref().unwrap_or_default();
    ensure!(group.contains("detector-oom-kill"), "{kill:?}");
    Ok(())
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
        let victim = kill_for_memory(&group)?;
        let pid = victim.pid();
        let incident = wait(&agent, PATIENCE, |_| true)?;
        ensure!(incident["severity"] == "critical", "{incident}");
        let state = folder.join("agent/state");
        let note = note_of(&state, pid, |kill| kill.by_log && kill.by_hook)?;
        check(&note, pid)?;
        for words in [
            "detector-oom-kill-",
            "memory limit",
            " anonymous",
            "the limit was ",
        ] {
            ensure!(note.text.contains(words), "no `{words}` in {}", note.text);
        }
        let told = wait(&agent, PATIENCE, |each| {
            each["kills"][0]["scope"] == "control-group"
        })?;
        let kill = &told["kills"][0];
        ensure!(kill["pid"] == pid && kill["host"].is_object(), "{kill}");
        ensure!(kill["limit_bytes"].as_u64() >= Some(MEMORY_BYTES), "{kill}");
        let mut show = command(&["incidents", "show", "last", "--control-socket"])?;
        let card = show.arg(agent.control_socket()).output()?.stdout;
        let card = String::from_utf8(card).context("the card is UTF-8")?;
        let card = card.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in [
            "a process killed for want of memory",
            // What it says depends on what others on this machine hold, where a group's sockets are not known.
            "TCP's memory? ",
            "At the kill of ",
            ": a control group was at its limit",
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
fn without_the_kernels_log_the_hook_names_the_victim_and_the_status_says_what_is_missing()
-> Result<()> {
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
        agent.wait_log("cannot read the kernel's log")?;
        // What was killed before the first look is no news.
        expect::until("the host was looked at", PATIENCE, || {
            let host: Value = serde_json::from_str(&agent.get("/v1/host")?.body)?;
            Ok((!host["oom_kills"].is_null()).then_some(()))
        })?;
        let group = group("oom-kill-unread")?;
        for _ in 0..TRIES {
            let victim = kill_for_memory(&group)?;
            let pid = victim.pid();
            wait(&agent, PATIENCE, |_| true)?;
            let note = note_of(&folder.join("agent/state"), pid, |kill| kill.by_hook)?;
            agent.wait_log(&note.text)?;
            let kill = note.kill.as_ref().context("a kill has fields")?;
            ensure!(
                !kill.by_log && kill.name.as_deref() == Some("tail"),
                "{kill:?}"
            );
            ensure!(kill.anonymous_bytes > Some(MEMORY_BYTES / 2), "{kill:?}");
            if kill.cgroup.is_some() {
                return check(&note, pid);
            }
        }
        bail!("each victim was gone before it was looked at")
    })
}

#[test]
fn a_victim_that_is_out_of_sight_is_placed_by_its_control_group() -> Result<()> {
    let _machine = crate::machine();
    in_folder("oom-kill-unseen", |folder| {
        let options = AgentOptions {
            under: [
                in_a_container(),
                with_mounts("mount --bind /dev/null /dev/kmsg"),
            ]
            .concat(),
            ..AgentOptions::with("[detect]\nscope = \"host\"\n")
        };
        let _agent = Agent::start_with(folder, &options)?;
        let name = format!("detector-unseen-{}.service", std::process::id());
        let group = ControlGroup::of_memory(name.clone())?;
        // Where the older hierarchy has the memory, services have groups in the other as well.
        let unified = ControlGroup::create(name.clone()).ok();
        let victim = kill_in(&group, |greedy| {
            unified.iter().try_for_each(|unified| unified.place(greedy))
        })?;
        let note = note_of(&folder.join("agent/state"), victim.pid(), |kill| {
            kill.by_hook
        })?;
        let kill = note.kill.as_ref().context("a kill has fields")?;
        ensure!(!kill.by_log, "{kill:?}");
        ensure!(kill.unit == Some(name), "{kill:?}");
        Ok(())
    })
}
