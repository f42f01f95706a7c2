//! The agent is ready in time. Beside others its threads and the kernel's verifier would wait for a processor.

use anyhow::{Context, Result, ensure};
use detector_tests::agent::{Agent, AgentOptions, command};
use detector_tests::story::in_folder;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::Signal;
use nix::sys::time::TimeVal;
use std::process::Stdio;
use std::time::Duration;

const TRIES: usize = 5;
/// On a machine on which a build that is not optimized looks through the kernel's types as fast as on most.
const READY_WITHIN: Duration = Duration::from_millis(500);
/// On a slower one it has so many times as long as `detector check` computes, which does a part of the same, and less
/// of it in libraries, which are not optimized in tests.
const CHECKS: u32 = 16;

#[test]
fn ready_within_half_a_second() -> Result<()> {
    let _machine = crate::machine();
    in_folder("ready", |folder| {
        let mut spans = Vec::new();
        for number in 0..TRIES {
            let folder = folder.join(number.to_string());
            let agent = Agent::start_with(&folder, &AgentOptions::without_configuration())?;
            // What other programs kept the processor from it is not its own.
            let waited = agent.waited_for_processor()?;
            spans.push(agent.ready_after.saturating_sub(waited));
            agent.stop(Signal::SIGTERM)?;
        }
        let best = spans.iter().min().context("no start")?;
        let checks = (0..TRIES).map(|_| check()).collect::<Result<Vec<_>>>()?;
        let allowed = match checks.iter().min() {
            Some(check) if cfg!(debug_assertions) => READY_WITHIN.max(*check * CHECKS),
            _ => READY_WITHIN,
        };
        ensure!(*best <= allowed, "{spans:?} of {allowed:?}, {checks:?}");
        Ok(())
    })
}

/// How long `detector check` computes.
fn check() -> Result<Duration> {
    let before = used_by_children()?;
    let status = command(&["check"])?.stdout(Stdio::null()).status()?;
    ensure!(status.success(), "{status}");
    Ok(used_by_children()?.saturating_sub(before))
}

/// Processor time of all programs of this one that have ended.
fn used_by_children() -> Result<Duration> {
    let used = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let in_kernel = span(used.system_time())?;
    Ok(span(used.user_time())? + in_kernel)
}

fn span(time: TimeVal) -> Result<Duration> {
    let micros = time.tv_usec().try_into()?;
    Ok(Duration::from_secs(time.tv_sec().try_into()?) + Duration::from_micros(micros))
}
