//! The lab itself: crafted peers do on the wire what their scripts say, kernel peers stall real
//! senders, guards clean up, and nothing is left of a process that is killed. Needs no agent.

use crate::stage::{CraftedStage, both_families, suffix};
use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::acts;
use detector_tests::expect;
use detector_tests::lab::{Child, Family, Namespace};
use detector_tests::peers::KernelPeer;
use detector_tests::peers::crafted::Profile;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use detector_tests::truth;
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;

both_families!(
    crafted_retreat_is_on_the_wire,
    kernel_peer_that_does_not_read_stalls_the_sender,
    crafted_peer_can_read_everything,
);

/// A retreat to zero with data in flight draws retransmits of the head, and a capture shows both.
fn crafted_retreat_is_on_the_wire(family: Family) -> Result<()> {
    Story::play(&suffix("lab-retreat", family), family, |story| {
        let stage = CraftedStage::set(story)?;
        let capture = story.capture_tun()?;
        let peer = stage.connect(4_001, Profile::default())?;
        acts::retract_to_zero(&peer)?;
        let before = peer.seen().retransmits;
        // The first may have been on its way when the window closed.
        peer.wait_seen("three retransmits", |seen| seen.retransmits >= before + 3)?;
        let file = capture.finish()?;
        let counts = truth::read(&file, stage.server.address())?[&peer.address()];
        ensure!(
            counts.treason == 1 && counts.polite + counts.below_flight == 0,
            "{counts:?}"
        );
        ensure!(counts.zero_window_episodes == 1, "{counts:?}");
        ensure!(counts.retransmits_window_probe >= 2, "{counts:?}");
        Ok(())
    })
}

/// A kernel client that stops reading leaves the server with a full queue and a zero window.
fn kernel_peer_that_does_not_read_stalls_the_sender(family: Family) -> Result<()> {
    Story::play(&suffix("lab-kernel-stall", family), family, |story| {
        let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
        let capture = story.capture_link()?;
        let mut client = KernelPeer::connect(&story.lab.client, server.address())?;
        client.request("/bytes/20000000")?;
        expect::until("the sender waits for the window", PATIENCE, || {
            let sockets = story.server().stdout_of("ss -Htino state established")?;
            Ok(sockets.contains("timer:(persist").then_some(()))
        })?;
        let file = capture.finish()?;
        let counts = truth::read(&file, server.address())?[&client.address()?];
        ensure!(counts.zero_window_episodes >= 1, "{counts:?}");
        Ok(())
    })
}

/// A crafted peer that drains gets everything, and does nothing worth counting.
fn crafted_peer_can_read_everything(family: Family) -> Result<()> {
    Story::play(&suffix("lab-drain", family), family, |story| {
        let stage = CraftedStage::set(story)?;
        let capture = story.capture_tun()?;
        let peer = stage.connect(4_001, Profile::default().without_timestamps())?;
        acts::read_all(&peer, 300_000)?;
        let mut counts = truth::read(&capture.finish()?, stage.server.address())?[&peer.address()];
        // Where its thread waits for a processor the kernel sends again.
        counts.retransmits_open_window = 0;
        ensure!(counts == truth::Counts::default(), "{counts:?}");
        Ok(())
    })
}

/// Set where this program is to make a namespace and be killed.
const IS_KILLED: &str = "DETECTOR_IS_KILLED";

#[test]
fn a_process_that_is_killed_leaves_no_namespace() -> Result<()> {
    let mut program = Command::new("sleep");
    program.arg("600");
    if std::env::var_os(IS_KILLED).is_some() {
        let namespace = Namespace::create(0, "killed")?;
        namespace.place(&mut program);
        program.status().context("wait to be killed")?;
        return Ok(());
    }
    let mut again = Command::new(std::env::current_exe()?);
    again.args([
        "--exact",
        "lab::a_process_that_is_killed_leaves_no_namespace",
    ]);
    again.env(IS_KILLED, "1");
    let mut maker = Child::start(again)?;
    let name = format!("detlab{}-0-killed", maker.pid());
    let namespace = Path::new("/run/netns").join(&name);
    let program = expect::until("a program runs in the namespace", PATIENCE, || {
        ensure!(maker.status()?.is_none(), "it has ended by itself");
        if !namespace.exists() {
            return Ok(None);
        }
        let pids = detector_tests::lab::stdout_of(&format!("ip netns pids {name}"));
        let pid = pids.ok().and_then(|pids| pids.trim().parse::<u32>().ok());
        Ok(pid.map(|pid| PathBuf::from(format!("/proc/{pid}"))))
    })?;
    maker.stop(Signal::SIGKILL, PATIENCE)?;
    expect::until("both are gone", PATIENCE, || {
        Ok((!namespace.exists() && !program.exists()).then_some(()))
    })
}
