//! Whom the guard never touches, and whom it cannot be made to touch: the host's gateway, whoever is logged
//! in and whoever fetches the metrics lose nothing; what it made is lifted from who is trusted later; an
//! address that somebody gives himself in a network of his own is never limited or blocked for that. A
//! dry run says what it would do without the privileges for it.

use super::{
    CLIENTS, DETECT, JUDGED, PINNED, attacker, come_back_until, configuration, connections, hoard,
    metric, start, steps, tables, wait_step,
};
use anyhow::{Context, Result, ensure};
use detector_tests::PATIENCE;
use detector_tests::agent::{Agent, AgentOptions};
use detector_tests::expect;
use detector_tests::lab::{Child, Family, Lab, network_of_ones_own};
use detector_tests::peers::KernelPeer;
use detector_tests::servers::TinyServer;
use detector_tests::story::Story;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};

both_families!(
    whoever_is_to_be_spared_is_not_touched,
    what_was_made_is_lifted_from_who_is_trusted_later,
    a_network_of_ones_own_gets_nobody_blocked
);

const METRICS_PORT: u16 = 10_062;

/// Far away, by the attacker.
const fn behind_it(family: Family) -> &'static str {
    match family {
        Family::V4 => "198.19.255.0/24",
        Family::V6 => "2001:2:0:ffff::/64",
    }
}

/// Whose metrics can be fetched from the link, too.
fn start_for_scrapers(story: &Story, web: SocketAddr) -> Result<Agent> {
    let options = AgentOptions {
        configuration: Some(configuration(story, "enforce")),
        ..AgentOptions::default()
    };
    Agent::start_prepared(story.folder(), &options, |command| {
        story.server().place(command);
        command.args(["--web.listen-address", &web.to_string()]);
        Ok(())
    })
}

/// What somebody who has logged in from this address runs.
fn session_from(address: IpAddr) -> Result<Child> {
    let mut shell = Command::new("sleep");
    shell.arg("600").stdin(Stdio::null());
    shell.env("SSH_CONNECTION", format!("{address} 50000 192.0.2.1 22"));
    Child::start(shell)
}

/// A route by this gateway, as `ip route` has it: over IPv6 by the number of a nexthop, which is all that the kernel
/// tells of it there.
fn route_by(story: &Story, family: Family, gateway: IpAddr) -> Result<String> {
    let (far, link, server) = (behind_it(family), Lab::LINK, story.server());
    let route = match family {
        Family::V4 => format!("{far} via {gateway} dev {link} onlink"),
        Family::V6 => {
            server.stdout_of("sysctl -w net.ipv4.nexthop_compat_mode=0")?;
            server.ip(&format!("nexthop add id 7 via {gateway} dev {link} onlink"))?;
            format!("{far} nhid 7")
        }
    };
    server.ip(&format!("route add {route}"))?;
    Ok(route)
}

fn whoever_is_to_be_spared_is_not_touched(family: Family) -> Result<()> {
    let _machine = crate::machine();
    Story::play_between_hosts(
        &format!("guard-spared-{}", family.name()),
        family,
        |story| {
            let address = story.lab.addresses.server(family);
            let web = SocketAddr::new(address, METRICS_PORT);
            let attacker = attacker(story, family)?;
            let route = route_by(story, family, attacker)?;
            let agent = start_for_scrapers(story, web)?;
            let server = TinyServer::start(story.server(), address)?;
            let _held = hoard(story, attacker, server.address(), CLIENTS)?;
            let is_spared_as = |reason: &str| -> Result<()> {
                let labels = [("reason", reason)];
                expect::until(&format!("it is spared as {reason}"), JUDGED, || {
                    let spared = metric(story, &agent, "detector_guard_spared_total", &labels)?;
                    Ok((spared > 0.9).then_some(()))
                })
                .with_context(|| agent.describe(attacker))?;
                let steps = steps(&agent, attacker)?;
                ensure!(steps.is_empty(), "{steps:?}");
                let left = connections(story, attacker)?;
                // That of the scraper may be among them.
                ensure!(left >= CLIENTS, "{left} left");
                let resets = metric(story, &agent, "detector_guard_resets_total", &[])?;
                ensure!(resets < 0.1, "{resets} were reset");
                ensure!(tables(story)?.is_empty(), "{}", tables(story)?);
                Ok(())
            };
            is_spared_as("gateway")?;
            let mut session = session_from(attacker)?;
            story.server().ip(&format!("route del {route}"))?;
            if family == Family::V6 {
                story.server().ip("nexthop del id 7")?;
            }
            is_spared_as("session")?;
            let from = Some(SocketAddr::new(attacker, 0));
            let mut scraper = KernelPeer::connect_with(&story.lab.client, from, web, None)?;
            scraper.request("/metrics")?;
            ensure!(scraper.read_to_end()? > 0, "no metrics");
            session.signal(Signal::SIGTERM)?;
            session.wait(PATIENCE)?;
            is_spared_as("scraper")?;
            // Whoever is none of them any more is.
            agent.stop(Signal::SIGTERM)?;
            let agent = start_for_scrapers(story, web)?;
            wait_step(&agent, attacker, "reset", false).map(drop)
        },
    )
}

