//! `detector block` drops what one peer sends, in the agent's own network namespace, and nothing
//! else; a dry run changes nothing; a block ends by itself, with `detector unblock`, and with the
//! agent however that ends; what the host lives on is refused.

use crate::stage::{CraftedStage, both_families, suffix};
use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::acts;
use detector_tests::agent::{Agent, command};
use detector_tests::expect;
use detector_tests::lab::Family;
use detector_tests::peers::crafted::Profile;
use detector_tests::schema::Schema;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use serde_json::Value;
use std::net::{SocketAddr, TcpStream};
use std::process::Output;
use std::time::{Duration, Instant};

/// A connection that is dropped would never get through; this long is looked whether it does.
const DROPPED: Duration = Duration::from_millis(700);

both_families!(
    block_drops_one_peer_and_ends,
    what_the_host_lives_on_is_refused
);

fn ask(agent: &Agent, arguments: &[&str]) -> Result<Output> {
    let mut command = command(arguments)?;
    command.arg("--control-socket").arg(agent.control_socket());
    command.output().with_context(|| arguments.join(" "))
}

fn done(agent: &Agent, arguments: &[&str]) -> Result<String> {
    let output = ask(agent, arguments)?;
    ensure!(output.status.success(), "{arguments:?}: {output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

/// Whether the client gets through to the server within this time.
fn connects(story: &Story, server: SocketAddr, within: Duration) -> Result<bool> {
    story
        .lab
        .client
        .enter(|| Ok(TcpStream::connect_timeout(&server, within).is_ok()))
}

fn tables(story: &Story) -> Result<String> {
    story.server().stdout_of("nft list tables")
}

fn expect_open(story: &Story, server: SocketAddr) -> Result<()> {
    ensure!(
        connects(story, server, PATIENCE)?,
        "still blocked: {}",
        tables(story)?
    );
    Ok(())
}

fn expect_blocked(story: &Story, server: SocketAddr) -> Result<()> {
    let connects = connects(story, server, DROPPED)?;
    ensure!(!connects, "not blocked: {}", tables(story)?);
    Ok(())
}

fn block_drops_one_peer_and_ends(family: Family) -> Result<()> {
    Story::play(&suffix("block", family), family, |story| {
        let agent = Agent::start_in(story.server(), story.folder())?;
        let addresses = story.lab.addresses;
        let web = TinyServer::start(story.server(), addresses.server(family))?;
        let web = web.address();
        let neighbours = CraftedStage::set(story)?;
        let neighbour = neighbours.connect(4_001, Profile::default())?;
        let client = addresses.client(family).to_string();

        let told = done(&agent, &["block", &client, "--for", "10m", "--dry-run"])?;
        ensure!(told.starts_with("would drop all that "), "{told}");
        ensure!(tables(story)?.is_empty(), "a dry run has made a table");
        expect_open(story, web)?;

        let began = Instant::now();
        done(&agent, &["block", &client, "--for", "5s"])?;
        expect::until("the block ends by itself", PATIENCE, || {
            Ok(connects(story, web, DROPPED)?.then_some(()))
        })?;
        ensure!(began.elapsed() >= Duration::from_secs(5), "too early");
        expect::until("nothing is left of it", PATIENCE, || {
            Ok(tables(story)?.is_empty().then_some(()))
        })?;
        ensure!(done(&agent, &["blocked"])? == "nothing is blocked\n");

        // Again, longer; nobody else can take it away, `unblock` can.
        done(&agent, &["block", &client, "--for", "5m"])?;
        expect_blocked(story, web)?;
        let listed: Value = serde_json::from_str(&done(&agent, &["blocked", "--json"])?)?;
        Schema::read("blocked")?.check(&listed)?;
        let network = listed[0]["network"].as_str().unwrap_or_default();
        ensure!(
            network.starts_with(&client) && listed[0]["uid"] == 0,
            "{listed}"
        );
        acts::read_all(&neighbour, 50_000)?;
        let again = done(&agent, &["block", &client, "--for", "10m"])?;
        ensure!(again.contains("; it is blocked until "), "{again}");
        story.server().stdout_of("nft flush ruleset")?;
        expect_blocked(story, web)?;
        let table = story.server().stdout_of("nft list table inet detector")?;
        ensure!(table.contains(&client) && table.contains("drop"), "{table}");
        done(&agent, &["unblock", &client])?;
        expect_open(story, web)?;
        ensure!(tables(story)?.is_empty(), "{}", tables(story)?);
        ensure!(ask(&agent, &["unblock", &client])?.status.code() == Some(1));

        let metrics = story.server().enter(|| agent.metrics())?;
        let blocks = metrics.value("detector_actions_total", &[("action", "block")])?;
        let now = metrics.value("detector_blocked_networks", &[])?;
        ensure!(
            (blocks - 3.0).abs() < 0.1 && now.abs() < 0.1,
            "{blocks} {now}"
        );
        agent.wait_log(&format!("block asked by uid 0: {network} is blocked until"))?;

        // It fails open, also when nobody can tidy up.
        done(&agent, &["block", &client, "--for", "10m"])?;
        expect_blocked(story, web)?;
        agent.kill()?;
        expect_open(story, web)?;
        ensure!(tables(story)?.is_empty(), "{}", tables(story)?);
        Ok(())
    })
}

fn what_the_host_lives_on_is_refused(family: Family) -> Result<()> {
    Story::play(&suffix("block-refused", family), family, |story| {
        let agent = Agent::start_in(story.server(), story.folder())?;
        let own = story.lab.addresses.server(family).to_string();
        let (everybody, wide) = match family {
            Family::V4 => ("0.0.0.0/0", "64.0.0.0/7"),
            Family::V6 => ("::/0", "2a00::/23"),
        };
        let client = story.lab.addresses.client(family).to_string();
        for (network, span, code, part) in [
            (own.as_str(), "10m", 1, "is an address of this host"),
            (everybody, "10m", 1, "never blocked"),
            (wide, "10m", 2, "too wide"),
            (&client, "25h", 2, "a block lasts between"),
        ] {
            for dry in [&[][..], &["--dry-run"]] {
                let arguments = [&["block", network, "--for", span][..], dry].concat();
                let output = ask(&agent, &arguments)?;
                let said = String::from_utf8_lossy(&output.stderr);
                ensure!(
                    output.status.code() == Some(code),
                    "{arguments:?}: {output:?}"
                );
                ensure!(said.contains(part) && said.contains("\nhint: "), "{said}");
            }
        }
        ensure!(tables(story)?.is_empty(), "{}", tables(story)?);
        Ok(())
    })
}
