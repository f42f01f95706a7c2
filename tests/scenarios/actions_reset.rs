//! `detector reset` closes what is stalled and nothing else: a dry run changes nothing, a stalled
//! download is closed for its server too and its memory comes back, a healthy connection of the
//! very same peer goes on, an orphan in FIN_WAIT1 goes. Behind a balancer it frees what an attacker
//! holds there, and others are served on. Who may only look cannot act.

use crate::stage::{CraftedStage, both_families, suffix};
use crate::unprivileged::{as_nobody, program_for_all};
use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::{Agent, AgentOptions, PeerView, command};
use detector_tests::expect;
use detector_tests::lab::Family;
use detector_tests::peers::KernelPeer;
use detector_tests::schema::Schema;
use detector_tests::servers::{Haproxy, Nginx, NginxSettings, TinyServer};
use detector_tests::story::{self, Story};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

both_families!(
    stalled_download_is_reset,
    stalled_orphan_is_reset,
    hoard_behind_a_balancer_is_reset,
);

/// `detector reset` of this peer.
fn reset(agent: &Agent, peer: IpAddr, arguments: &[&str]) -> Result<Output> {
    let mut command = command(&["reset", &peer.to_string()])?;
    command.args(arguments);
    command.arg("--control-socket").arg(agent.control_socket());
    command.output().context("run detector reset")
}

fn answer(output: &Output) -> Result<Value> {
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{errors}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Whether the server's kernel has a connection with this client.
fn has_connection(story: &Story, client: SocketAddr) -> Result<bool> {
    let listed = story.server().stdout_of(&format!("ss -Htn dst {client}"))?;
    Ok(!listed.trim().is_empty())
}

fn stalled_download_is_reset(family: Family) -> Result<()> {
    Story::play(&suffix("reset", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
        let mut neighbour = KernelPeer::connect(&story.lab.client, server.address())?;
        neighbour.request("/after/50000")?;
        neighbour.read(1_000)?;
        let mut client = KernelPeer::connect(&story.lab.client, server.address())?;
        client.request("/bytes/20000000")?;
        let address = client.address()?;
        let peer = address.ip();
        agent.wait_flag(peer, "zero-window-stall", PATIENCE)?;
        agent.wait_connection(peer, "stalled for a second", PATIENCE, |seen| {
            seen.stall.is_some() && seen.stalled_seconds > 1.0
        })?;

        // Too young for an hour,
        let left = answer(&reset(&agent, peer, &["--stalled-for", "1h", "--json"])?)?;
        ensure!(left["reset"] == 0 && left["too_young"] == 1, "{left}");
        // and for the half minute that goes without saying, unless it is as old by now.
        let left = answer(&reset(&agent, peer, &["--dry-run", "--json"])?)?;
        let connections = agent.connections(peer)?;
        let is_old = connections.iter().any(|seen| seen.stalled_seconds >= 30.0);
        ensure!(left["too_young"] == 1 || is_old, "{left}, {connections:?}");
        let for_a_second = ["--stalled-for", "1s"];
        let dry = [&for_a_second[..], &["--dry-run", "--json"]].concat();
        let told = answer(&reset(&agent, peer, &dry)?)?;
        Schema::read("reset")?.check(&told)?;
        ensure!(told["reset"] == 1 && told["dry_run"] == true, "{told}");
        ensure!(told["sockets"][0]["outcome"] == "would-reset", "{told}");
        ensure!(
            told["sockets"][0]["remote"] == address.to_string(),
            "{told}"
        );
        let pinned_bytes = told["freed_bytes"].as_u64().context("freed_bytes")?;
        ensure!(pinned_bytes > 50_000, "{told}");
        ensure!(has_connection(story, address)?, "a dry run has closed it");

        let output = reset(&agent, peer, &for_a_second)?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success() && said.starts_with("reset 1 stalled socket of "),
            "{output:?}"
        );
        ensure!(!has_connection(story, address)?, "{said}");
        agent.wait_peer(peer, "its memory is free", PATIENCE, |seen| {
            seen.stalled_connections == 0 && seen.pinned_bytes == 0
        })?;
        // The client had some bytes; then it learns of the end.
        ensure!(client.read_to_end().is_err(), "the client was not told");
        neighbour.send(b"more")?;
        neighbour.read(50_000)?;

        let metrics = agent.metrics()?;
        let done = metrics.value("detector_actions_total", &[("action", "reset")])?;
        let freed = metrics.value("detector_reset_bytes_total", &[])?;
        ensure!(
            (done - 1.0).abs() < 0.1 && freed > 50_000.0,
            "{done} {freed}"
        );
        agent.wait_log(&format!("reset asked by uid 0: {address} to "))
    })
}

