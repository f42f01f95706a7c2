//! The card of `detector explain` says of a real peer what it is, by which rule and in which
//! branch of the kernel, whose connections it holds, and what to do; a peer that is not tracked is
//! told with the nearest that is.

use crate::stage::{CraftedStage, both_families, suffix};
use anyhow::{Context, Result, ensure};
use detector_tests::agent::{Agent, PeerView, command};
use detector_tests::lab::Family;
use detector_tests::peers::KernelPeer;
use detector_tests::servers::{Nginx, NginxSettings};
use detector_tests::story::Story;
use detector_tests::{PATIENCE, expect};
use serde_json::Value;
use std::net::IpAddr;
use std::path::Path;
use std::process::Output;

/// Where standard output is no terminal.
const WIDTH: usize = 80;
/// The nearest peers share so much that one bit of the last octet makes another address.
const LAST_BIT: u128 = 1;

both_families!(treason_is_explained, a_held_nginx_worker_is_named);

fn treason_is_explained(family: Family) -> Result<()> {
    Story::play(&suffix("explain-treason", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let stage = CraftedStage::set(story)?;
        let play = stage.play("treason")?;
        let ip = stage.peer_ip();
        agent.wait_flag(ip, "window-shrink", PATIENCE)?;
        agent.wait_flag(ip, "zero-window-stall", PATIENCE)?;

        let socket = agent.control_socket();
        let text = card(&socket, &ip.to_string())?;
        for words in [
            "(shrinking-peer)",
            "severity info",
            "SPEAKS FOR IT",
            "HARMLESS CAUSES CONSIDERED",
            "window-shrink on 1 connection",
            "(treason)",
            "RFC 9293, 3.8.6",
            "tcp_retransmit_timer",
            "Treason uncloaked",
            "hook",
            "WHAT TO DO",
        ] {
            ensure!(contains(&text, words), "no `{words}` in\n{text}");
        }
        ensure!(
            !text.contains('\u{1b}'),
            "colours without a terminal:\n{text}"
        );
        let longest = text.lines().filter(|line| !line.starts_with("        "));
        let longest = longest.map(|line| line.chars().count()).max();
        ensure!(
            longest.is_some_and(|cells| cells <= WIDTH),
            "too wide:\n{text}"
        );

        // However the peer is written, it is the same one.
        let mut names = vec![play.peer()?.to_string()];
        match ip {
            IpAddr::V4(v4) => names.push(v4.to_ipv6_mapped().to_string()),
            IpAddr::V6(_) => names.push(format!("{ip}/64")),
        }
        for name in names {
            let same = card(&socket, &name)?;
            ensure!(same.contains("(shrinking-peer)"), "{name}:\n{same}");
        }
        let object: Value = serde_json::from_str(&explain(&socket, &[&ip.to_string(), "--json"])?)?;
        ensure!(
            object["assessment"]["verdict"] == "shrinking-peer",
            "{object}"
        );
        unknown_peer_has_a_hint(&socket, ip)
    })
}

/// Another address nearby is not tracked; IPv6 peers are networks, so there it is another network.
fn unknown_peer_has_a_hint(socket: &Path, known: IpAddr) -> Result<()> {
    let other = match known {
        IpAddr::V4(v4) => IpAddr::from((v4.to_bits() ^ 1).to_be_bytes()),
        IpAddr::V6(v6) => IpAddr::from((v6.to_bits() ^ (LAST_BIT << 64)).to_be_bytes()),
    };
    let output = run(socket, &[&other.to_string()])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(1),
        "{:?}: {said}",
        output.status
    );
    ensure!(output.stdout.is_empty(), "{output:?}");
    ensure!(said.starts_with("error: cannot explain"), "{said}");
    ensure!(
        said.contains("hint: the nearest that it tracks is"),
        "{said}"
    );
    Ok(())
}

fn a_held_nginx_worker_is_named(family: Family) -> Result<()> {
    Story::play(&suffix("explain-nginx", family), family, |story| {
        let agent = Agent::start(story.folder())?;
        let ip = story.lab.addresses.server(family);
        let nginx = Nginx::start(story.server(), ip, story.folder(), NginxSettings::default())?;
        let mut client = KernelPeer::connect(&story.lab.client, nginx.address())?;
        client.request("/large")?;
        let peer = client.address()?.ip();
        let named = agent.wait_connection(peer, "its owner", PATIENCE, |seen| {
            seen.stall.is_some() && !seen.processes.is_empty()
        })?;
        let owner = named.processes.first().context("an owner")?;
        let text = card(&agent.control_socket(), &peer.to_string())?;
        let owned = format!("nginx, process {}", owner.pid);
        for words in [
            owned.as_str(),
            "of kernel memory pinned",
            "zero_window",
            "net.ipv4.tcp_mem",
        ] {
            ensure!(contains(&text, words), "no `{words}` in\n{text}");
        }

        // From the recorder of the agent that is asked: its newest second is a moment old.
        expect::until("the card says what would have helped", PATIENCE, || {
            let text = card(&agent.control_socket(), &peer.to_string())?;
            Ok(contains(&text, "WHAT WOULD HAVE HELPED").then_some(()))
        })?;

        drop(client);
        let is_closed = |seen: &PeerView| seen.connections == 0;
        agent.wait_peer(peer, "no connection", PATIENCE, is_closed)?;
        let text = card(&agent.control_socket(), &peer.to_string())?;
        let closed = format!("Its connections are closed; they belonged to: {owned}");
        ensure!(contains(&text, &closed), "no `{closed}` in\n{text}");
        Ok(())
    })
}

/// Whether the words are there, wherever lines were broken.
fn contains(text: &str, words: &str) -> bool {
    let joined: Vec<&str> = text.split_whitespace().collect();
    joined.join(" ").contains(words)
}

fn card(socket: &Path, peer: &str) -> Result<String> {
    explain(socket, &[peer])
}

fn explain(socket: &Path, arguments: &[&str]) -> Result<String> {
    let output = run(socket, arguments)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).context("the card is UTF-8")
}

fn run(socket: &Path, arguments: &[&str]) -> Result<Output> {
    let mut explain = command(&["explain", "--control-socket"])?;
    explain.arg(socket).args(arguments);
    explain.output().context("run detector explain")
}
