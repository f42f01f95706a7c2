//! Hosts on which the agent finds less than elsewhere: no netlink, no nftables, a root that is read-only, a
//! container without cgroup v2. It runs with what is left, and `detector check`, its log and its answers
//! say what is missing and what to do about it.

use crate::agent_start::finish;
use anyhow::{Context, Result, ensure};
use detector_tests::agent::{
    Agent, AgentOptions, binary, command_under, on_a_kernel_without, with_mounts,
};
use detector_tests::lab::Family;
use detector_tests::story::{Story, in_folder};
use detector_tests::{PATIENCE, expect};
use serde_json::{Value, json};
use std::path::Path;

/// An agent that is not held up by what others play at the same time.
fn watching_little() -> AgentOptions {
    AgentOptions::with("[detect]\nscope = \"container\"\n")
}

/// What `detector check` says there; nothing that it lacks keeps it from starting.
pub(crate) fn check_under(line: &[String], program: &Path) -> Result<String> {
    let checked = command_under(line, program).arg("check").output()?;
    let said = String::from_utf8(checked.stdout)?;
    ensure!(checked.status.success(), "{said}");
    Ok(said)
}

/// What is wrong with this thing, and what to do about it.
fn lacking(line: &[String], name: &str) -> Result<String> {
    let checked = command_under(line, &binary()?)
        .args(["check", "--json"])
        .output()?;
    let all: Vec<Value> = serde_json::from_slice(&checked.stdout)?;
    let found = all.iter().find(|each| each["name"] == name);
    let found = found.with_context(|| format!("no {name} in {all:?}"))?;
    ensure!(found["state"] == "degraded", "{found}");
    let [detail, hint] = ["detail", "hint"].map(|key| found[key].as_str().unwrap_or_default());
    Ok(format!("{detail}; {hint}"))
}

fn expect_words(text: &str, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(text.contains(word), "no {word} in {text}");
    }
    Ok(())
}

#[test]
fn without_nftables_nothing_is_blocked() -> Result<()> {
    Story::play("no-nftables", Family::V4, |story| {
        let options = AgentOptions {
            under: on_a_kernel_without(&["nftables"])?,
            ..watching_little()
        };
        let agent = Agent::start_in_with(story.server(), story.folder(), &options)?;
        let words = ["no tables of nftables that go with their owner", "firewall"];
        for dry_run in [true, false] {
            let block = json!({"network": "203.0.113.7", "for_seconds": 60, "dry_run": dry_run});
            let refused = agent.post("/v1/block", &block)?;
            ensure!(refused.status == 501, "{refused:?}");
            expect_words(&refused.body, &words)?;
        }
        expect_words(&lacking(&options.under, "dropping packets")?, &words)?;
        agent.wait_sweeps(2)
    })
}

#[test]
fn without_netlink_it_watches_and_says_what_it_cannot() -> Result<()> {
    Story::play("no-netlink", Family::V4, |story| {
        let options = AgentOptions {
            under: on_a_kernel_without(&["netlink"])?,
            ..watching_little()
        };
        let agent = Agent::start_in_with(story.server(), story.folder(), &options)?;
        let block = json!({"network": "203.0.113.7", "for_seconds": 60});
        let refused = agent.post("/v1/block", &block)?;
        ensure!(refused.status == 500, "{refused:?}");
        let words = ["Address family not supported by protocol"];
        expect_words(&refused.body, &words)?;
        expect::until("it is told", PATIENCE, || {
            let told = "cannot ask for the addresses of this host: Address family not supported";
            Ok(agent.log()?.contains(told).then_some(()))
        })?;
        expect_words(&lacking(&options.under, "closing sockets")?, &words)?;
        expect_words(&lacking(&options.under, "dropping packets")?, &words)?;
        agent.wait_sweeps(2)
    })
}

#[test]
fn on_a_read_only_root_it_names_the_folder_and_runs_with_another() -> Result<()> {
    in_folder("read-only", |folder| {
        let own = folder.display();
        let under = with_mounts(&format!(
            "mount --bind {own} {own} && mount -o remount,bind,ro /"
        ));
        let mut run = command_under(&under, &binary()?);
        run.args(["run", "--web.listen-address", "127.0.0.1:0"]);
        run.args(["--state-dir", "/opt/detector-story"]);
        run.arg("--control-socket").arg(folder.join("control.sock"));
        finish(folder, run)?.expect(
            2,
            &[
                "cannot use state directory /opt/detector-story",
                "Read-only file system",
                "hint: choose a folder you may write to with --state-dir",
            ],
        )?;
        let mut run = command_under(&under, &binary()?);
        run.args(["run", "--web.listen-address", "127.0.0.1:0", "--state-dir"]);
        run.arg(folder.join("state"));
        run.args(["--control-socket", "/opt/detector-story/control.sock"]);
        finish(folder, run)?.expect(
            2,
            &[
                "cannot claim control socket /opt/detector-story/control.sock",
                "Read-only file system",
                "hint: choose a path you may write to with --control-socket",
            ],
        )?;
        let options = AgentOptions {
            under,
            ..watching_little()
        };
        let agent = Agent::start_with(folder, &options)?;
        let status = agent.status()?;
        ensure!(status["recorder"]["failure"].is_null(), "{status}");
        agent.wait_sweeps(2)
    })
}

#[test]
fn without_cgroup_v2_it_says_that_limits_are_not_known() -> Result<()> {
    in_folder("no-cgroup-v2", |folder| {
        let options = AgentOptions {
            under: with_mounts("umount --recursive --lazy /sys/fs/cgroup"),
            ..watching_little()
        };
        let words = ["limits of units are not known", "unified_cgroup_hierarchy"];
        expect_words(&lacking(&options.under, "cgroup v2")?, &words)?;
        let agent = Agent::start_with(folder, &options)?;
        agent.wait_sweeps(2)
    })
}