fn what_was_made_is_lifted_from_who_is_trusted_later(family: Family) -> Result<()> {
    let _machine = crate::machine();
    Story::play_between_hosts(
        &format!("guard-trusts-{}", family.name()),
        family,
        |story| {
            let agent = start(story, "enforce")?;
            let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
            let attacker = attacker(story, family)?;
            drop(hoard(story, attacker, server.address(), CLIENTS)?);
            let both = (attacker, server.address());
            let (limited, _held) = come_back_until(story, &agent, both, "limit", false)?;
            ensure!(limited["guard"]["failure"].is_null(), "{limited}");
            ensure!(!tables(story)?.is_empty(), "nothing is limited");
            let everybody = "[peers]\ntrusted = [\"0.0.0.0/0\", \"::/0\"]\n";
            agent.reload(&format!(
                "{DETECT}{everybody}[guard]\nmode = \"enforce\"\n{PINNED}"
            ))?;
            expect::until("the limit is lifted", PATIENCE, || {
                Ok(tables(story)?.is_empty().then_some(()))
            })?;
            expect::until("it is told", PATIENCE, || {
                let is_told = agent.log()?.contains("unblock by the guard");
                Ok(is_told.then_some(()))
            })
        },
    )
}

fn a_network_of_ones_own_gets_nobody_blocked(family: Family) -> Result<()> {
    let _machine = crate::machine();
    Story::play_between_hosts(
        &format!("guard-framed-{}", family.name()),
        family,
        |story| {
            let agent = start(story, "enforce")?;
            let victim = attacker(story, family)?;
            let (stranger, theirs) = network_of_ones_own()?;
            let (ours, pid) = (&story.lab.client, stranger.pid());
            // Of no network that is routed here.
            let (address, length, flags) = match family {
                Family::V4 => ("198.19.254.1", 32, ""),
                Family::V6 => ("2001:2:0:fffe::1", 128, "nodad"),
            };
            ours.ip("link add framed0 type veth peer name framed1")?;
            ours.ip(&format!("link set framed1 netns {pid}"))?;
            for (network, device) in [(ours, "framed0"), (&theirs, "framed1")] {
                network.ip(&format!("link set {device} up"))?;
            }
            theirs.ip(&format!(
                "address add {address}/{length} dev framed1 {flags}"
            ))?;
            ours.ip(&format!("route add {address}/{length} dev framed0"))?;
            theirs.ip(&format!("route add {victim}/{length} dev framed1"))?;
            if family == Family::V6 {
                // Only what is a device's own is found behind it.
                ours.ip(&format!("address add {victim}/{length} dev framed0 nodad"))?;
            }
            let server = TinyServer::start(&theirs, address.parse()?)?;
            let is_reset = |event: &&Value| event["guard"]["reset"].as_u64() > Some(0);
            for times in 1..=3 {
                let held = hoard(story, victim, server.address(), CLIENTS)?;
                expect::until("what is held is reset", JUDGED, || {
                    let steps = steps(&agent, victim)?;
                    Ok((steps.iter().filter(is_reset).count() >= times).then_some(()))
                })
                .with_context(|| agent.describe(victim))?;
                drop(held);
            }
            let steps = steps(&agent, victim)?;
            ensure!(
                steps.iter().all(|event| event["guard"]["act"] == "reset"),
                "{steps:?}"
            );
            ensure!(tables(story)?.is_empty(), "{}", tables(story)?);

            // What comes this way is another matter.
            let server = TinyServer::start(story.server(), story.lab.addresses.server(family))?;
            let both = (victim, server.address());
            let (limited, held) = come_back_until(story, &agent, both, "limit", false)?;
            ensure!(limited["guard"]["failure"].is_null(), "{limited}");
            drop((held, stranger));
            Ok(())
        },
    )
}

#[test]
fn a_dry_run_needs_no_privilege_to_act() -> Result<()> {
    let _machine = crate::machine();
    Story::play_between_hosts("guard-foresees", Family::V4, |story| {
        let line = [
            "setpriv",
            "--bounding-set",
            "-net_admin",
            "--inh-caps",
            "-net_admin",
        ];
        let options = AgentOptions {
            configuration: Some(configuration(story, "dry-run")),
            under: line.into_iter().chain(["--"]).map(str::to_owned).collect(),
            ..AgentOptions::default()
        };
        let agent = Agent::start_in_with(story.server(), story.folder(), &options)?;
        let server = TinyServer::start(story.server(), story.lab.addresses.server(Family::V4))?;
        let attacker = attacker(story, Family::V4)?;
        let held = hoard(story, attacker, server.address(), CLIENTS)?;
        let would = wait_step(&agent, attacker, "reset", true)?;
        ensure!(would["guard"]["failure"].is_null(), "{would}");
        ensure!(would["guard"]["reset"].as_u64() > Some(0), "{would}");
        ensure!(would["guard"]["freed_bytes"].as_u64() > Some(0), "{would}");
        drop(held);
        let both = (attacker, server.address());
        let (would, _held) = come_back_until(story, &agent, both, "limit", true)?;
        ensure!(would["guard"]["failure"].is_null(), "{would}");
        ensure!(would["guard"]["until"].is_string(), "{would}");
        ensure!(
            connections(story, attacker)? == CLIENTS,
            "a dry run has reset"
        );
        ensure!(tables(story)?.is_empty(), "{}", tables(story)?);
        Ok(())
    })
}
