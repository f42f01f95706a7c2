//! The check inside a virtual machine: what the agent must see on any kernel it supports.

use crate::say;
use anyhow::{Context, Result, ensure};
use detector_tests::acts;
use detector_tests::agent::{AgentView, ConnectionView};
use detector_tests::expect;
use detector_tests::lab::{Addresses, Family, Namespace, bring_up, peer_key, tun_with_addresses};
use detector_tests::peers::crafted::{Host, Peer, Profile};
use detector_tests::servers::TinyServer;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// An emulated machine with two slow cores, and a sweep that may just have passed.
const DEADLINE: Duration = Duration::from_secs(20);

struct Case {
    name: &'static str,
    play: fn(&Peer) -> Result<()>,
    is_seen: fn(&ConnectionView) -> bool,
}

const CASES: [Case; 3] = [
    Case {
        name: "zero-window",
        play: acts::close_window,
        is_seen: |connection| {
            connection.zero_window_episodes == 1
                && connection.in_zero_window
                && connection.window_shrinks.total() == 0
                && connection.stall.as_deref() == Some("zero_window")
        },
    },
    Case {
        name: "treason",
        play: acts::retract_to_zero,
        is_seen: |connection| {
            connection.window_shrinks.treason == 1
                && connection.window_shrinks.total() == 1
                && connection.retransmits.window_probe >= 1
                && connection.retransmits.loss == 0
        },
    },
    Case {
        name: "half-closed",
        play: acts::half_close_and_stop_reading,
        is_seen: |connection| {
            connection.state == "CLOSE-WAIT"
                && connection.zero_window_episodes == 1
                && connection.in_zero_window
                && connection.source == "sweep"
        },
    },
];

/// Plays all cases against the agent behind `control_socket`.
pub(crate) fn play(control_socket: &Path, ipv4_only: bool) -> Result<()> {
    let agent = AgentView::new(control_socket);
    let namespace = Namespace::here()?;
    let addresses = Addresses::new(std::process::id(), 0);
    bring_up("lo")?;
    let host = Host::start(tun_with_addresses("tun0", &addresses)?)?;
    let mut failures = 0;
    for family in [Family::V4, Family::V6] {
        if ipv4_only && family == Family::V6 {
            continue;
        }
        let server = TinyServer::start(&namespace, addresses.tun_server(family))?;
        let stage = Stage {
            agent: &agent,
            host: &host,
            server: &server,
            addresses,
            family,
        };
        failures += stage.play_all();
    }
    ensure!(failures == 0, "{failures} cases failed");
    Ok(())
}

struct Stage<'s> {
    agent: &'s AgentView,
    host: &'s Host,
    server: &'s TinyServer,
    addresses: Addresses,
    family: Family,
}

impl Stage<'_> {
    fn play_all(&self) -> u32 {
        let mut failures = 0;
        for (number, case) in (1..).zip(&CASES) {
            failures += self.report(case.name, &self.play_case(number, case));
        }
        failures + self.report("reader", &self.play_reader())
    }

    fn report(&self, name: &str, outcome: &Result<()>) -> u32 {
        let family = self.family;
        match outcome {
            Ok(()) => {
                say(&format!("ok      {name} {family:?}"));
                0
            }
            Err(error) => {
                say(&format!("failed  {name} {family:?}: {error:#}"));
                1
            }
        }
    }

    fn connect(&self, port: u16) -> Result<Peer> {
        let local = SocketAddr::new(self.addresses.crafted(self.family, 0), port);
        self.host
            .connect(local, self.server.address(), Profile::default())
    }

    fn play_case(&self, number: u16, case: &Case) -> Result<()> {
        let peer = self.connect(4_000 + number)?;
        (case.play)(&peer).context("the play itself failed")?;
        let remote = peer.address();
        self.agent
            .wait_connection(
                remote.ip(),
                "the agent sees the case",
                DEADLINE,
                |connection| connection.remote == remote.to_string() && (case.is_seen)(connection),
            )
            .map(drop)
    }

    /// The honest peer must not cost anything. Its own address keeps it apart from the others
    /// (IPv6 peers are networks, there the connection is looked for).
    fn play_reader(&self) -> Result<()> {
        let peer = self.connect(4_100)?;
        acts::read_all(&peer, 500_000)?;
        let remote = peer.address().to_string();
        let before = self.sweeps()?;
        expect::until("the agent sweeps twice more", DEADLINE, || {
            Ok((self.sweeps()? >= before + 2.0).then_some(()))
        })?;
        let connections = self.agent.connections(peer.address().ip())?;
        let found = connections
            .iter()
            .find(|connection| connection.remote == remote);
        let is_blamed = |seen: &ConnectionView| {
            seen.zero_window_episodes > 0 || seen.window_shrinks.total() > 0 || seen.stall.is_some()
        };
        ensure!(
            !found.is_some_and(is_blamed),
            "an honest reader of {} is blamed: {found:?}",
            peer_key(peer.address().ip())
        );
        Ok(())
    }

    fn sweeps(&self) -> Result<f64> {
        self.agent.sweeps()
    }
}