fn stalled_orphan_is_reset(family: Family) -> Result<()> {
    Story::play(&suffix("reset-orphan", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let _play = stage.play("orphan")?;
        agent.wait_connection(stage.peer_ip(), "a stalled orphan", PATIENCE, |seen| {
            seen.is_orphan && seen.stall.is_some() && seen.stalled_seconds > 1.0
        })?;
        let arguments = ["--stalled-for", "1s", "--json"];
        let told = answer(&reset(&agent, stage.peer_ip(), &arguments)?)?;
        ensure!(told["reset"] == 1, "{told}");
        ensure!(told["sockets"][0]["state"] == "FIN-WAIT-1", "{told}");
        let left = story.server().stdout_of("ss -Htn state fin-wait-1")?;
        ensure!(left.is_empty(), "{told}\n{left}");
        Ok(())
    })
}

/// The balancer is not accused, what it holds is as loud as an attacker's, and can be freed.
fn hoard_behind_a_balancer_is_reset(family: Family) -> Result<()> {
    const HELD: u64 = 30;
    Story::play(&suffix("reset-balancer", family), family, |story| {
        let text = "[detect]\nstall_after = \"1s\"\ndribble_over = \"5s\"\n";
        let options = AgentOptions::with(text);
        let agent = Agent::start_with(story.folder(), &options)?;
        let addresses = story.lab.addresses;
        let server_ip = addresses.server(family);
        let settings = NginxSettings::default();
        let nginx = Nginx::start(story.server(), server_ip, story.folder(), settings)?;
        let peer = addresses.client(family);
        let balancer = Haproxy::start(
            &story.lab.client,
            SocketAddr::new(loopback(family), 8_000),
            (peer, nginx.address()),
            (story.folder(), "balancer"),
        )?;
        let ask = |path: &str| {
            let address = balancer.address();
            let mut client =
                KernelPeer::connect_with(&story.lab.client, None, address, Some(16_384))?;
            client.request(path)?;
            anyhow::Ok(client)
        };
        let held: Result<Vec<_>> = (0..HELD).map(|_| ask("/large")).collect();
        let _held = held?;
        let serve_others = || ask("/small")?.read_to_end();
        let is_spared = |seen: &PeerView| {
            let verdict = seen.verdict.as_deref();
            ensure!(
                verdict != Some("zero-window-attack") && verdict != Some("slow-read-attack"),
                "a balancer is accused: {seen:?}"
            );
            let is_loud = verdict == Some("slow-client") && seen.severity == "critical";
            Ok(is_loud && seen.stalled_connections >= HELD)
        };
        let seen = expect::until("the cost is named", PATIENCE, || {
            serve_others()?;
            let Some(seen) = agent.peer(peer)? else {
                return Ok(None);
            };
            Ok(is_spared(&seen)?.then_some(seen))
        })?;
        let told = answer(&reset(&agent, peer, &["--stalled-for", "1s", "--json"])?)?;
        ensure!(told["reset"] == HELD, "{told}");
        let freed = told["freed_bytes"].as_u64();
        ensure!(freed >= Some(seen.pinned_bytes / 2), "{told} of {seen:?}");
        expect::until("its memory is free", PATIENCE, || {
            serve_others()?;
            let is_free = |seen: &PeerView| seen.stalled_connections == 0 && seen.pinned_bytes == 0;
            Ok(agent.peer(peer)?.filter(is_free))
        })?;
        Ok(())
    })
}

fn loopback(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::LOCALHOST.into(),
        Family::V6 => Ipv6Addr::LOCALHOST.into(),
    }
}

#[test]
fn who_may_look_may_not_act() -> Result<()> {
    story::in_folder("reset-unprivileged", |folder| {
        let program = program_for_all(folder)?;
        let agent = Agent::start(folder)?;
        fs::set_permissions(folder.join("agent"), Permissions::from_mode(0o755))?;
        let socket = agent.control_socket();
        fs::set_permissions(&socket, Permissions::from_mode(0o666))?;
        let looked = as_nobody(&program, &["peers"], &socket)?;
        ensure!(looked.status.success(), "{looked:?}");
        for arguments in [
            &["reset", "203.0.113.7"][..],
            &["reset", "203.0.113.7", "--dry-run"],
        ] {
            let output = as_nobody(&program, arguments, &socket)?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.code() == Some(4), "{output:?}");
            ensure!(
                said.contains("may look, not act") && said.contains("\nhint: "),
                "{said}"
            );
        }
        agent.wait_log("uid 65534 asked for /v1/reset")
    })
}
